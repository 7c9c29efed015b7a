namespace Vertebra.Graphs;

/// <summary>What a graph's nodes have to do with each other.</summary>
public static class GraphReachability
{
    /// <summary>The nodes that a node needs, itself not included, in the graph's order.</summary>
    public static IReadOnlyList<Node> AncestorsOf(this Graph graph, Node node)
    {
        var needed = new HashSet<Value>(node.Inputs, ReferenceEqualityComparer.Instance);
        var ancestors = new List<Node>();
        foreach (var other in graph.Nodes.Reverse())
        {
            if (!other.Outputs.Any(needed.Contains))
                continue;
            ancestors.Add(other);
            needed.UnionWith(other.Inputs);
        }
        ancestors.Reverse();
        return ancestors;
    }

    /// <summary>The nodes that need a node, itself not included, in the graph's order.</summary>
    public static IReadOnlyList<Node> DescendantsOf(this Graph graph, Node node) => graph.DescendantsOf(node.Outputs);

    /// <summary>The nodes that need a value, be it an input, a weight or a result, in the graph's order.</summary>
    public static IReadOnlyList<Node> DescendantsOf(this Graph graph, Value value) => graph.DescendantsOf([value]);

    /// <summary>True if data flows from one node to another, through any number of others.</summary>
    public static bool Reaches(this Graph graph, Node from, Node to) => graph.DescendantsOf(from).Contains(to, ReferenceEqualityComparer.Instance);

    /// <summary>For every node those through which all paths from the inputs to it go.</summary>
    public static DominatorTree Dominators(this Graph graph) => new(graph, isPost: false);

    /// <summary>For every node those through which all paths from it to the outputs go.</summary>
    public static DominatorTree PostDominators(this Graph graph) => new(graph, isPost: true);

    private static List<Node> DescendantsOf(this Graph graph, IEnumerable<Value> values)
    {
        var reached = new HashSet<Value>(values, ReferenceEqualityComparer.Instance);
        var descendants = new List<Node>();
        foreach (var node in graph.Nodes)
        {
            if (!node.Inputs.Any(reached.Contains))
                continue;
            descendants.Add(node);
            reached.UnionWith(node.Outputs);
        }
        return descendants;
    }
}
