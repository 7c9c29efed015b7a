using Vertebra.Ops;

namespace Vertebra.Graphs.Profiling;

/// <summary>What a part of a network costs.</summary>
/// <param name="Parameters">Elements of the parameters that it uses; a parameter used twice counts where it is used first.</param>
/// <param name="Macs">Multiply-accumulates of convolutions and matrix products.</param>
/// <param name="Activations">Elements that convolutions and matrix products give, as timm and fvcore count them; attention counts its scores and its result.</param>
/// <param name="BytesRead">Bytes of all operands, weights included; views read nothing.</param>
/// <param name="BytesWritten">Bytes of all results; views write nothing.</param>
/// <param name="Milliseconds">Measured time; null when nothing was measured.</param>
public sealed record Cost(long Parameters, long Macs, long Activations, long BytesRead, long BytesWritten, double? Milliseconds)
{
    /// <summary>No cost.</summary>
    public static Cost None { get; } = new(0, 0, 0, 0, 0, null);

    /// <summary>Bytes read and written.</summary>
    public long Bytes => BytesRead + BytesWritten;

    /// <summary>Arithmetic intensity: multiply-accumulates per byte read or written.</summary>
    public double Intensity => Bytes == 0 ? 0 : (double)Macs / Bytes;

    public static Cost operator +(Cost a, Cost b) => new(
        a.Parameters + b.Parameters, a.Macs + b.Macs, a.Activations + b.Activations, a.BytesRead + b.BytesRead, a.BytesWritten + b.BytesWritten,
        a.Milliseconds is null && b.Milliseconds is null ? null : (a.Milliseconds ?? 0) + (b.Milliseconds ?? 0));
}

/// <summary>One node with its cost.</summary>
/// <param name="Node">The op application.</param>
/// <param name="Cost">What it costs.</param>
/// <param name="Field">Receptive field of its first result; null when that does not depend on the image.</param>
public sealed record NodeProfile(Node Node, Cost Cost, ReceptiveField? Field)
{
    /// <summary>Shape of the first result.</summary>
    public Shape OutputShape => Node.Outputs[0].Shape;
}

/// <summary>A module with the sums over all nodes at and below it.</summary>
/// <param name="Path">Dotted path; empty for the whole network.</param>
/// <param name="Cost">Sum over its nodes and those of the modules below.</param>
/// <param name="Last">Its last node, whose result is what the module gives.</param>
/// <param name="Nodes">Nodes of its own.</param>
/// <param name="Children">The modules right below it, in order of execution.</param>
public sealed record ModuleProfile(string Path, Cost Cost, NodeProfile Last, IReadOnlyList<NodeProfile> Nodes, IReadOnlyList<ModuleProfile> Children)
{
    /// <summary>The last part of the path.</summary>
    public string Name => Path[(Path.LastIndexOf('.') + 1)..];

    /// <summary>How deep it lies; 0 for the whole network.</summary>
    public int Depth => Path.Length == 0 ? 0 : Path.Count(c => c == '.') + 1;

    /// <summary>This module and all below it, depth first.</summary>
    public IEnumerable<ModuleProfile> All() => Children.SelectMany(c => c.All()).Prepend(this);
}

/// <summary>Costs of a graph, node by node and module by module.</summary>
/// <param name="Graph">What was looked at.</param>
/// <param name="Nodes">Its nodes in order.</param>
/// <param name="Root">The whole network, with its modules below.</param>
/// <param name="TotalMilliseconds">Median time of a whole run, node by node; null when nothing was measured.</param>
public sealed record GraphProfile(Graph Graph, IReadOnlyList<NodeProfile> Nodes, ModuleProfile Root, double? TotalMilliseconds)
{
    /// <summary>Costs that follow from the shapes alone; nothing is computed, and the weights may be meta.</summary>
    /// <param name="graph">The graph, images as [N, H, W, C].</param>
    public static GraphProfile Of(Graph graph) => Make(graph, null);

    /// <summary>The same with measured times (<see cref="NodeTimer"/>).</summary>
    public static GraphProfile Measure(Graph graph, params Tensor[] inputs) => Make(graph, NodeTimer.Measure(graph, inputs));

    /// <summary>The same for the nodes of a compiled graph.</summary>
    public static GraphProfile Measure(CompiledGraph compiled, params Tensor[] inputs) => Make(compiled.Graph, NodeTimer.Measure(compiled, inputs));

    private static GraphProfile Make(Graph graph, (double[] Nodes, double Total)? times)
    {
        var fields = ReceptiveFields.Of(graph);
        var parameters = ParameterCounts(graph);
        var nodes = new NodeProfile[graph.Nodes.Count];
        for (var n = 0; n < nodes.Length; n++)
        {
            var node = graph.Nodes[n];
            var isFree = node.Op.IsView;
            nodes[n] = new(node, new(
                parameters.GetValueOrDefault(node),
                node.Macs,
                ActivationsOf(node),
                isFree ? 0 : node.Inputs.Sum(v => v.Spec.Bytes),
                isFree ? 0 : node.Outputs.Sum(v => v.Spec.Bytes),
                times?.Nodes[n]), fields[node.Outputs[0]]);
        }
        if (nodes.Length == 0)
            throw new VertebraException("the graph has no nodes: there is nothing to profile");
        return new(graph, nodes, ModuleTree.Build(nodes), times?.Total);
    }

    /// <summary>Elements that a convolution or matrix product gives, 0 for other nodes; see <see cref="Cost.Activations"/>.</summary>
    internal static long ActivationsOf(Node node) => node switch
    {
        { Op: Attention } => node.Outputs[0].Shape.ElementCount + (node.Inputs[0].Shape.CountBetween(0, 3) * node.Inputs[1].Shape[2]),
        { Macs: > 0 } => node.Outputs[0].Shape.ElementCount,
        _ => 0,
    };

    // Parameters are the constants that can be trained. A graph from a file does not say which those are: there, all numbers
    // count that are not the running statistics of a batch norm.
    private static Dictionary<Node, long> ParameterCounts(Graph graph)
    {
        var isMarked = graph.Constants.Any(c => c.Data!.RequiresGrad);
        var statistics = new HashSet<Value>(graph.Nodes.Where(n => n.Op is BatchNorm).SelectMany(n => n.Inputs.Skip(3).Take(2)), ReferenceEqualityComparer.Instance);
        var seen = new HashSet<Value>(ReferenceEqualityComparer.Instance);
        var counts = new Dictionary<Node, long>(ReferenceEqualityComparer.Instance);
        foreach (var node in graph.Nodes)
        {
            var fresh = node.Inputs.Where(v => v.IsConstant && (isMarked ? v.Data!.RequiresGrad : v.Spec.DType.IsFloat() && !statistics.Contains(v)) && seen.Add(v));
            counts[node] = fresh.Sum(v => v.Shape.ElementCount);
        }
        return counts;
    }
}
