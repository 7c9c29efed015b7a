namespace Vertebra.Graphs.Comparing;

/// <summary>What became of a node from one graph to the other.</summary>
public enum NodeChange
{
    /// <summary>Same op with the same attributes and result shape in the same module.</summary>
    Same,

    /// <summary>Same, but in a module of another path.</summary>
    Moved,

    /// <summary>Same op, other attributes or another result shape.</summary>
    Changed,

    /// <summary>Only in the first graph.</summary>
    Removed,

    /// <summary>Only in the second graph.</summary>
    Added,
}

/// <summary>A node of one graph and its counterpart in the other.</summary>
/// <param name="A">Null when it was added.</param>
/// <param name="B">Null when it was removed.</param>
/// <param name="Change">What became of it.</param>
public sealed record NodePair(Node? A, Node? B, NodeChange Change);

/// <summary>
/// Finds counterparts: first within modules of the same path, as the longest common subsequence of ops; then, for what is left
/// over, in the order of both graphs by op and result shape, so that a network under other names is recognised.
/// </summary>
internal static class NodeAlignment
{
    private const int LargestTable = 16_000_000;

    public static IReadOnlyList<NodePair> Align(Graph a, Graph b)
    {
        var partner = new Dictionary<Node, Node>(ReferenceEqualityComparer.Instance);
        var byPath = b.Nodes.ToLookup(n => n.ModulePath);
        foreach (var module in a.Nodes.GroupBy(n => n.ModulePath))
            Match([.. module], [.. byPath[module.Key]], n => n.Op.Name, partner);
        var taken = new HashSet<Node>(partner.Values, ReferenceEqualityComparer.Instance);
        Match([.. a.Nodes.Where(n => !partner.ContainsKey(n))], [.. b.Nodes.Where(n => !taken.Contains(n))], n => $"{n.Op.Name} {n.Outputs[0].Spec}", partner);
        taken = new(partner.Values, ReferenceEqualityComparer.Instance);

        // In a's order; what b has besides stands behind the pair after which it comes there.
        var pairs = new List<NodePair>();
        var place = b.Nodes.Select((n, i) => (n, i)).ToDictionary(p => p.n, p => p.i, (IEqualityComparer<Node>)ReferenceEqualityComparer.Instance);
        var next = 0;
        void AddUpTo(int end)
        {
            for (; next < end; next++)
            {
                if (!taken.Contains(b.Nodes[next]))
                    pairs.Add(new(null, b.Nodes[next], NodeChange.Added));
            }
        }
        foreach (var node in a.Nodes)
        {
            if (!partner.TryGetValue(node, out var other))
            {
                pairs.Add(new(node, null, NodeChange.Removed));
                continue;
            }
            AddUpTo(place[other]);
            pairs.Add(new(node, other, Compare(node, other)));
        }
        AddUpTo(b.Nodes.Count);
        return pairs;
    }

    private static NodeChange Compare(Node a, Node b)
    {
        var isSame = a.Op.Equals(b.Op) && a.Outputs.Select(o => o.Spec).SequenceEqual(b.Outputs.Select(o => o.Spec));
        return !isSame ? NodeChange.Changed : a.ModulePath == b.ModulePath ? NodeChange.Same : NodeChange.Moved;
    }

    private static void Match(Node[] a, Node[] b, Func<Node, string> signature, Dictionary<Node, Node> partner)
    {
        if (a.Length == 0 || b.Length == 0 || (long)a.Length * b.Length > LargestTable)
            return;
        var (left, right) = (a.Select(signature).ToArray(), b.Select(signature).ToArray());
        var length = new int[a.Length + 1, b.Length + 1]; // of the longest common subsequence from here on
        for (var i = a.Length - 1; i >= 0; i--)
        {
            for (var j = b.Length - 1; j >= 0; j--)
                length[i, j] = left[i] == right[j] ? length[i + 1, j + 1] + 1 : Math.Max(length[i + 1, j], length[i, j + 1]);
        }
        for (int i = 0, j = 0; i < a.Length && j < b.Length;)
        {
            if (left[i] == right[j])
                partner[a[i++]] = b[j++];
            else if (length[i + 1, j] >= length[i, j + 1])
                i++;
            else
                j++;
        }
    }
}
