using System.Globalization;
using System.Text.Json;
using Vertebra.Graphs.Profiling;
using Vertebra.Kernels;

namespace Vertebra.Cli.Verbs;

/// <summary>What <c>vertebra bench</c> has measured, as text or as one line of JSON.</summary>
/// <param name="Model">Name of the network.</param>
/// <param name="Mode"><c>infer</c> or <c>train</c>.</param>
/// <param name="Image">Shape of the input.</param>
/// <param name="SlowestFirst">Order of the nodes.</param>
internal sealed record BenchReport(string Model, string Mode, Shape Image, bool SlowestFirst)
{
    /// <summary>Milliseconds of each run, ascending.</summary>
    public IReadOnlyList<double> Times { get; init; } = [];

    public double PeakMegabytes { get; init; }

    /// <summary>Milliseconds of runs on one thread and, right after each, on all; null unless asked for.</summary>
    public IReadOnlyList<(double One, double All)>? ScalingTimes { get; init; }

    /// <summary>How the nodes of the compiled graph are computed; null unless asked for.</summary>
    public CompiledProfile? Nodes { get; init; }

    /// <summary>Where the time of a training step goes; null unless asked for.</summary>
    public StepProfile? Step { get; init; }

    private double Median => Times[Times.Count / 2];

    // Of the pairs' ratios: a pair is over before the machine's speed has changed much.
    private double? Scaling => ScalingTimes?.Select(t => t.One / t.All).Order().ElementAt(ScalingTimes.Count / 2);

    public void Print(bool json)
    {
        if (json)
        {
            JsonOutput.Print(indented: false, Write);
            return;
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Model} {Mode} batch {Image[0]}, {Image[1]}x{Image[2]}, {Workers.Count} threads ({Simd.Level}): median {Median:0.0} ms, minimum {Times[0]:0.0} ms, {1000 * Image[0] / Median:0.0} images/s, {Times.Count} runs, peak memory {PeakMegabytes:0} MB"));
        if (Scaling is { } scaling)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Workers.Count} threads are {scaling:0.00} times as fast as one (median of {ScalingTimes!.Count} pairs of runs; least times {ScalingTimes.Min(t => t.One) / Times[0]:0.00})"));
        if (Nodes is not null)
            PrintNodes(Nodes);
        if (Step is not null)
            PrintStep(Step);
    }

    private void PrintNodes(CompiledProfile profile)
    {
        var (total, machine) = (profile.Roofline.Profile.TotalMilliseconds!.Value, profile.Roofline.Machine);
        var rows = Ordered(profile).Select(p => (string[])
        [
            p.Node.Node.ModulePath.Length == 0 ? "(network)" : p.Node.Node.ModulePath, p.Kernel.Text, string.Join('x', p.Node.OutputShape.Span.ToArray()),
            p.Kernel.Method == p.Kernel.Text ? "" : p.Kernel.Method, p.Kernel.Choice switch { null => "", "tuned" => "tuned", _ => "est." }, LevelName(p.Kernel.Level), p.Kernel.Parts.ToString(CultureInfo.InvariantCulture),
            Number(p.Node.Cost.Milliseconds!.Value, "0.000"), Number(100 * p.Node.Cost.Milliseconds!.Value / total, "0.0"), Speed(profile, p.Node), Number(100 * ShareOfLimit(profile, p.Node), "0"),
        ]).ToArray();
        TextTable.Print(["node", "op", "output", "method", "by", "bits", "parts", "ms", "%", "speed", "% limit"], rows, texts: 5);
        var macs = profile.Roofline.Profile.Root.Cost.Macs;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"total: {total:0.0} ms node by node, {2 * macs / total / 1e6:0} GFLOP/s, {100 * macs / total / 1e6 / machine.GigaMacsPerSecond:0} % of the multiply-add peak (multiply-adds of the definition, which Winograd does not all do)"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"limit: {2 * machine.GigaMacsPerSecond:0} GFLOP/s, {machine.GigaBytesPerSecond:0.0} GB/s of memory; they alone would take {profile.Roofline.LeastMilliseconds:0.0} ms: the network runs at {100 * profile.Fraction:0} % of its roofline. {profile.Roofline.Verdict}."));
    }

    private IEnumerable<(NodeProfile Node, NodeKernel Kernel)> Ordered(CompiledProfile profile)
    {
        var computed = profile.Roofline.Profile.Nodes.Zip(profile.Kernels).Where(p => p.Second is not null).Select(p => (Node: p.First, Kernel: p.Second!));
        return SlowestFirst ? computed.OrderByDescending(p => p.Node.Cost.Milliseconds) : computed;
    }

    // Bound by arithmetic: of the peak; bound by memory: of its bandwidth, which operands in a cache exceed.
    private static double ShareOfLimit(CompiledProfile profile, NodeProfile node) => node.Cost.Milliseconds is > 0 and var time
        ? profile.Roofline.Machine.LeastMilliseconds(node.Cost.Macs, node.Cost.Bytes) / time : 0;

    private static string Speed(CompiledProfile profile, NodeProfile node)
    {
        var seconds = 1e6 * Math.Max(node.Cost.Milliseconds!.Value, 1e-6);
        return profile.Roofline.IsBoundByArithmetic(node) ? Number(2 * node.Cost.Macs / seconds, "0") + " GF/s" : Number(node.Cost.Bytes / seconds, "0.0") + " GB/s";
    }

    private static string LevelName(SimdLevel level) => level switch
    {
        SimdLevel.Vector512 => "512",
        SimdLevel.Vector256 => "256",
        SimdLevel.Vector128 => "128",
        _ => "32",
    };

    private void PrintStep(StepProfile step)
    {
        var total = step.TotalMilliseconds;
        var rows = step.Kinds.Select(k => (string[])
        [
            k.Op, k.Calls.ToString(CultureInfo.InvariantCulture), Number(k.ForwardMilliseconds, "0.000"), Number(k.BackwardMilliseconds, "0.000"), Number(100 * k.Milliseconds / total, "0.0"),
            k.ForwardMacs == 0 ? "" : Number(2 * k.ForwardMacs / k.ForwardMilliseconds / 1e6, "0"), k.BackwardMacs == 0 ? "" : Number(2 * k.BackwardMacs / k.BackwardMilliseconds / 1e6, "0"),
        ]).ToList();
        rows.Add(["(rest: the network's own code, sums of gradients)", "", "", "", Number(100 * step.OtherMilliseconds / total, "0.0"), "", ""]);
        rows.Add(["(optimizer)", "", "", "", Number(100 * step.UpdateMilliseconds / total, "0.0"), "", ""]);
        TextTable.Print(["op", "calls", "forward ms", "backward ms", "% of step", "GFLOP/s", "GFLOP/s backward"], rows, texts: 1);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"total: {total:0.0} ms: forward {step.ForwardMilliseconds:0.0}, backward {step.BackwardMilliseconds:0.0}, optimizer {step.UpdateMilliseconds:0.0}"));
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private void Write(Utf8JsonWriter json)
    {
        json.WriteString("model", Model);
        json.WriteString("mode", Mode);
        json.WriteNumber("batch", Image[0]);
        json.WriteNumber("threads", Workers.Count);
        json.WriteNumber("median_ms", Math.Round(Median, 3));
        json.WriteNumber("min_ms", Math.Round(Times[0], 3));
        json.WriteNumber("runs", Times.Count);
        json.WriteNumber("peak_rss_mb", Math.Round(PeakMegabytes, 1));
        if (Scaling is { } scaling)
        {
            json.WriteNumber("scaling", Math.Round(scaling, 3));
            json.WriteNumber("min_ms_one_thread", Math.Round(ScalingTimes!.Min(t => t.One), 3));
        }
        if (Nodes is not null)
            WriteNodes(json, Nodes);
        if (Step is not null)
            WriteStep(json, Step);
    }

    private void WriteNodes(Utf8JsonWriter json, CompiledProfile profile)
    {
        json.WriteNumber("nodes_ms", Math.Round(profile.Roofline.Profile.TotalMilliseconds!.Value, 4));
        json.WriteNumber("roofline_fraction", Math.Round(profile.Fraction, 4));
        ProfileJson.WriteRoofline(json, profile.Roofline);
        json.WriteStartArray("nodes");
        foreach (var (node, kernel) in Ordered(profile))
        {
            json.WriteStartObject();
            ProfileJson.WriteNode(json, node);
            json.WriteString("text", kernel.Text);
            json.WriteString("method", kernel.Method);
            if (kernel.Choice is { } choice)
                json.WriteString("choice", choice);
            json.WriteString("instruction_level", kernel.Level.ToString());
            json.WriteNumber("parts", kernel.Parts);
            json.WriteNumber("gflops", Math.Round(node.Cost.Milliseconds is > 0 and var time ? 2 * node.Cost.Macs / time / 1e6 : 0, 2));
            json.WriteString("bound_by", profile.Roofline.IsBoundByArithmetic(node) ? "arithmetic" : "memory");
            json.WriteNumber("share_of_limit", Math.Round(ShareOfLimit(profile, node), 4));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteStep(Utf8JsonWriter json, StepProfile step)
    {
        json.WriteNumber("forward_ms", Math.Round(step.ForwardMilliseconds, 4));
        json.WriteNumber("backward_ms", Math.Round(step.BackwardMilliseconds, 4));
        json.WriteNumber("optimizer_ms", Math.Round(step.UpdateMilliseconds, 4));
        json.WriteNumber("rest_ms", Math.Round(step.OtherMilliseconds, 4));
        json.WriteStartArray("ops");
        foreach (var kind in step.Kinds)
        {
            json.WriteStartObject();
            json.WriteString("op", kind.Op);
            json.WriteNumber("calls", kind.Calls);
            json.WriteNumber("forward_ms", Math.Round(kind.ForwardMilliseconds, 5));
            json.WriteNumber("backward_ms", Math.Round(kind.BackwardMilliseconds, 5));
            json.WriteNumber("forward_macs", kind.ForwardMacs);
            json.WriteNumber("backward_macs", kind.BackwardMacs);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
