using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Zoo;

/// <summary>Logits and inner maps of one eager pass, in training mode too, where <see cref="FeaturePyramid"/> has no place.</summary>
public static class FeatureForward
{
    /// <summary>Runs a network and keeps its feature maps; gradients flow through them.</summary>
    /// <param name="network">The network, in either mode.</param>
    /// <param name="images">float32 [N, H, W, C].</param>
    /// <param name="levels">Which maps; null: all of <see cref="Backbone.FeatureInfo"/>.</param>
    /// <returns>Logits, and the maps [N, H / reduction, W / reduction, channels] in the order of the levels.</returns>
    public static (Tensor Logits, Tensor[] Maps) ForwardWithFeatures(this Backbone network, Tensor images, IReadOnlyList<FeatureInfo>? levels = null)
    {
        var wanted = (levels ?? network.FeatureInfo).Select(l => (Level: l, Module: network[l.Path])).ToList();
        using var watch = new ModuleWatch(wanted.Select(w => w.Module));
        var logits = network.Forward(images);
        return (logits, [.. wanted.Select(w => w.Level.ToMap(watch[w.Module], images.Shape))]);
    }

    /// <summary>What a level's module returned, as a map.</summary>
    internal static Tensor ToMap(this FeatureInfo level, Tensor returned, Shape images) =>
        level.MapOps(returned.Shape, images).Aggregate(returned, (x, op) => op.Apply(x));

    /// <summary>The ops that make a map [N, H / reduction, W / reduction, C] of what a level's module returns: none where it is one; tokens lose those before the map and take its form.</summary>
    /// <param name="level">The level.</param>
    /// <param name="returned">Shape of what its module returns.</param>
    /// <param name="images">Shape of the network's input.</param>
    internal static IEnumerable<Op> MapOps(this FeatureInfo level, Shape returned, Shape images)
    {
        if (level.PrefixTokens is not { } prefix)
            yield break;
        if (prefix > 0)
            yield return new Slice(1, prefix, int.MaxValue, 1);
        yield return new Reshape([returned[0], images[1] / level.Reduction, images[2] / level.Reduction, returned[2]]);
    }
}
