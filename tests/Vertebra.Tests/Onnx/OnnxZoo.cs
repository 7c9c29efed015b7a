using System.Globalization;
using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Tests.Cases;
using Vertebra.Zoo;
using Vertebra.Zoo.Verification;

namespace Vertebra.Tests.Onnx;

/// <summary>What happened to one network on its way through ONNX.</summary>
/// <param name="Name">The network.</param>
/// <param name="Size">Side of the images.</param>
/// <param name="Nodes">Nodes of the file.</param>
/// <param name="Transposes">Of these, transposes of something that is not a weight.</param>
/// <param name="Runtime">Relative L2 distance of ONNX Runtime's outputs from ours; NaN when it refused the file.</param>
/// <param name="Importer">The same for the importer of this project.</param>
/// <param name="Noise">How far rounding moves the logits: their distance when every pixel changes by its last bit.</param>
/// <param name="Error">What went wrong, or empty.</param>
internal sealed record ZooRow(string Name, int Size, int Nodes, int Transposes, double Runtime, double Importer, double Noise, string Error)
{
    /// <summary>How far the outputs may differ.</summary>
    public const double Bound = 1e-4;

    /// <summary>Both programs agree.</summary>
    public bool Agrees => Error.Length == 0 && Runtime < Bound && Importer < Bound;
}

/// <summary>Registered networks through ONNX: a reusable sweep.</summary>
internal static class OnnxZoo
{
    /// <summary>How the error of a network begins that was too large to be tried.</summary>
    public const string NotRun = "not run:";

    /// <summary>Sweeps are whole, not samples: minutes to an hour.</summary>
    public static bool IsFullSweep { get; } = Environment.GetEnvironmentVariable("VERTEBRA_FULL_SWEEP") is "1";

    /// <summary>Networks whose rows are to be made anew: <c>VERTEBRA_FULL_SWEEP=name,name</c>.</summary>
    public static IReadOnlyList<string> Renewed { get; } = IsFullSweep ? [] : (Environment.GetEnvironmentVariable("VERTEBRA_FULL_SWEEP") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries);

    // A network that moves by more than this when pixels change by their last bits amplifies rounding: its batch norms see some batches.
    private const double Chaotic = 1e-5;

    // So do they where two images give the same logits but for this: the signal has died on the way, and errors would die with it.
    private const double Alike = 10 * ZooRow.Bound;

    // With more noise than this its weights are filled anew and smaller, until it is quieter. Branches then add less to what they are added to, and
    // products of two of them (the gated MLPs of gmixer_24_224 feed theirs back twenty-four times) grow less.
    private const double Loud = ZooRow.Bound / 2;
    private static readonly float[] Gains = [1, 0.8f, 0.64f, 0.5f, 0.4f];

    // Our own files, whose weights may be in swap.
    private static readonly OnnxLimits Unlimited = new() { InitializerBytes = long.MaxValue };

    /// <summary>The smallest network of every family.</summary>
    public static IReadOnlyList<string> SmallestOfEachFamily { get; } = [.. Models.Families.Select(f => f.Models.MinBy(ParameterCount)!.Name)];

    /// <summary>
    /// Exports networks with weights of the golden files' rule (with fresh ones a residual branch that ends in zeros leaves nothing but rounding
    /// to compare) and runs them in ONNX Runtime, a few at a time and large ones alone, so that neither disk nor memory fills.
    /// </summary>
    public static IEnumerable<ZooRow> Sweep(IEnumerable<string> names, OnnxExportOptions options) =>
        names.Chunk(4).SelectMany(group => group.Any(IsLarge) ? group.Chunk(1) : [group]).SelectMany(group => SweepGroup(group, options));

    /// <summary>Elements of all parameters; nothing is allocated.</summary>
    public static long ParameterCount(ModelInfo model)
    {
        using var meta = Construction.Meta();
        return Models.Create(model.Name).ParameterCount;
    }

    private static long WeightBytes(string name) => sizeof(float) * ParameterCount(Models.Find(name).Model);

    // Its weights lie in a file of their own.
    private static bool IsLarge(string name) => WeightBytes(name) > OnnxExporter.LargestInline;

    private static List<ZooRow> SweepGroup(string[] names, OnnxExportOptions options)
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        using var packing = WeightPacking.Set(isKept: !names.Any(IsLarge));
        var rows = new List<ZooRow>();
        var jobs = new List<(int Row, float[] Expected, OnnxRuntimeJob Job)>();
        foreach (var name in names)
        {
            try
            {
                var (row, expected, job) = Prepare(name, folder[$"{name}.onnx"], options);
                jobs.Add((rows.Count, expected, job));
                rows.Add(row);
            }
            catch (VertebraException e)
            {
                rows.Add(new(name, 0, 0, 0, double.NaN, double.NaN, double.NaN, e.Message));
            }
        }
        BufferPool.GiveBack();
        foreach (var ((row, expected, _), result) in jobs.Zip(OnnxRuntime.RunMany([.. jobs.Select(j => j.Job)])))
        {
            rows[row] = result.Error is { } error ? rows[row] with { Error = error }
                : rows[row] with { Runtime = RelativeError(result.Outputs[0].ToArray<float>(), expected) };
        }
        return rows;
    }

    private static (ZooRow Row, float[] Expected, OnnxRuntimeJob Job) Prepare(string name, string file, OnnxExportOptions export)
    {
        RequireMemory(name);
        var (size, options) = SmallImage(name);
        var image = OpCases.Uniform([2, size, size, Models.Find(name).Config.InputSize.Channels], 1);
        var (counts, expected, noise) = Export(name, options, image, file, export);
        // Not before the network is let go: the weights are in memory once.
        BufferPool.GiveBack();
        var inputs = image.Permute([0, 3, 1, 2]);
        var imported = OnnxModel.Load(file, Unlimited).Run(inputs)[0].ToArray<float>();
        var row = new ZooRow(name, size, counts.Nodes, counts.Transposes, double.NaN, RelativeError(imported, expected), noise, "");
        return (row, expected, new(file, [inputs]));
    }

    private static ((int Nodes, int Transposes) Counts, float[] Expected, double Noise) Export(
        string name, ModelOptions options, Tensor image, string file, OnnxExportOptions export)
    {
        var network = Build(name, options);
        var (expected, noise) = FillAndMeasure(network, image);
        var exported = OnnxExporter.Export(network, image.Shape.With(0, 1), file, export);
        return ((exported.NodeCount, exported.TransposeCount), expected, noise);
    }

    // A network, then what was imported, then ONNX Runtime hold the weights, one after the other: they need room once, and some for what flows.
    // Below 2 GB ONNX Runtime holds them in the file, in its graph, turned and packed.
    private static void RequireMemory(string name)
    {
        var weights = WeightBytes(name);
        var (needed, words) = IsLarge(name) ? (weights + (weights / 4), "and a quarter more") : (4 * weights, "four times over");
        var there = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes + FreeSwap();
        if (needed > 0.9 * there)
            throw new VertebraException($"{NotRun} its {weights >> 30} GiB of weights, {words}, do not fit into {there >> 30} GiB of memory and swap");
    }

    // Only Linux tells.
    private static long FreeSwap() => !File.Exists("/proc/meminfo") ? 0
        : File.ReadLines("/proc/meminfo").Where(l => l.StartsWith("SwapFree:", StringComparison.Ordinal)).Sum(l => 1024 * long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));

    // Weights that are written over are not drawn first.
    private static Backbone Build(string name, ModelOptions options)
    {
        using var deferred = Construction.Deferred();
        return Models.Create(name, options with { NumClasses = 10 });
    }

    private static (float[] Logits, double Noise) FillAndMeasure(Backbone network, Tensor image)
    {
        var measured = (Logits: Array.Empty<float>(), Noise: double.PositiveInfinity);
        foreach (var gain in Gains.TakeWhile(_ => !(measured.Noise <= Loud)))
        {
            Fill(network, gain);
            measured = Measure(network, image);
            if ((measured.Noise > Chaotic || Spread(measured.Logits) < Alike) && network.State().Any(IsStatistic))
            {
                Settle(network, image);
                measured = Measure(network, image);
            }
        }
        return measured;
    }

    private static double Spread(float[] logits) => RelativeError(logits[..(logits.Length / 2)], logits[(logits.Length / 2)..]);

    private static bool IsStatistic(StateEntry entry) => !entry.IsParameter && GoldenValues.RuleOf(entry) == FillRule.Scale;

    private static void Fill(Backbone network, float gain)
    {
        GoldenValues.Fill(network, new Dictionary<string, int>());
        foreach (var entry in network.State().Where(e => gain != 1 && GoldenValues.RuleOf(e) == FillRule.Weight))
        {
            foreach (ref var value in entry.Tensor.AsSpan<float>())
                value *= gain;
            entry.Tensor.MarkWritten();
        }
    }

    private static (float[] Logits, double Noise) Measure(Backbone network, Tensor image)
    {
        var logits = network.Forward(image).ToArray<float>();
        return (logits, RelativeError(network.Forward(LastBitsMoved(image)).ToArray<float>(), logits));
    }

    // Under the golden files' rule running statistics know nothing of the values that flow, so signals die or explode; after some batches they do.
    private static void Settle(Backbone network, Tensor image)
    {
        network.Train();
        for (var i = 0; i < 40; i++)
            network.Forward(image);
        network.Eval();
    }

    // Up for every second pixel and down for the others, so that nothing cancels.
    private static Tensor LastBitsMoved(Tensor image) =>
        Tensor.From(image.ToArray<float>().Select((x, i) => i % 2 == 0 ? MathF.BitIncrement(x) : MathF.BitDecrement(x)).ToArray(), image.Shape);

    // Sides that patches of 14 or 16 pixels and windows of 7 or 8 divide.
    private static readonly int[] SmallSides = [64, 56, 112, 128, 224];

    /// <summary>A small image where the network takes one as it is, else its own size.</summary>
    public static int SmallSize(string name)
    {
        var own = Models.Find(name).Config.InputSize.Height;
        return own <= 64 || !Takes(name, 64, new()) ? own : 64;
    }

    /// <summary>A small image, and the options with which the network takes it: where it must, it is built for that size.</summary>
    public static (int Side, ModelOptions Options) SmallImage(string name)
    {
        var own = Models.Find(name).Config.InputSize.Height;
        if (SmallSize(name) is var asIs && asIs < own)
            return (asIs, new());
        var side = SmallSides.FirstOrDefault(s => s < own && Takes(name, s, new() { ImgSize = s }), own);
        return (side, side == own ? new() : new() { ImgSize = side });
    }

    private static bool Takes(string name, int side, ModelOptions options)
    {
        try
        {
            using var meta = Construction.Meta();
            Graph.Trace(Models.Create(name, options), [1, side, side, Models.Find(name).Config.InputSize.Channels]);
            return true;
        }
        catch (VertebraException)
        {
            return false;
        }
    }

    /// <summary>Transposes of values that flow.</summary>
    public static int TransposesIn(BuiltModel built) => built.TransposeCount;

    public static double RelativeError(float[] actual, float[] expected) =>
        Math.Sqrt(actual.Zip(expected, (a, e) => Math.Pow(a - e, 2)).Sum() / expected.Sum(e => Math.Pow(e, 2)));
}
