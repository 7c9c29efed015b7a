using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>Rebuilds a graph with only some indices of some dimensions.</summary>
internal sealed class DimensionSelection(DimensionAnalysis analysis, Func<Dimension, int[]?> kept)
{
    private readonly Dictionary<Value, Value> _values = new(ReferenceEqualityComparer.Instance);

    public Graph Apply()
    {
        var graph = analysis.Graph;
        List<Node> nodes = [.. graph.Nodes.Select(Rebuilt)];
        return new Graph(graph.Inputs, nodes, [.. graph.Outputs.Select(ValueOf)], graph.ModuleOutputs.ToDictionary(m => m.Key, m => ValueOf(m.Value)));
    }

    /// <summary>The value that takes a value's place: the same where no axis changes.</summary>
    public Value ValueOf(Value value)
    {
        if (_values.TryGetValue(value, out var known))
            return known;
        var selections = analysis.Axes(value).Select(axis => axis.Select(kept)).ToList();
        var changed = selections.Exists(s => s is not null) ? Selected(value, selections) : value;
        _values.Add(value, changed);
        return changed;
    }

    /// <summary>The op of a node, with the attributes that the new sizes ask for.</summary>
    public Op OpOf(Node node)
    {
        var dimensions = analysis[node];
        var changes = node.Inputs.Concat(node.Outputs).Any(v => ValueOf(v) != v) || dimensions.Attributes.Any(a => a.Select(kept) is not null);
        return changes ? DimensionRules.Of(node.Op).Resized(node.Op, new(dimensions, extent => extent.Select(kept)?.Length ?? extent.Size)) : node.Op;
    }

    private Node Rebuilt(Node node)
    {
        var (op, inputs, outputs) = (OpOf(node), node.Inputs.Select(ValueOf).ToArray(), node.Outputs.Select(ValueOf).ToArray());
        var isSame = ReferenceEquals(op, node.Op) && inputs.SequenceEqual(node.Inputs) && outputs.SequenceEqual(node.Outputs);
        return isSame ? node : node with { Op = op, Inputs = inputs, Outputs = outputs, SizeRules = ResizedRules(node, op) };
    }

    // What the open axes say of an attribute holds for its new number in proportion.
    private static SizeRules? ResizedRules(Node node, Op op)
    {
        if (node.SizeRules is not { } rules)
            return null;
        var (was, now) = (OpAttributes.Of(node.Op).ToDictionary(a => a.Name, a => Numbers(a.Value)), OpAttributes.Of(op).ToDictionary(a => a.Name, a => Numbers(a.Value)));
        return new([.. rules.Attributes.Select(a => a with { Sizes = [.. a.Sizes.Select((size, i) => Resized(size, was[a.Name][i], now[a.Name][i]))] })]);
    }

    private static IReadOnlyList<int> Numbers(object? attribute) => attribute switch
    {
        IntList list => list,
        int number => [number],
        float number => [(int)number],
        _ => [],
    };

    private static SizeExpression Resized(SizeExpression size, int was, int now) => was == now ? size : size.Times(now, was);

    private Value Selected(Value value, IReadOnlyList<int[]?> selections)
    {
        Shape shape = selections.Select((s, axis) => s?.Length ?? value.Shape[axis]).ToArray();
        if (value.Data is not { } data)
            return new(value.Name, new(shape, value.Spec.DType)) { Sizes = value.Sizes?.Select((size, axis) => OpenSize(value, axis, size, shape[axis])).ToList() };
        using var off = GradMode.Off();
        var result = data;
        for (var axis = 0; axis < selections.Count; axis++)
        {
            if (selections[axis] is { } positions)
                result = result.IndexSelect(axis, Tensor.From(Array.ConvertAll(positions, p => (long)p), [positions.Length]));
        }
        result.RequiresGrad = data.RequiresGrad;
        return new(value.Name, result.Spec, result);
    }

    private SizeExpression OpenSize(Value value, int axis, SizeExpression size, int now)
    {
        if (!size.IsFixed && now != value.Shape[axis] && analysis.Axes(value)[axis].Terms().Count() > 1)
            throw new VertebraException($"axis {axis} of {value} joins a part of open size to one that shrinks; trace with fixed sizes to take elements from it");
        return Resized(size, value.Shape[axis], now);
    }
}
