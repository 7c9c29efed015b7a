using Vertebra.Autograd;
using Vertebra.Onnx;
using Vertebra.Ops;

namespace Vertebra.Tests.Onnx;

/// <summary>Every core operator gives what ONNX Runtime gives, executed and as a graph.</summary>
public class OperatorParityTests
{
    [OnnxRuntimeFact]
    public void Every_operator_gives_what_ONNX_Runtime_gives()
    {
        using var folder = new TemporaryFolder();
        using var off = GradMode.Off();
        var cases = OperatorCases.All();
        var expected = OnnxRuntime.RunMany([.. cases.Select((c, i) => Job(c, folder[$"{i}.onnx"]))]);
        var failures = new List<string>();
        for (var i = 0; i < cases.Count; i++)
        {
            if (expected[i].Error is { } error)
            {
                failures.Add($"{cases[i].Name}: ONNX Runtime refuses it: {error}");
                continue;
            }
            try
            {
                Compare(cases[i], expected[i].Outputs);
            }
            catch (Exception e) when (e is VertebraException or Xunit.Sdk.XunitException)
            {
                failures.Add($"{cases[i].Name}: {e.Message.ReplaceLineEndings(" ")}");
            }
        }
        Assert.True(failures.Count == 0, $"{failures.Count} of {cases.Count}:\n{string.Join('\n', failures)}");
        Assert.True(cases.Count > 200);
    }

    private static OnnxRuntimeJob Job(OperatorCase operatorCase, string path)
    {
        File.WriteAllBytes(path, operatorCase.Model.Bytes());
        return new(path, [.. operatorCase.Model.Graph.Input.Select(i => operatorCase.Inputs[i.Name])]);
    }

    private static void Compare(OperatorCase operatorCase, IReadOnlyList<Tensor> expected)
    {
        var model = OnnxModel.Read(operatorCase.Model.Bytes());
        CheckAll(model, model.Run(operatorCase.Inputs), expected, "executed");
        if (!operatorCase.IsGraph)
            return;
        var graph = model.ToGraph();
        var inputs = model.Inputs.Select(i => operatorCase.Inputs[i.Name]).Select(t => t.Rank == 4 ? t.Permute([0, 2, 3, 1]) : t).ToArray();
        CheckAll(model, [.. graph.Run(inputs).Select(t => t.Rank == 4 ? t.Permute([0, 3, 1, 2]) : t)], expected, "as a graph");
    }

    private static void CheckAll(OnnxModel model, Tensor[] actual, IReadOnlyList<Tensor> expected, string how)
    {
        for (var i = 0; i < actual.Length; i++)
        {
            var wanted = expected[i];
            Assert.True(actual[i].Spec == wanted.Spec, $"{how}: {model.Outputs[i].Name} is {actual[i].Spec}, not {wanted.Spec}");
            var (a, e) = (HostMath.ToDoubles(actual[i]), HostMath.ToDoubles(wanted));
            for (var k = 0; k < a.Length; k++)
            {
                var close = a[k].Equals(e[k]) || Math.Abs(a[k] - e[k]) <= 2e-5 + (1e-4 * Math.Abs(e[k]));
                Assert.True(close, $"{how}: element {k} of {model.Outputs[i].Name} {wanted.Spec} is {a[k]:g7}, not {e[k]:g7}");
            }
        }
    }
}
