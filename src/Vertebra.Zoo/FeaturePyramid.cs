using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Zoo;

/// <summary>
/// The feature maps of a network that dense tasks take (timm's <c>features_only</c>), cut out of its traced graph: nothing is
/// computed that the wanted levels do not need, and gradients flow back into the network's weights. The network is used in
/// evaluation mode, with running statistics.
/// </summary>
public sealed class FeaturePyramid
{
    private readonly Backbone _network;
    private (Shape Input, Graph Graph)? _traced;

    /// <param name="network">The network; it keeps its weights, and later changes of them count.</param>
    /// <param name="outIndices">Which levels, by <see cref="FeatureInfo.Index"/>, negative ones counted from the coarsest; all if null.</param>
    /// <exception cref="VertebraException">The network has no such level.</exception>
    public FeaturePyramid(Backbone network, IReadOnlyList<int>? outIndices = null)
    {
        _network = network;
        var all = network.AllFeatureInfo;
        Levels = outIndices is null ? network.FeatureInfo : [.. outIndices.Select(i => all.ElementAtOrDefault(i < 0 ? i + all.Count : i)
            ?? throw new VertebraException($"there is no feature level {i}: the network has {all.Count}, {string.Join(", ", all.Select(f => $"{f.Index} ({f.Module}, 1/{f.Reduction})"))}"))];
    }

    /// <summary>The levels in the order of the results.</summary>
    public IReadOnlyList<FeatureInfo> Levels { get; }

    /// <summary>The maps [N, H / reduction, W / reduction, channels] of images [N, H, W, C].</summary>
    /// <exception cref="VertebraException">The network is in training mode.</exception>
    public Tensor[] Forward(Tensor images) => GraphFor(images.Shape).Run(images);

    /// <summary>The graph whose outputs are the levels, for images of a shape [N, H, W, C].</summary>
    /// <exception cref="VertebraException">The network is in training mode.</exception>
    public Graph GraphFor(Shape images)
    {
        if (_network.IsTraining)
            throw new VertebraException("a feature pyramid is traced in evaluation mode; call Eval() on the network first");
        if (_traced is { } known && known.Input == images)
            return known.Graph;
        var graph = Graph.Trace(_network, images);
        var cut = AsMaps(graph.WithOutputs([.. Levels.Select(l => graph.OutputOf(l.Path))]), images);
        _traced = (images, cut);
        return cut;
    }

    // Tokens [N, prefix + H·W, C] lose those before the map and take its form.
    private Graph AsMaps(Graph cut, Shape images)
    {
        if (Levels.All(l => l.PrefixTokens is null))
            return cut;
        var nodes = cut.Nodes.ToList();
        var outputs = cut.Outputs.ToArray();
        for (var i = 0; i < outputs.Length; i++)
        {
            foreach (var op in Levels[i].MapOps(outputs[i].Shape, images))
                outputs[i] = Append(nodes, op, outputs[i], op is Slice ? $"level{i}.tokens" : $"level{i}");
        }
        return new(cut.Inputs, nodes, outputs, cut.ModuleOutputs);
    }

    private static Value Append(List<Node> nodes, Op op, Value input, string name)
    {
        var result = new Value(name, op.Infer([input.Spec])[0]);
        nodes.Add(new Node(nodes.Count == 0 ? 0 : nodes.Max(n => n.Id) + 1, op, [input], [result], ""));
        return result;
    }
}
