using Google.Protobuf;
using Vertebra.Onnx;
using Vertebra.Onnx.Format;
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

    private static ModelProto Model(int opset, RuntimeOperatorCase[] cases)
    {
        var graph = new GraphProto { Name = "cases" };
        var type = new TypeProto { TensorType = new() { ElemType = (int)DataType.Float, Shape = new() { Dim = { new TensorShapeProto.Types.Dimension { DimValue = 1 } } } } };
        graph.Input.Add(new ValueInfoProto { Name = "x", Type = type });
        graph.Node.Add(new NodeProto { OpType = "Identity", Input = { "x" }, Output = { "y" } });
        graph.Output.Add(new ValueInfoProto { Name = "y", Type = type });
        for (var i = 0; i < cases.Length; i++)
            cases[i].AddTo(graph, i);
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
