using Vertebra.Graphs.Profiling;

namespace Vertebra.Graphs.Drawing;

/// <summary>
/// Cuts a graph into nested boxes. Nodes that follow each other in the same module share a box: such runs are convex in a
/// topological order, so the boxes never depend on each other in a circle.
/// </summary>
internal sealed class DrawnPartBuilder
{
    private readonly GraphProfile _profile;
    private readonly Dictionary<Value, int> _lastReader = new(ReferenceEqualityComparer.Instance);

    public DrawnPartBuilder(GraphProfile profile)
    {
        _profile = profile;
        for (var n = 0; n < profile.Nodes.Count; n++)
        {
            foreach (var value in profile.Nodes[n].Node.Inputs)
                _lastReader[value] = n;
        }
        foreach (var value in profile.Graph.Outputs)
            _lastReader[value] = int.MaxValue;
    }

    public DrawnPart Build()
    {
        var root = Container("", "", 0, _profile.Nodes.Count);
        GridLayout.Arrange(root);
        return root;
    }

    private DrawnPart Container(string name, string path, int start, int end)
    {
        var parts = new List<DrawnPart>();
        for (var n = start; n < end;)
        {
            var child = ChildOf(path, _profile.Nodes[n].Node.ModulePath);
            var stop = n + 1;
            while (child is not null && stop < end && ChildOf(path, _profile.Nodes[stop].Node.ModulePath) == child)
                stop++;
            parts.Add(child is null ? Leaf(_profile.Nodes[n].Node.Op.Name, path, n) : Module(child, n, stop));
            n = stop;
        }
        return WithPorts(new DrawnPart(name, path, [.. _profile.Nodes.Skip(start).Take(end - start)], parts), end);
    }

    private DrawnPart Module(string path, int start, int end)
    {
        var name = path[(path.LastIndexOf('.') + 1)..];
        return end - start == 1 ? Leaf(name, _profile.Nodes[start].Node.ModulePath, start) : Container(name, path, start, end);
    }

    private DrawnPart Leaf(string name, string path, int n) => WithPorts(new DrawnPart(name, path, [_profile.Nodes[n]], []), n + 1);

    private DrawnPart WithPorts(DrawnPart part, int end)
    {
        var made = new HashSet<Value>(part.Nodes.SelectMany(n => n.Node.Outputs), ReferenceEqualityComparer.Instance);
        part.Inputs = [.. part.Nodes.SelectMany(n => n.Node.Inputs).Where(v => !v.IsConstant && !made.Contains(v)).Distinct()];
        part.Outputs = [.. part.Nodes.SelectMany(n => n.Node.Outputs).Where(v => _lastReader.GetValueOrDefault(v, -1) >= end)];
        return part;
    }

    // The child of a module that a deeper path lies in; null when the path is the module's own.
    private static string? ChildOf(string path, string below)
    {
        if (below.Length == path.Length)
            return null;
        var end = below.IndexOf('.', path.Length == 0 ? 0 : path.Length + 1);
        return end < 0 ? below : below[..end];
    }
}
