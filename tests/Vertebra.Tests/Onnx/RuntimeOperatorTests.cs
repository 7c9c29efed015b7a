using Google.Protobuf;
using Vertebra.Onnx;
using Vertebra.Onnx.Format;
using Vertebra.Ops;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Tests.Onnx;

/// <summary>Operators here and in ONNX Runtime: what the standard's published test data does not cover.</summary>
public class RuntimeOperatorTests
{
    [OnnxRuntimeFact]
    public void Operators_agree_with_ONNX_Runtime()
    {
        var failures = new List<string>();
        foreach (var group in RuntimeOperatorCase.All().GroupBy(c => c.Opset))
            Compare(group.Key, [.. group], failures);
        Assert.True(failures.Count == 0, $"{failures.Count} cases differ:\n{string.Join('\n', failures)}");
    }

    // Results whose shape depends on the elements, and arithmetic that no op of this project does: no graph can hold these.
    private static readonly HashSet<string> s_dataDependent = ["NonMaxSuppression", "Unique", "Det", "ReduceProd", "ScatterElements", "ScatterND", "BitwiseNot"];

    [Fact]
    public void Operators_in_a_graph_give_what_they_give_when_executed()
    {
        var failures = new List<string>();
        foreach (var c in RuntimeOperatorCase.All().Where(c => c.Inputs[0]!.DType is DType.Float32 or DType.UInt8 or DType.Int8))
        {
            var model = OnnxModel.Read(Model(c.Opset, [c], c.Inputs[0]).ToByteArray());
            try
            {
                var executed = model.Run(c.Inputs[0]!);
                var graph = model.ToGraph(c.Inputs[0]!.Shape);
                var results = graph.Run(ChannelsLast(c.Inputs[0]!));
                for (var i = 0; i < executed.Length; i++)
                {
                    if (Difference(results[i], (ChannelsLast(executed[i]).Shape.Span.ToArray(), ChannelsLast(executed[i]).ToArray<float>())) is { } difference)
                        failures.Add($"{c}, output {i}: {difference}");
                }
                if (s_dataDependent.Contains(c.OpType))
                    failures.Add($"{c} became a graph");
            }
            catch (VertebraException e) when (s_dataDependent.Contains(c.OpType) && e.Message.Contains("depends on the data", StringComparison.Ordinal))
            {
                // as it should be
            }
            catch (VertebraException e)
            {
                failures.Add($"{c}: {e.Message}");
            }
        }
        Assert.True(failures.Count == 0, $"{failures.Count} cases differ:\n{string.Join('\n', failures)}");
    }

    // In a graph images are [N, H, W, C].
    private static Tensor ChannelsLast(Tensor x) => x.Rank == 4 ? x.Permute([0, 2, 3, 1]) : x;

    private static void Compare(int opset, RuntimeOperatorCase[] cases, List<string> failures)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["model.onnx"], Model(opset, cases).ToByteArray());
        var theirs = OnnxRuntime.Run(folder["model.onnx"], [1], [1]);
        var ours = OnnxModel.Load(folder["model.onnx"]);
        var results = ours.Outputs.Zip(ours.Run(Tensor.From([1f]))).ToDictionary(p => p.First.Name, p => p.Second);
        for (var number = 0; number < cases.Length; number++)
        {
            for (var i = 0; i < cases[number].Outputs; i++)
            {
                if (Difference(results[$"y{number}_{i}"], theirs[$"y{number}_{i}"]) is { } difference)
                    failures.Add($"{cases[number]}, opset {opset}, output {i}: {difference}");
            }
        }
    }

    /// <summary>Cases in one graph; without an input of theirs there is one that goes through, because there must be one.</summary>
    private static ModelProto Model(int opset, RuntimeOperatorCase[] cases, Tensor? input = null)
    {
        var graph = new GraphProto { Name = "cases" };
        var kind = input?.DType switch { DType.UInt8 => DataType.Uint8, DType.Int8 => DataType.Int8, _ => DataType.Float };
        var type = new TypeProto { TensorType = new() { ElemType = (int)kind, Shape = new() } };
        type.TensorType.Shape.Dim.AddRange((input?.Shape ?? [1]).Select(size => new TensorShapeProto.Types.Dimension { DimValue = size }));
        graph.Input.Add(new ValueInfoProto { Name = "x", Type = type });
        if (input is null)
        {
            graph.Node.Add(new NodeProto { OpType = "Identity", Input = { "x" }, Output = { "y" } });
            graph.Output.Add(new ValueInfoProto { Name = "y", Type = type });
        }
        for (var i = 0; i < cases.Length; i++)
            cases[i].AddTo(graph, i, input is null ? null : "x");
        return new()
        {
            IrVersion = opset > 20 ? 10 : 8, ProducerName = "vertebra tests", Graph = graph,
            OpsetImport = { new OperatorSetIdProto { Version = opset }, new OperatorSetIdProto { Domain = "com.microsoft", Version = 1 } },
        };
    }

    private static string? Difference(Tensor ours, (int[] Shape, float[] Values) theirs)
    {
        if (ours.Shape != (Shape)theirs.Shape)
            return $"shape {ours.Shape} for {(Shape)theirs.Shape}";
        var values = ours.ToArray<float>();
        var scale = Math.Max(1, theirs.Values.Where(float.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max());
        for (var i = 0; i < values.Length; i++)
        {
            if (!values[i].Equals(theirs.Values[i]) && !(Math.Abs(values[i] - theirs.Values[i]) <= 2e-5f * scale))
                return $"element {i} of {ours.Shape} is {values[i]} for {theirs.Values[i]}";
        }
        return null;
    }
}
