namespace Vertebra.Graphs;

/// <summary>Which dimensions of a graph's weights belong together, and graphs with some of their indices gone or exchanged.</summary>
public static class GraphDimensions
{
    /// <summary>
    /// Finds which indices of which axes of which weights are tied together, through adds, concatenations, reshapes, splits,
    /// norms, grouped convolutions, attention heads and all other ops: the basis of structural pruning (Fang et al., "DepGraph:
    /// Towards Any Structural Pruning", CVPR 2023) and of merging by permutation (Ainsworth et al., "Git Re-Basin", ICLR 2023).
    /// Only shapes are looked at, so graphs without data will do. What an op does not let through is fixed, with a reason.
    /// </summary>
    public static DimensionGroups DimensionGroups(this Graph graph) => new(new DimensionAnalysis(graph));

    /// <summary>
    /// The graph without some elements of a group: smaller weights, and attributes (groups, split sizes, target shapes) to match.
    /// The weights that change are copies; the others are shared.
    /// </summary>
    /// <param name="graph">The graph in which the group was found.</param>
    /// <param name="group">A prunable group.</param>
    /// <param name="elements">Which elements go; at least one stays.</param>
    /// <exception cref="VertebraException">The group is fixed or of another graph, an element does not exist, or none would stay.</exception>
    public static Graph Without(this Graph graph, DimensionGroup group, params IEnumerable<int> elements)
    {
        var gone = elements.ToHashSet();
        foreach (var element in gone.Where(e => e < 0 || e >= group.Size))
            throw new VertebraException($"the group has elements 0 to {group.Size - 1}, not {element}: {group}");
        return graph.Keeping(new Dictionary<DimensionGroup, IReadOnlyList<int>> { [group] = [.. Enumerable.Range(0, group.Size).Where(i => !gone.Contains(i))] });
    }

    /// <summary>The graph with the elements of a group in another order: element i is the former element <paramref name="order"/>[i]. It computes the same.</summary>
    /// <exception cref="VertebraException">The group's elements cannot change places, it is of another graph, or the order is no permutation.</exception>
    public static Graph Permuted(this Graph graph, DimensionGroup group, IReadOnlyList<int> order)
    {
        if (group.NotPermutableBecause is { } reason)
            throw new VertebraException($"elements cannot change places, because {reason}: {group}");
        if (order.Count != group.Size || order.Distinct().Count() != group.Size)
            throw new VertebraException($"the order must name each of the {group.Size} elements once: {group}");
        return graph.Keeping(new Dictionary<DimensionGroup, IReadOnlyList<int>> { [group] = order });
    }

    /// <summary>The graph in which each of the given groups has only the named elements, in that order; the other groups stay whole.</summary>
    /// <param name="graph">The graph in which the groups were found, all by one call.</param>
    /// <param name="kept">The elements that stay: each named once, at least one for each group; in ascending order unless the group is permutable.</param>
    /// <exception cref="VertebraException">A group is fixed or of another graph, or the elements are not as they must be.</exception>
    public static Graph Keeping(this Graph graph, IReadOnlyDictionary<DimensionGroup, IReadOnlyList<int>> kept)
    {
        foreach (var (group, elements) in kept)
            Check(graph, group, elements);
        if (kept.Count == 0)
            return graph;
        var analysis = kept.First().Key.Owner.Analysis;
        if (kept.Keys.Any(g => g.Owner.Analysis != analysis))
            throw new VertebraException("the groups come from several analyses; take them from one call of DimensionGroups");
        var selection = kept.ToDictionary(k => k.Key.Dimension, k => k.Value.ToArray());
        return new DimensionSelection(analysis, selection.GetValueOrDefault).Apply();
    }

    private static void Check(Graph graph, DimensionGroup group, IReadOnlyList<int> elements)
    {
        if (group.Owner.Graph != graph)
            throw new VertebraException($"the group was found in another graph; ask this one for its DimensionGroups: {group}");
        if (group.FixedBecause is { } reason)
            throw new VertebraException($"no element can go, because {reason}: {group}");
        if (elements.Count == 0)
            throw new VertebraException($"at least one element must stay: {group}");
        foreach (var element in elements.Where(e => e < 0 || e >= group.Size))
            throw new VertebraException($"the group has elements 0 to {group.Size - 1}, not {element}: {group}");
        if (elements.Distinct().Count() != elements.Count)
            throw new VertebraException($"an element is named twice: {group}");
        if (!group.IsPermutable && elements.Zip(elements.Skip(1)).Any(pair => pair.First > pair.Second))
            throw new VertebraException($"elements cannot change places, because {group.NotPermutableBecause}: {group}");
    }
}
