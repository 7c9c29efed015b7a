using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// The shapes a network's values have for other inputs. A module is traced again, so that whatever it does with sizes shows; a
/// graph without its module is followed op by op.
/// </summary>
internal static class GraphShapes
{
    /// <summary>Shapes of the values of <paramref name="graph"/>, which is a trace of <paramref name="module"/>, for another input.</summary>
    /// <exception cref="VertebraException">The module does not take that size, or is another network at it; the message names the place.</exception>
    public static IReadOnlyDictionary<Value, Shape> ByTracing(Graph graph, Module module, Shape input)
    {
        var other = Graph.Trace(module, input);
        RequireSameNetwork(graph, other);
        return Paired(graph, other);
    }

    /// <summary>Shapes of the values of a graph with open axes, which knows what follows its sizes.</summary>
    /// <exception cref="VertebraException">It does not take that size.</exception>
    public static IReadOnlyDictionary<Value, Shape> ByResizing(Graph graph, IReadOnlyList<Shape> inputs) => Paired(graph, graph.At(inputs));

    private static Dictionary<Value, Shape> Paired(Graph graph, Graph other)
    {
        var shapes = new Dictionary<Value, Shape>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < graph.Inputs.Count; i++)
            shapes[graph.Inputs[i]] = other.Inputs[i].Shape;
        foreach (var (node, twin) in graph.Nodes.Zip(other.Nodes))
        {
            for (var o = 0; o < node.Outputs.Count; o++)
                shapes[node.Outputs[o]] = twin.Outputs[o].Shape;
        }
        return shapes;
    }

    private static void RequireSameNetwork(Graph graph, Graph other)
    {
        var twins = new Dictionary<Value, Value>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < graph.Inputs.Count; i++)
            twins[graph.Inputs[i]] = other.Inputs[i];
        if (graph.Nodes.Count != other.Nodes.Count)
            throw new VertebraException($"the network has {graph.Nodes.Count} operations for input {graph.Inputs[0].Shape} and {other.Nodes.Count} for {other.Inputs[0].Shape}: its structure follows the size; export with a fixed size");
        foreach (var (node, twin) in graph.Nodes.Zip(other.Nodes))
        {
            if (!IsSameOp(node.Op, twin.Op))
                throw new VertebraException($"module '{node.ModulePath}' computes {node.Op} for input {graph.Inputs[0].Shape} and {twin.Op} for {other.Inputs[0].Shape}: its size is fixed; export without an open size");
            if (node.Inputs.Count != twin.Inputs.Count || !node.Inputs.Zip(twin.Inputs).All(p => IsSameValue(p.First, p.Second, twins)))
                throw new VertebraException($"module '{node.ModulePath}' holds a table for input {graph.Inputs[0].Shape} ({node.Op.Name} reads another for {other.Inputs[0].Shape}): its size is fixed; export without an open size");
            for (var o = 0; o < node.Outputs.Count; o++)
                twins[node.Outputs[o]] = twin.Outputs[o];
        }
    }

    private static bool IsSameValue(Value value, Value twin, Dictionary<Value, Value> twins)
    {
        if (!value.IsConstant || !twin.IsConstant)
            return !value.IsConstant && !twin.IsConstant && twins[value] == twin;
        return ReferenceEquals(value.Data, twin.Data) || (value.Spec == twin.Spec && !value.Data!.IsMeta && !twin.Data!.IsMeta && TensorBytes.Of(value.Data).SequenceEqual(TensorBytes.Of(twin.Data)));
    }

    // These write down the sizes of their results; the exporter looks at the results instead.
    private static bool IsSameOp(Op op, Op twin) => op.Equals(twin) || (op, twin) switch
    {
        (Reshape, Reshape) or (Expand, Expand) => true,
        (Interpolate a, Interpolate b) => a with { Height = b.Height, Width = b.Width } == b,
        (Split a, Split b) => a.Axis == b.Axis && a.Sizes.Count == b.Sizes.Count,
        _ => false,
    };

    /// <summary>Shapes of a graph's values for other inputs, by the ops' shape rules. A reshape that names its sizes keeps all but those that must follow.</summary>
    /// <exception cref="VertebraException">An op does not take that size; the message names the module.</exception>
    public static IReadOnlyDictionary<Value, Shape> ByInference(Graph graph, IReadOnlyList<Shape> inputs)
    {
        var shapes = new Dictionary<Value, Shape>(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < inputs.Count; i++)
            shapes[graph.Inputs[i]] = inputs[i];
        foreach (var node in graph.Nodes)
        {
            var specs = node.Inputs.Select(v => v.IsConstant ? v.Spec : new TensorSpec(shapes[v], v.Spec.DType)).ToArray();
            try
            {
                var results = Adapted(node, specs[0].Shape).Infer(specs);
                for (var o = 0; o < results.Length; o++)
                    shapes[node.Outputs[o]] = results[o].Shape;
            }
            catch (ShapeException e)
            {
                throw new VertebraException($"module '{node.ModulePath}' does not take other sizes than the traced ones ({e.Message}); export with fixed sizes", e);
            }
        }
        return shapes;
    }

    private static Op Adapted(Node node, Shape input)
    {
        var (before, after) = (node.Inputs[0].Shape, node.Outputs[0].Shape);
        if (node.Op is Expand)
            return new Expand(after.Select((size, axis) => axis - (after.Rank - input.Rank) is var own && own >= 0 && input[own] != 1 ? input[own] : size).ToArray());
        if (node.Op is not Reshape || input == before || AxisGroups.Of(before, after) is not { } groups)
            return node.Op;
        var sizes = after.Span.ToArray();
        foreach (var (from, to) in groups)
        {
            long was = 1, now = 1;
            foreach (var axis in from)
                (was, now) = (was * before[axis], now * input[axis]);
            // The outermost axis of a group is the one that grows: the batch, or the rows of windows.
            if (was != now && to.Length > 0 && sizes[to[0]] * now % was == 0)
                sizes[to[0]] = checked((int)(sizes[to[0]] * now / was));
        }
        return new Reshape(sizes);
    }
}
