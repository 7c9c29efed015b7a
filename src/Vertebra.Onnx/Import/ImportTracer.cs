using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Listens while a file is executed on meta inputs, and writes down the ops whose results depend on them; everything else
/// has been computed, and is a constant. Names are the file's.
/// </summary>
internal sealed class ImportTracer : IOpRecorder
{
    private readonly List<Step> _steps = [];
    private readonly Dictionary<Tensor, string> _names = new(ReferenceEqualityComparer.Instance);
    private string _path = "";

    private sealed record Step(Op Op, Tensor[] Inputs, Tensor[] Outputs, string Path);

    /// <summary>The ops that follow belong to this node.</summary>
    public void Enter(OnnxNode node) => _path = ModulePaths.Of(node);

    /// <summary>What the file calls a value.</summary>
    public void Name(OnnxValue value, string name)
    {
        if (!value.IsTensor)
            return;
        foreach (var tensor in value.Forms)
            _names.TryAdd(tensor, name);
    }

    public void Record(Op op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        if (outputs[0].IsMeta)
            _steps.Add(new(op, inputs.ToArray(), outputs.ToArray(), _path));
        else if (inputs.Length == 1 && _names.TryGetValue(inputs[0], out var name))
            _names.TryAdd(outputs[0], name); // a constant brought into another order or type goes by the same name
    }

    public void Returned(object module, Tensor output)
    {
        // No module is at work here.
    }

    /// <summary>The graph from the inputs to the outputs, without what they do not need.</summary>
    public Graph Build(IReadOnlyList<(string Name, Tensor Tensor)> inputs, IReadOnlyList<(string Name, Tensor Tensor)> outputs)
    {
        var names = new UniqueNames();
        var values = new Dictionary<Tensor, Value>(ReferenceEqualityComparer.Instance);
        foreach (var (name, tensor) in inputs)
            values[tensor] = new Value(names.Take(name), tensor.Spec);
        // The tensors that are outputs take those names, before an earlier form of the same value does.
        foreach (var (name, tensor) in outputs)
            _names[tensor] = name;
        var moduleOutputs = new Dictionary<string, Value>(StringComparer.Ordinal);
        var nodes = new List<Node>();
        foreach (var step in Needed([.. outputs.Select(o => o.Tensor)]))
        {
            var operands = Array.ConvertAll(step.Inputs, tensor => ValueOf(tensor, values, names));
            var results = new Value[step.Outputs.Length];
            for (var i = 0; i < results.Length; i++)
            {
                var fallback = (step.Path.Length == 0 ? step.Op.Name : $"{step.Path}.{step.Op.Name}") + (i == 0 ? "" : $".{i}");
                values[step.Outputs[i]] = results[i] = new Value(names.Take(_names.GetValueOrDefault(step.Outputs[i], fallback)), step.Outputs[i].Spec);
            }
            nodes.Add(new Node(nodes.Count, step.Op, operands, results, step.Path));
            foreach (var path in ModulePaths.Upwards(step.Path))
                moduleOutputs[path] = results[0];
        }
        return new Graph([.. inputs.Select(i => values[i.Tensor])], nodes, [.. outputs.Select(o => ValueOf(o.Tensor, values, names))], moduleOutputs);
    }

    private Value ValueOf(Tensor tensor, Dictionary<Tensor, Value> values, UniqueNames names)
    {
        if (!values.TryGetValue(tensor, out var value))
            values[tensor] = value = new Value(names.Take(_names.GetValueOrDefault(tensor, "constant")), tensor.Spec, tensor);
        return value;
    }

    private List<Step> Needed(Tensor[] outputs)
    {
        var needed = new HashSet<Tensor>(outputs, ReferenceEqualityComparer.Instance);
        var kept = new List<Step>();
        for (var i = _steps.Count - 1; i >= 0; i--)
        {
            if (!_steps[i].Outputs.Any(needed.Contains))
                continue;
            kept.Add(_steps[i]);
            needed.UnionWith(_steps[i].Inputs);
        }
        kept.Reverse();
        return kept;
    }

    private sealed class UniqueNames
    {
        private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
        private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);

        public string Take(string name)
        {
            var unique = name;
            while (!_taken.Add(unique))
            {
                var count = _counts[name] = _counts.GetValueOrDefault(name) + 1;
                unique = $"{name}_{count}";
            }
            return unique;
        }
    }
}

/// <summary>Module paths out of node names.</summary>
internal static class ModulePaths
{
    /// <summary>
    /// The module that a node's name speaks of. PyTorch writes <c>/layer1/layer1.0/conv1/Conv</c> for the convolution that
    /// <c>layer1.0.conv1</c> applies, this project <c>/layer1/0/conv1/Conv</c>; the last part is the operator. A name that is no
    /// path is taken as it is, unless it says nothing but operator and number.
    /// </summary>
    public static string Of(OnnxNode node)
    {
        var name = node.Name;
        if (!name.Contains('/'))
            return name.StartsWith(node.OpType, StringComparison.Ordinal) ? "" : name;
        var parts = name.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var path = new List<string>();
        var last = "";
        foreach (var part in parts.AsSpan(0, Math.Max(0, parts.Length - 1)))
        {
            // A child of a container carries the container's name: layer1.0 below layer1.
            path.Add(last.Length > 0 && part.StartsWith(last + ".", StringComparison.Ordinal) ? part[(last.Length + 1)..] : part);
            last = part;
        }
        return string.Join('.', path);
    }

    /// <summary>The path itself, and those of the modules around it, up to the root.</summary>
    public static IEnumerable<string> Upwards(string path)
    {
        yield return path;
        while (path.Length > 0)
        {
            path = path.Contains('.') ? path[..path.LastIndexOf('.')] : "";
            yield return path;
        }
    }
}
