namespace Vertebra.Graphs;

/// <summary>Works a graph out for inputs of other shapes.</summary>
internal static class GraphResizing
{
    public static Graph Apply(Graph graph, IReadOnlyList<Shape> inputs)
    {
        if (inputs.Count != graph.Inputs.Count)
            throw new ShapeException($"the graph takes {graph.Inputs.Count} inputs, got {inputs.Count}");
        var values = new Dictionary<Value, Value>();
        Value Resized(Value value, TensorSpec spec) => values[value] = new Value(value.Name, spec, value.Data) { Sizes = value.Sizes };
        for (var i = 0; i < inputs.Count; i++)
            Resized(graph.Inputs[i], new(inputs[i], graph.Inputs[i].Spec.DType));
        var sizes = OpenSizes(graph, inputs);
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes)
        {
            var op = node.SizeRules?.At(node.Op, sizes) ?? node.Op;
            var operands = node.Inputs.Select(v => values.GetValueOrDefault(v, v)).ToArray();
            var specs = op.Infer(operands.Select(v => v.Spec).ToArray());
            nodes.Add(node with { Op = op, Inputs = operands, Outputs = [.. node.Outputs.Select((v, i) => Resized(v, specs[i]))] });
        }
        return new Graph([.. graph.Inputs.Select(v => values[v])], nodes, [.. graph.Outputs.Select(v => values.GetValueOrDefault(v, v))],
            graph.ModuleOutputs.ToDictionary(m => m.Key, m => values[m.Value]));
    }

    // The open axes of the first input are those whose size is an expression of itself.
    private static int[] OpenSizes(Graph graph, IReadOnlyList<Shape> inputs) =>
        graph.Inputs[0].Sizes is not { } sizes ? [] : [.. Enumerable.Range(0, sizes.Count).Where(a => !sizes[a].IsFixed).Select(a => inputs[0][a])];
}
