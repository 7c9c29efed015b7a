using Vertebra.Autograd;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>Listens while a module computes shapes, and writes down what it does.</summary>
internal sealed class GraphTracer : IOpRecorder
{
    private readonly Dictionary<Tensor, Value> _values = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Module, string> _paths = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, Value> _moduleOutputs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);
    private readonly List<Node> _nodes = [];

    private GraphTracer(Module root)
    {
        foreach (var (path, module) in root.NamedModules())
            _paths.TryAdd(module, path);
        foreach (var entry in root.State())
            _values.TryAdd(entry.Tensor, new Value(entry.Name, entry.Tensor.Spec, entry.Tensor));
    }

    public static Graph Trace(Module root, Tensor[] inputs, Func<Tensor[], Tensor[]> forward)
    {
        var tracer = new GraphTracer(root);
        var values = new Value[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
            tracer._values[inputs[i]] = values[i] = new Value(inputs.Length == 1 ? "input" : $"input{i}", inputs[i].Spec);
        var former = OpRecording.Current;
        OpRecording.Current = tracer;
        try
        {
            using var off = GradMode.Off();
            var outputs = forward(inputs);
            return new Graph(values, tracer._nodes, [.. outputs.Select(tracer.ValueOf)], tracer._moduleOutputs);
        }
        finally
        {
            OpRecording.Current = former;
        }
    }

    public void Record(Op op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var path = Module.Active.Count > 0 && _paths.TryGetValue(Module.Active[^1], out var known) ? known : "";
        var operands = new Value[inputs.Length];
        for (var i = 0; i < inputs.Length; i++)
            operands[i] = ValueOf(inputs[i]);
        var name = UniqueName(path.Length == 0 ? op.Name : $"{path}.{op.Name}");
        var results = new Value[outputs.Length];
        for (var i = 0; i < outputs.Length; i++)
            _values[outputs[i]] = results[i] = new Value(i == 0 ? name : $"{name}.{i}", outputs[i].Spec);
        _nodes.Add(new Node(_nodes.Count, op, operands, results, path));
    }

    public void Returned(object module, Tensor output)
    {
        if (_paths.TryGetValue((Module)module, out var path))
            _moduleOutputs[path] = ValueOf(output);
    }

    // A tensor that nothing on the tape made is a constant: a parameter, or a table the module holds.
    private Value ValueOf(Tensor tensor)
    {
        if (!_values.TryGetValue(tensor, out var value))
            _values[tensor] = value = new Value(UniqueName("constant"), tensor.Spec, tensor);
        return value;
    }

    private string UniqueName(string name)
    {
        var count = _names.GetValueOrDefault(name);
        _names[name] = count + 1;
        return count == 0 ? name : $"{name}_{count}";
    }
}
