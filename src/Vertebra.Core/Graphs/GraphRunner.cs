using Vertebra.Autograd;

namespace Vertebra.Graphs;

/// <summary>
/// Runs a graph node by node. Without gradients nobody else can hold an intermediate result, so its memory goes back to the
/// pool right after its last use and is still in the cache when the next node takes it.
/// </summary>
internal sealed class GraphRunner
{
    private readonly Graph _graph;
    private readonly Value[][] _dying; // by node: the values whose memory nobody reads after it

    public GraphRunner(Graph graph)
    {
        _graph = graph;
        _dying = PlanRelease(graph);
    }

    /// <param name="inputs">One tensor for every input of the graph.</param>
    /// <param name="apply">Computes a node's results from its operands.</param>
    public Tensor[] Run(ReadOnlySpan<Tensor> inputs, Func<Node, Tensor[], Tensor[]> apply)
    {
        if (inputs.Length != _graph.Inputs.Count)
            throw new ShapeException($"the graph takes {_graph.Inputs.Count} inputs, got {inputs.Length}");
        var tensors = new Dictionary<Value, Tensor>(ReferenceEqualityComparer.Instance);
        var release = !GradMode.IsEnabled;
        for (var i = 0; i < inputs.Length; i++)
            tensors[_graph.Inputs[i]] = inputs[i];
        for (var n = 0; n < _graph.Nodes.Count; n++)
        {
            var node = _graph.Nodes[n];
            var operands = new Tensor[node.Inputs.Count];
            for (var i = 0; i < operands.Length; i++)
                operands[i] = node.Inputs[i].Data ?? tensors[node.Inputs[i]];
            var results = apply(node, operands);
            for (var i = 0; i < results.Length; i++)
                tensors[node.Outputs[i]] = results[i];
            foreach (var value in _dying[n])
            {
                tensors.Remove(value, out var dead);
                if (release && !dead!.IsMeta)
                    dead.ReleaseMemory();
            }
        }
        return [.. _graph.Outputs.Select(v => v.Data ?? tensors[v])];
    }

    // A view lies on its operand's memory: the memory dies with the last reader of either, and is released through the first.
    private static Value[][] PlanRelease(Graph graph)
    {
        var owner = new Dictionary<Value, Value>(ReferenceEqualityComparer.Instance);
        var lastUse = new Dictionary<Value, int>(ReferenceEqualityComparer.Instance);
        Value OwnerOf(Value value) => owner.GetValueOrDefault(value, value);
        for (var n = 0; n < graph.Nodes.Count; n++)
        {
            var node = graph.Nodes[n];
            foreach (var value in node.Inputs)
                lastUse[OwnerOf(value)] = n;
            if (node.Op.IsView)
                owner[node.Outputs[0]] = OwnerOf(node.Inputs[0]);
            foreach (var value in node.Outputs)
                lastUse[OwnerOf(value)] = n;
        }
        var kept = new HashSet<Value>(graph.Inputs.Concat(graph.Outputs.Select(OwnerOf)), ReferenceEqualityComparer.Instance);
        var dying = new List<Value>[graph.Nodes.Count];
        foreach (var (value, n) in lastUse)
        {
            if (!value.IsConstant && !kept.Contains(value))
                (dying[n] ??= []).Add(value);
        }
        return [.. dying.Select(d => d?.ToArray() ?? [])];
    }
}
