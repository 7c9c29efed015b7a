using Vertebra.Autograd;
using Vertebra.Graphs;
using Vertebra.Onnx;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Onnx;

/// <summary>Every op's ONNX form, swept over all op cases: ONNX Runtime computes what our Forward does.</summary>
public class OnnxOpTests
{
    /// <summary>Ops that only training applies, or that an exported graph has no use for, and why.</summary>
    private static readonly Dictionary<Type, string> NotExported = new()
    {
        [typeof(BatchNormTraining)] = "training: statistics of the batch",
        [typeof(Dropout)] = "training",
        [typeof(DropPath)] = "training",
        [typeof(CrossEntropy)] = "a loss",
        [typeof(SoftCrossEntropy)] = "a loss",
        [typeof(BinaryCrossEntropyWithLogits)] = "a loss",
        [typeof(ActivationGate)] = "part of gradients",
        [typeof(InvertedResidual)] = "what a compiled graph runs; the graph it was compiled from is exported",
        [typeof(FusedConv2d)] = "what a compiled graph runs; the graph it was compiled from is exported",
        [typeof(FusedLinear)] = "what a compiled graph runs; the graph it was compiled from is exported",
        [typeof(JoinedBatchNorm)] = "what a compiled graph runs; the graph it was compiled from is exported",
        [typeof(JointAttention)] = "what networks run; a trace has it one by one",
        [typeof(SumOverProcesses)] = "training",
        [typeof(MaxPoolPick)] = "part of second derivatives",
    };

    private static readonly string[] NeedsLaterOpset = ["ScatterAdd", "IndexAdd", "AvgPool2d", "GridSample", "RoiAlign"];

    [Fact]
    public void Every_op_has_an_ONNX_form_or_a_reason()
    {
        var ops = typeof(Op).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(Op)) && !t.IsAbstract && !t.Name.Contains("Gradient"));
        var exportable = OnnxOps.Exportable.ToHashSet();
        Assert.Empty(ops.Where(o => !exportable.Contains(o) && !NotExported.ContainsKey(o)).Select(o => o.Name));
        Assert.DoesNotContain(NotExported.Keys, exportable.Contains);
    }

    [OnnxRuntimeFact]
    public void ONNX_Runtime_computes_every_op_at_opset_17() => Sweep(17, OnnxZoo.IsFullSweep ? int.MaxValue : 10);

    [OnnxRuntimeTheory]
    [InlineData(13)]
    [InlineData(18)]
    [InlineData(21)]
    public void ONNX_Runtime_computes_a_sample_at_other_opsets(int opset) => Sweep(opset, OnnxZoo.IsFullSweep ? 30 : 3);

    // Two files each: the first operand flows in as an image would and the others are constants; and all flow in, with their
    // axes as they are.
    private static void Sweep(int opset, int casesPerOp)
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var exportable = OnnxOps.Exportable.ToHashSet();
        var jobs = new List<(OpCase Case, bool IsImage, OnnxRuntimeJob Job)>();
        var refused = new List<string>();
        var cases = OpCases.All.Where(c => exportable.Contains(c.Op.GetType()) && Runs(c)).GroupBy(c => c.Op.GetType()).SelectMany(g => Spread([.. g], casesPerOp));
        foreach (var (index, c) in cases.Index())
        {
            foreach (var isImage in (bool[])[true, false])
            {
                var file = folder[$"{index}{isImage}.onnx"];
                var flowing = isImage ? 1 : c.Inputs.Length;
                try
                {
                    OnnxExporter.Export(GraphOf(c, flowing), file, new() { Opset = opset, ChannelsFirst = isImage, DynamicBatch = false });
                }
                catch (VertebraException e) when (e.Message.Contains("needs opset"))
                {
                    refused.Add($"{c.Op.Name}: {e.Message}");
                    continue;
                }
                jobs.Add((c, isImage, new(file, [.. c.Inputs.Take(flowing).Select(x => isImage ? ToFile(x) : x)])));
            }
        }
        Assert.All(refused, r => Assert.True(opset < 19 && NeedsLaterOpset.Any(r.StartsWith), r));
        var failures = new List<string>();
        var results = OnnxRuntime.RunMany([.. jobs.Select(j => j.Job)]);
        foreach (var ((c, isImage, _), result) in jobs.Zip(results))
        {
            if (Difference(c, isImage, result) is { } difference)
                failures.Add($"{c}{(isImage ? "" : ", plain")}: {difference}");
        }
        Assert.True(failures.Count == 0, $"{failures.Count} of {jobs.Count} files fail:\n" + string.Join('\n', failures.Take(60)));
        Assert.True(jobs.Count >= 300, $"only {jobs.Count} files were compared");
    }

    // Evenly from the first to the last: neighbouring cases are much alike.
    private static IEnumerable<OpCase> Spread(OpCase[] cases, int count) =>
        cases.Length <= count ? cases : Enumerable.Range(0, count).Select(i => cases[(int)((long)i * (cases.Length - 1) / (count - 1))]);

    private static string? Difference(OpCase c, bool isImage, OnnxRuntimeResult result)
    {
        if (result.Error is not null)
            return result.Error;
        var expected = c.Op.ApplyAll(c.Inputs);
        for (var o = 0; o < Exported(c); o++)
        {
            var ours = isImage ? ToFile(expected[o]) : expected[o];
            if (ours.Spec != result.Outputs[o].Spec)
                return $"output {o} is {result.Outputs[o].Spec}, not {ours.Spec}";
            var (x, y) = (OpCases.ToDouble(result.Outputs[o]), OpCases.ToDouble(ours));
            var error = RelativeError(x, y);
            if (!(error < 1e-4))
                return $"output {o} differs by {error:g3}: {string.Join(' ', x.Zip(y).Where(p => !p.First.Equals(p.Second)).Take(3))}";
        }
        return null;
    }

    /// <summary>L2 distance relative to the expected values' norm (at least 1); elements that are equal count as such even where they are infinite or NaN.</summary>
    internal static double RelativeError(double[] actual, double[] expected)
    {
        double distance = 0, norm = 0;
        for (var i = 0; i < actual.Length; i++)
        {
            if (actual[i].Equals(expected[i]))
                continue;
            distance += Math.Pow(actual[i] - expected[i], 2);
        }
        foreach (var value in expected.Where(double.IsFinite))
            norm += value * value;
        return distance == 0 ? 0 : Math.Sqrt(distance / Math.Max(1, norm));
    }

    // State that an op keeps for its gradient is no output of the exported graph.
    private static int Exported(OpCase c) => c.Op is TopK ? 2 : c.Op is Split split ? split.Sizes.Count : 1;

    // The JavaScript interface has no bfloat16, and no tensors without elements; where NaN stands in an order, and what lies at a place
    // that is no number, the format does not say.
    private static bool Runs(OpCase c) => !(c.Op is TopK or ArgMax or GridSample && c.Inputs.Any(x => !x.ToArray<float>().All(v => Math.Abs(v) < 1e6)))
        && c.Inputs.Concat(c.Op.ApplyAll(c.Inputs)).All(x => x.DType != DType.BFloat16 && x.ElementCount > 0);

    private static Tensor ToFile(Tensor x) => x.Rank == 4 ? x.Permute([0, 3, 1, 2]) : x;

    private static Graph GraphOf(OpCase c, int flowing)
    {
        var inputs = c.Inputs.Select((x, i) => i < flowing ? new Value($"input{i}", x.Spec) : new Value($"table{i}", x.Spec, x)).ToArray();
        var specs = c.Op.Infer([.. c.Inputs.Select(x => x.Spec)]);
        var outputs = specs.Select((spec, i) => new Value($"result{i}", spec)).ToArray();
        return new Graph(inputs[..flowing], [new Node(0, c.Op, inputs, outputs, "layer")], outputs[..Exported(c)]);
    }
}
