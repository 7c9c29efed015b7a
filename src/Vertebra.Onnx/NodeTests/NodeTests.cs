using System.IO.Enumeration;
using Google.Protobuf;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Runs the backend tests of the ONNX standard: folders with a <c>model.onnx</c> and beside it <c>test_data_set_0</c>, ... with
/// operands <c>input_0.pb</c>, ... and results <c>output_0.pb</c>, .... Debian ships them as <c>libonnx-testdata</c>.
/// </summary>
public static class NodeTests
{
    /// <summary>The folders of the tests below a folder whose names fit, sorted by name.</summary>
    /// <param name="folder">Searched at all depths.</param>
    /// <param name="pattern">With * and ? as wildcards.</param>
    /// <exception cref="VertebraException">There is no such folder.</exception>
    public static IReadOnlyList<string> Find(string folder, string pattern = "*")
    {
        if (!Directory.Exists(folder))
            throw new VertebraException($"there is no folder {folder}");
        return [.. Directory.EnumerateFiles(folder, "model.onnx", SearchOption.AllDirectories)
            .Select(f => Path.GetDirectoryName(f)!)
            .Where(f => FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(f)))
            .OrderBy(Path.GetFileName, StringComparer.Ordinal)];
    }

    /// <summary>Runs one test.</summary>
    /// <param name="folder">Its folder.</param>
    public static NodeTestResult Run(string folder) => Run(folder, File.ReadAllBytes(Path.Combine(folder, "model.onnx")), new());

    /// <summary>Runs a test with another model than its own.</summary>
    internal static NodeTestResult Run(string folder, byte[] bytes, OnnxLimits limits)
    {
        var name = Path.GetFileName(folder);
        ModelProto proto;
        try
        {
            proto = ModelProto.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            return new(name, [], NodeTestStatus.Failed, $"model.onnx is damaged: {e.Message}");
        }
        var operators = (proto.Graph?.Node ?? []).Where(n => n.OpType != "Constant").Select(NameOf).DefaultIfEmpty("Constant").Distinct().Order(StringComparer.Ordinal).ToArray();
        if (Missing(proto) is { } missing)
            return new(name, operators, NodeTestStatus.Unsupported, missing);
        try
        {
            var difference = Compare(folder, proto, OnnxModel.Read(bytes, "model.onnx", limits));
            return new(name, operators, difference is null ? NodeTestStatus.Passed : NodeTestStatus.Failed, difference ?? "");
        }
        catch (VertebraException e)
        {
            return new(name, operators, NodeTestStatus.Failed, e.Message);
        }
    }

    private static string NameOf(NodeProto node) => OperatorTable.Domain(node.Domain) is var domain && domain.Length == 0 ? node.OpType : $"{domain}.{node.OpType}";

    /// <summary>An operator or an element type that is not there; null when all are.</summary>
    private static string? Missing(ModelProto model)
    {
        var functions = model.Functions.Select(f => (OperatorTable.Domain(f.Domain), f.Name)).ToHashSet();
        var nodes = NodesOf(model.Graph ?? new()).Concat(model.Functions.SelectMany(f => f.Node));
        var operators = nodes.Where(n => n.OpType != "Constant" && !functions.Contains((OperatorTable.Domain(n.Domain), n.OpType)) && OperatorTable.Find(OperatorTable.Domain(n.Domain), n.OpType) is null)
            .Select(NameOf).Distinct().Order(StringComparer.Ordinal).ToList();
        if (operators.Count > 0)
            return $"operators: {string.Join(", ", operators)}";
        var types = (model.Graph?.Input ?? []).Concat(model.Graph?.Output ?? []).Select(v => ElementType(v.Type)).OfType<int>()
            .Where(t => TensorReader.TypeOf(t) is null).Distinct().Select(TensorReader.Name).ToList();
        return types.Count > 0 ? $"element types: {string.Join(", ", types)}" : null;
    }

    private static IEnumerable<NodeProto> NodesOf(GraphProto graph) =>
        graph.Node.SelectMany(n => n.Attribute.Where(a => a.G is not null).SelectMany(a => NodesOf(a.G)).Prepend(n));

    private static int? ElementType(TypeProto? type) => type?.ValueCase switch
    {
        TypeProto.ValueOneofCase.TensorType => type.TensorType.ElemType,
        TypeProto.ValueOneofCase.SequenceType => ElementType(type.SequenceType.ElemType),
        TypeProto.ValueOneofCase.OptionalType => ElementType(type.OptionalType.ElemType),
        _ => null,
    };

    private static string? Compare(string folder, ModelProto proto, OnnxModel model)
    {
        var sets = Directory.GetDirectories(folder, "test_data_set_*").Order(StringComparer.Ordinal).ToList();
        if (sets.Count == 0)
            return "the test has no data";
        foreach (var set in sets)
        {
            var inputs = ReadInputs(set, proto, model);
            var results = model.RunValues(inputs);
            for (var i = 0; File.Exists(Path.Combine(set, $"output_{i}.pb")); i++)
            {
                if (i >= results.Length)
                    return $"{results.Length} results, more are expected";
                if (NodeTestData.Difference(results[i], Path.Combine(set, $"output_{i}.pb"), proto.Graph.Output[i].Type) is { } difference)
                    return $"{Path.GetFileName(set)}, output {i}: {difference}";
            }
        }
        return null;
    }

    // Some models list their initialisers as inputs too; then the data may be for all inputs or for the others only.
    private static Dictionary<string, OnnxValue> ReadInputs(string set, ModelProto proto, OnnxModel model)
    {
        var count = Directory.GetFiles(set, "input_*.pb").Length;
        var needed = model.Inputs.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        var takers = count == proto.Graph.Input.Count ? [.. proto.Graph.Input] : proto.Graph.Input.Where(i => needed.Contains(i.Name)).ToList();
        return takers.Take(count).Select((info, i) => (info.Name, Value: NodeTestData.Read(Path.Combine(set, $"input_{i}.pb"), info.Type)))
            .ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);
    }
}
