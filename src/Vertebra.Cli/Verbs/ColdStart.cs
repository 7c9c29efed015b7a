using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using System.Text.Json;
using Vertebra.Graphs;
using Vertebra.Kernels;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Cli.Verbs;

/// <summary>
/// <c>vertebra bench MODEL --cold</c>: milliseconds from the start of this process to the first logits, by phase. The system
/// tells the start of a process to a hundredth of a second on Linux, so the first phase, and the total, are no finer than that.
/// </summary>
/// <param name="Model">Name of the network.</param>
/// <param name="Phases">What was done, in order.</param>
internal sealed record ColdStart(string Model, IReadOnlyList<ColdPhase> Phases)
{
    /// <summary>Builds the network with random weights, compiles it for one image and runs it once.</summary>
    /// <param name="name">Name of the network.</param>
    /// <param name="side">Side of the image; null: the network's.</param>
    public static ColdStart Measure(string name, int? side)
    {
        WarmUp.Begin();
        List<Mark> marks = [Program.Started, Mark.Now];
        var input = Models.Find(name).Config.InputSize;
        marks.Add(Mark.Now);
        Backbone network;
        using (Construction.Deferred())
            network = Models.Create(name);
        marks.Add(Mark.Now);
        network.Initialise(seed: 0);
        marks.Add(Mark.Now);
        var image = Tensor.Ones([1, side ?? input.Height, side ?? input.Width, input.Channels]);
        var graph = Graph.Trace(network, image.Shape);
        marks.Add(Mark.Now);
        var compiled = graph.Compile();
        marks.Add(Mark.Now);
        _ = compiled.Run(image)[0].ToArray<float>();
        marks.Add(Mark.Now);

        // Asked for last: finding out when the process began takes time itself.
        var begun = Process.GetCurrentProcess().StartTime;
        var beforeMain = (DateTime.Now - begun - Stopwatch.GetElapsedTime(Program.Started.Ticks)).TotalMilliseconds;
        string[] names = ["command", "registry", "build", "weights", "trace", "compile", "run"];
        return new(name, [new("runtime", Math.Max(0, beforeMain), Program.Started.JitMilliseconds, Program.Started.Methods), .. names.Select((n, i) => Mark.Phase(n, marks[i], marks[i + 1]))]);
    }

    public void Print(bool json)
    {
        var total = Phases.Sum(p => p.Milliseconds);
        if (json)
        {
            JsonOutput.Print(indented: false, writer => Write(writer, total));
            return;
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Model} cold, {Workers.Count} threads ({Simd.Level}): first logits {total:0} ms after the start of the process; {Phases.Sum(p => p.Methods)} methods compiled by the runtime"));
        TextTable.Print(["phase", "ms", "jit ms", "methods"], [.. Phases.Select(p => (string[])
        [
            p.Name, p.Milliseconds.ToString("0.0", CultureInfo.InvariantCulture), p.JitMilliseconds.ToString("0.0", CultureInfo.InvariantCulture), p.Methods.ToString(CultureInfo.InvariantCulture),
        ])], texts: 1);
    }

    private void Write(Utf8JsonWriter writer, double total)
    {
        writer.WriteString("model", Model);
        writer.WriteString("mode", "cold");
        writer.WriteNumber("threads", Workers.Count);
        writer.WriteString("level", Simd.Level.ToString());
        writer.WriteNumber("first_logits_ms", Math.Round(total, 1));
        writer.WriteNumber("jit_ms", Math.Round(Phases.Sum(p => p.JitMilliseconds), 1));
        writer.WriteNumber("jit_methods", Phases.Sum(p => p.Methods));
        writer.WriteStartObject("phases_ms");
        foreach (var phase in Phases)
            writer.WriteNumber(phase.Name, Math.Round(phase.Milliseconds, 1));
        writer.WriteEndObject();
    }
}

/// <summary>A part of a start.</summary>
/// <param name="Name">What was done.</param>
/// <param name="Milliseconds">How long it took.</param>
/// <param name="JitMilliseconds">How long the runtime compiled meanwhile, on all threads together.</param>
/// <param name="Methods">How many methods it compiled.</param>
internal sealed record ColdPhase(string Name, double Milliseconds, double JitMilliseconds, int Methods);

/// <summary>A moment: the <see cref="Stopwatch"/>'s time, and what the runtime has compiled by then.</summary>
internal readonly record struct Mark(long Ticks, double JitMilliseconds, int Methods)
{
    public static Mark Now => new(Stopwatch.GetTimestamp(), JitInfo.GetCompilationTime().TotalMilliseconds, (int)JitInfo.GetCompiledMethodCount());

    public static ColdPhase Phase(string name, Mark from, Mark to) =>
        new(name, Stopwatch.GetElapsedTime(from.Ticks, to.Ticks).TotalMilliseconds, to.JitMilliseconds - from.JitMilliseconds, to.Methods - from.Methods);
}
