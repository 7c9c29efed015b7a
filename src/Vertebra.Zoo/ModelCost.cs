using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Nn;

namespace Vertebra.Zoo;

/// <summary>What a registered network costs at its own image size, counted on shapes alone.</summary>
/// <param name="Model">The network.</param>
/// <param name="Parameters">Elements of all parameters.</param>
/// <param name="Macs">Multiply-accumulates of convolutions and matrix products for one image.</param>
/// <param name="Activations">Elements that those give, as timm and fvcore count them.</param>
/// <param name="Strides">Input pixels per pixel of the maps that dense tasks take, finest first.</param>
public sealed record ModelCost(ModelInfo Model, long Parameters, long Macs, long Activations, IReadOnlyList<int> Strides)
{
    private const int LeastStrides = 3;

    /// <summary>Counts; nothing is allocated for weights or images, so any thread may do it for any network.</summary>
    public static ModelCost Of(ModelInfo model)
    {
        using var meta = Construction.Meta();
        var network = Models.Create(model.Name);
        var size = model.Config.InputSize;
        var graph = Graph.Trace(network, [1, size.Height, size.Width, size.Channels]);
        return new(model, network.ParameterCount, graph.Macs, graph.Nodes.Sum(GraphProfile.ActivationsOf), [.. network.FeatureInfo.Select(f => f.Reduction).Distinct()]);
    }

    /// <summary>Costs of several networks, in their order, counted on all processors.</summary>
    public static IEnumerable<ModelCost> OfAll(IReadOnlyList<ModelInfo> models) =>
        models.AsParallel().AsOrdered().WithMergeOptions(ParallelMergeOptions.NotBuffered).Select(Of);

    /// <summary>Whether its maps make a pyramid, as detection and segmentation want one: at least three different strides.</summary>
    public bool HasPyramid => Strides.Count >= LeastStrides;
}
