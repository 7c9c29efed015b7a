namespace Vertebra.Graphs;

/// <summary>What the parts of a pattern stand for at one place of a graph.</summary>
public sealed class Match
{
    private readonly List<(Pattern Pattern, Value Value, Node? Node)> _bindings = [];

    internal Match(Graph graph) => Graph = graph;

    /// <summary>The graph that the pattern was found in.</summary>
    public Graph Graph { get; }

    /// <summary>The node that an op pattern stands for.</summary>
    public Node this[OpPattern pattern] => _bindings.Find(b => ReferenceEquals(b.Pattern, pattern)).Node ?? throw Unbound();

    /// <summary>The value that a pattern stands for.</summary>
    public Value this[Pattern pattern] => Find(pattern) ?? throw Unbound();

    /// <summary>The value that a pattern stands for; null for an optional operand that is absent.</summary>
    public Value? Find(Pattern pattern) => _bindings.Find(b => ReferenceEquals(b.Pattern, pattern)).Value;

    /// <summary>The op that an op pattern stands for.</summary>
    public TOp Op<TOp>(OpPattern<TOp> pattern) where TOp : Ops.Op => (TOp)this[(OpPattern)pattern].Op;

    /// <summary>The nodes of the match.</summary>
    internal IEnumerable<Node> Nodes => _bindings.Where(b => b.Node is not null).Select(b => b.Node!);

    internal int Save() => _bindings.Count;

    internal void Restore(int count) => _bindings.RemoveRange(count, _bindings.Count - count);

    internal bool Bind(Pattern pattern, Value value)
    {
        if (Find(pattern) is { } bound)
            return ReferenceEquals(bound, value) || SameConstant(bound, value);
        _bindings.Add((pattern, value, null));
        return true;
    }

    internal bool Bind(OpPattern pattern, Node node)
    {
        if (Find(pattern) is { } bound)
            return ReferenceEquals(bound, node.Outputs[0]);
        _bindings.Add((pattern, node.Outputs[0], node));
        return true;
    }

    /// <summary>True when nothing outside the match reads what its nodes compute, but for the root's results and those that may be shared.</summary>
    internal bool IsSelfContained(Node root)
    {
        var nodes = new HashSet<Node>(Nodes, ReferenceEqualityComparer.Instance);
        return _bindings.TrueForAll(b => b.Node is null || ReferenceEquals(b.Node, root) || ((OpPattern)b.Pattern).IsShared
            || b.Node.Outputs.All(v => !Graph.Outputs.Contains(v) && Graph.ConsumersOf(v).All(nodes.Contains)));
    }

    private static bool SameConstant(Value a, Value b) => a.Data is not null && ReferenceEquals(a.Data, b.Data);

    private static InvalidOperationException Unbound() => new("the pattern has no part in this match");
}
