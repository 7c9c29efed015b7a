namespace Vertebra.Graphs;

/// <summary>Computes once what depends on no input: nodes all of whose operands are constants with data, and are not trained.</summary>
internal static class ConstantFolding
{
    // A large result of small operands (an expanded scalar, a range) would only make the graph heavier.
    private const long MostGrowth = 1 << 20;

    /// <summary>The graph with constants in the place of such nodes; the graph itself when there are none.</summary>
    public static Graph Apply(Graph graph)
    {
        var known = new Dictionary<Value, Value>();
        var nodes = new List<Node>();
        foreach (var original in graph.Nodes)
        {
            var node = original.Inputs.Any(known.ContainsKey) ? original with { Inputs = [.. original.Inputs.Select(v => known.GetValueOrDefault(v, v))] } : original;
            if (!IsFoldable(node))
            {
                nodes.Add(node);
                continue;
            }
            var results = node.Op.ApplyAll(node.Inputs.Select(v => v.Data!).ToArray());
            for (var i = 0; i < results.Length; i++)
                known[node.Outputs[i]] = new Value(node.Outputs[i].Name, node.Outputs[i].Spec, results[i]);
        }
        return known.Count == 0 ? graph
            : new Graph(graph.Inputs, nodes, [.. graph.Outputs.Select(v => known.GetValueOrDefault(v, v))], graph.ModuleOutputs);
    }

    private static bool IsFoldable(Node node)
    {
        if (node.Inputs.Count == 0 || node.SizeRules is not null || !node.Inputs.All(v => v.Data is { IsMeta: false, RequiresGrad: false }))
            return false;
        var (before, after) = (node.Inputs.Sum(v => v.Spec.Bytes), node.Outputs.Sum(v => v.Spec.Bytes));
        return after <= before + MostGrowth;
    }
}
