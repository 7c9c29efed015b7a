namespace Vertebra.Graphs;

/// <summary>The extents of all axes of a graph's values, tied by the rules of its nodes.</summary>
internal sealed class DimensionAnalysis
{
    private readonly Dictionary<Value, Extent[]> _axes = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Node, NodeDimensions> _nodes = new(ReferenceEqualityComparer.Instance);

    /// <param name="graph">Verified.</param>
    /// <param name="fixesBoundary">The shapes of the graph's inputs and outputs must stay.</param>
    public DimensionAnalysis(Graph graph, bool fixesBoundary = true)
    {
        Graph = graph;
        if (fixesBoundary)
            FixAll(graph.Inputs, "input");
        foreach (var node in graph.Nodes)
        {
            var dimensions = new NodeDimensions(node, [.. node.Inputs.Select(Axes)], [.. node.Outputs.Select(Axes)]);
            _nodes.Add(node, dimensions);
            DimensionRules.Of(node.Op).Relate(node.Op, dimensions);
        }
        if (fixesBoundary)
            FixAll(graph.Outputs, "output");
    }

    public Graph Graph { get; }

    public Extent[] Axes(Value value)
    {
        if (!_axes.TryGetValue(value, out var axes))
            _axes.Add(value, axes = [.. value.Shape.Select(size => new Dimension(size))]);
        return axes;
    }

    public NodeDimensions this[Node node] => _nodes[node];

    private void FixAll(IEnumerable<Value> values, string what)
    {
        foreach (var value in values)
        {
            for (var axis = 0; axis < value.Shape.Rank; axis++)
                Ties.Fix(Axes(value)[axis], $"it is axis {axis} of the graph's {what} {value}");
        }
    }
}
