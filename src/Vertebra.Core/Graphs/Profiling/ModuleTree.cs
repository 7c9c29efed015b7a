namespace Vertebra.Graphs.Profiling;

/// <summary>Gathers nodes under the modules that applied them.</summary>
internal static class ModuleTree
{
    public static ModuleProfile Build(IReadOnlyList<NodeProfile> nodes) => Build("", nodes);

    private static ModuleProfile Build(string path, IReadOnlyList<NodeProfile> nodes)
    {
        var own = nodes.Where(n => n.Node.ModulePath == path).ToList();
        var children = nodes.Where(n => n.Node.ModulePath != path).GroupBy(n => ChildOf(path, n.Node.ModulePath)).Select(g => Build(g.Key, [.. g])).ToList();
        return new(path, nodes.Aggregate(Cost.None, (sum, n) => sum + n.Cost), nodes[^1], own, children);
    }

    private static string ChildOf(string path, string below)
    {
        var end = below.IndexOf('.', path.Length == 0 ? 0 : path.Length + 1);
        return end < 0 ? below : below[..end];
    }
}
