namespace Vertebra.Graphs;

/// <summary>
/// Which nodes everything must pass. Node a dominates node b if every path from the graph's inputs to b goes through a, and
/// post-dominates it if every path from b to the graph's outputs does. A node dominates itself. Paths that begin at constants
/// do not count. Computed in one pass each way, because nodes are in topological order (Cooper, Harvey and Kennedy, "A Simple,
/// Fast Dominance Algorithm", 2001).
/// </summary>
public sealed class DominatorTree
{
    private const int Root = -1;
    private const int Unreachable = -2;

    private readonly Graph _graph;
    private readonly Dictionary<Node, int> _positions;
    private readonly int[] _parents; // by position: the nearest other node that dominates it, or one of the two above
    private readonly int[] _depths;
    private readonly bool _isPost;

    internal DominatorTree(Graph graph, bool isPost)
    {
        (_graph, _isPost) = (graph, isPost);
        var nodes = graph.Nodes;
        _positions = new(ReferenceEqualityComparer.Instance);
        for (var i = 0; i < nodes.Count; i++)
            _positions.Add(nodes[i], i);
        (_parents, _depths) = (new int[nodes.Count], new int[nodes.Count]);
        var before = isPost ? Successors() : Predecessors();
        foreach (var i in isPost ? Enumerable.Range(0, nodes.Count).Reverse() : Enumerable.Range(0, nodes.Count))
        {
            _parents[i] = before[i].Where(p => p == Root || _parents[p] != Unreachable).DefaultIfEmpty(Unreachable).Aggregate(Common);
            _depths[i] = _parents[i] < 0 ? 0 : _depths[_parents[i]] + 1;
        }
    }

    /// <summary>The nearest other node that dominates (or post-dominates) a node; null if there is none, or if no path leads there.</summary>
    public Node? ImmediateOf(Node node) => _parents[_positions[node]] is >= 0 and var parent ? _graph.Nodes[parent] : null;

    /// <summary>All nodes that dominate (or post-dominate) a node, itself first, then ever farther ones; none if no path leads to (or from) it.</summary>
    public IEnumerable<Node> Of(Node node)
    {
        if (_parents[_positions[node]] == Unreachable)
            yield break;
        for (var i = _positions[node]; i >= 0; i = _parents[i])
            yield return _graph.Nodes[i];
    }

    /// <summary>True if <paramref name="a"/> dominates (or post-dominates) <paramref name="b"/>.</summary>
    public bool Dominates(Node a, Node b) => Of(b).Contains(a, ReferenceEqualityComparer.Instance);

    /// <summary>The nodes through which all of the network goes, in order: between them it could be cut in two.</summary>
    public IReadOnlyList<Node> Bottlenecks()
    {
        var ends = (_isPost ? Predecessors() : Successors()).Select((neighbours, i) => neighbours.Contains(Root) ? i : Unreachable).Where(i => i >= 0 && _parents[i] != Unreachable);
        var common = ends.DefaultIfEmpty(Root).Aggregate(Common);
        var path = new List<Node>();
        for (; common >= 0; common = _parents[common])
            path.Add(_graph.Nodes[common]);
        return _isPost ? path : [.. Enumerable.Reverse(path)];
    }

    // The nearest that dominates both.
    private int Common(int a, int b)
    {
        while (a != b)
        {
            if (a == Root || b == Root)
                return Root;
            if (_depths[a] >= _depths[b])
                a = _parents[a];
            else
                b = _parents[b];
        }
        return a;
    }

    private List<int>[] Predecessors()
    {
        var producers = _graph.Nodes.SelectMany(n => n.Outputs.Select(v => (v, _positions[n]))).ToDictionary(p => p.v, p => p.Item2, (IEqualityComparer<Value>)ReferenceEqualityComparer.Instance);
        foreach (var input in _graph.Inputs)
            producers[input] = Root;
        return [.. _graph.Nodes.Select(n => n.Inputs.Where(producers.ContainsKey).Select(v => producers[v]).Distinct().ToList())];
    }

    private List<int>[] Successors()
    {
        var successors = _graph.Nodes.Select(n => n.Outputs.Any(v => _graph.Outputs.Contains(v, ReferenceEqualityComparer.Instance)) ? new List<int> { Root } : []).ToArray();
        var predecessors = Predecessors();
        for (var i = 0; i < predecessors.Length; i++)
        {
            foreach (var p in predecessors[i].Where(p => p != Root))
                successors[p].Add(i);
        }
        return successors;
    }
}
