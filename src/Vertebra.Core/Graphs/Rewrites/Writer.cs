using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>Writes the nodes that replace a match.</summary>
public sealed class Writer
{
    private readonly List<Node> _nodes = [];
    private readonly HashSet<string> _names;
    private Node _origin;

    internal Writer(Node root, HashSet<string> names) => (_origin, _names) = (root, names);

    internal IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>The following nodes take the place in the module tree of this one; at first it is the pattern's root.</summary>
    public Writer At(Node origin)
    {
        _origin = origin;
        return this;
    }

    /// <summary>Adds a node and returns its first result.</summary>
    public Value Apply(Op op, params IReadOnlyList<Value> inputs) => ApplyAll(op, inputs)[0];

    /// <summary>Adds a node and returns its results.</summary>
    /// <exception cref="ShapeException">The operands do not fit the op.</exception>
    public IReadOnlyList<Value> ApplyAll(Op op, params IReadOnlyList<Value> inputs)
    {
        var specs = op.Infer(inputs.Select(v => v.Spec).ToArray());
        var path = _origin.ModulePath;
        var outputs = specs.Select((spec, i) => new Value(Unique(path.Length == 0 ? op.Name : $"{path}.{op.Name}", i), spec)).ToArray();
        _nodes.Add(new Node(_origin.Id, op, inputs, outputs, path));
        return outputs;
    }

    /// <summary>A constant of its own, named after another value.</summary>
    public Value Constant(string name, Tensor data) => new(Unique(name, 0), data.Spec, data);

    /// <summary>A constant in the place of another one, under its name.</summary>
    public Value Replacing(Value constant, Tensor data) => new(constant.Name, data.Spec, data);

    private string Unique(string name, int result)
    {
        var first = result == 0 ? name : $"{name}.{result}";
        var unique = first;
        for (var i = 1; !_names.Add(unique); i++)
            unique = $"{first}_{i}";
        return unique;
    }
}
