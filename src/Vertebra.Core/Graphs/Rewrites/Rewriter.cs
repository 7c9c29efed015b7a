using Vertebra.Autograd;

namespace Vertebra.Graphs;

/// <summary>Applies rules until none matches; the graph is verified after every pass.</summary>
internal static class Rewriter
{
    // Each pass rewrites every match that does not overlap an earlier one, so even long chains need few.
    private const int MostPasses = 1000;

    public static Graph Apply(Graph graph, IReadOnlyList<RewriteRule> rules)
    {
        using var off = GradMode.Off();
        var names = new HashSet<string>(graph.Inputs.Concat(graph.Nodes.SelectMany(n => n.Inputs.Concat(n.Outputs))).Select(v => v.Name), StringComparer.Ordinal);
        graph = ConstantFolding.Apply(graph).WithOutputs(graph.Outputs);
        for (var pass = 0; pass < MostPasses; pass++)
        {
            var next = Pass(graph, rules, names);
            if (ReferenceEquals(next, graph))
                return graph;
            graph = ConstantFolding.Apply(next);
            graph = graph.WithOutputs(graph.Outputs);
        }
        throw new VertebraException($"rewriting does not end: after {MostPasses} passes one of these rules still matches: {string.Join("; ", rules)}");
    }

    private static Graph Pass(Graph graph, IReadOnlyList<RewriteRule> rules, HashSet<string> names)
    {
        var touched = new HashSet<Node>(ReferenceEqualityComparer.Instance);
        var places = new Dictionary<Node, (IReadOnlyList<Node> Nodes, Value Result)>(ReferenceEqualityComparer.Instance);
        // From the end: a rule sees the longest chain that ends at a node before rules that end inside it.
        foreach (var node in graph.Nodes.Reverse())
        {
            if (touched.Contains(node))
                continue;
            foreach (var rule in rules)
            {
                if (Replace(graph, node, rule, touched, names) is { } place)
                {
                    places.Add(node, place);
                    break;
                }
            }
        }
        return places.Count == 0 ? graph : Rebuild(graph, places);
    }

    private static (IReadOnlyList<Node> Nodes, Value Result)? Replace(Graph graph, Node node, RewriteRule rule, HashSet<Node> touched, HashSet<string> names)
    {
        var match = new Match(graph);
        if (!rule.Pattern.MatchesNode(node, match) || match.Nodes.Any(n => touched.Contains(n) || n.SizeRules is not null) || !match.IsSelfContained(node))
            return null;
        if (node.Outputs.Skip(1).Any(v => graph.Outputs.Contains(v) || graph.ConsumersOf(v).Count > 0))
            return null;
        var writer = new Writer(node, names);
        if (rule.Replace(match, writer) is not { } result)
            return null;
        if (result.Spec != node.Outputs[0].Spec)
            throw new InvalidOperationException($"the rule '{rule.Name}' gives {result} in the place of {node.Outputs[0]}");
        touched.UnionWith(match.Nodes);
        if (writer.Nodes.Any(n => n.Outputs.Contains(result)))
            result.Sizes = node.Outputs[0].Sizes;
        return (writer.Nodes, result);
    }

    // Replacements stand where the pattern's root stood: all they read is computed by then.
    private static Graph Rebuild(Graph graph, Dictionary<Node, (IReadOnlyList<Node> Nodes, Value Result)> places)
    {
        var successor = new Dictionary<Value, Value>();
        Value Current(Value value)
        {
            while (successor.TryGetValue(value, out var next))
                value = next;
            return value;
        }
        foreach (var (root, place) in places)
            successor[root.Outputs[0]] = place.Result;
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes.SelectMany(n => places.TryGetValue(n, out var place) ? place.Nodes : [n]))
            nodes.Add(node.Inputs.Any(successor.ContainsKey) ? node with { Inputs = [.. node.Inputs.Select(Current)] } : node);
        return new Graph(graph.Inputs, nodes, [.. graph.Outputs.Select(Current)], graph.ModuleOutputs.ToDictionary(m => m.Key, m => Current(m.Value)));
    }
}
