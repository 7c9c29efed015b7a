using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>How alike two layers see the images of a batch.</summary>
public static class KernelAlignment
{
    // Keeps a layer that sees no difference between images at alignment 0.
    private const float LeastSquare = 1e-24f;

    /// <summary>
    /// Linear centred kernel alignment of a batch (Kornblith, Norouzi, Lee and Hinton, ICML 2019): the cosine between the two centred
    /// matrices of the images' inner products, in [0, 1]. Orthogonal maps, shifts and scales of either side change nothing.
    /// </summary>
    /// <param name="x">float32 [N, ...]; everything after the first axis is one vector.</param>
    /// <param name="y">float32 [N, ...], of any size.</param>
    public static Tensor Linear(Tensor x, Tensor y) => (CentredProducts(x) * CentredProducts(y)).Sum();

    /// <summary>
    /// The layers of a target that layers of a guide align: evenly over the depth, first to first and last to last (Subramaniam et al.
    /// 2024). Of several guide layers that would come to the same one the last stays.
    /// </summary>
    /// <param name="guides">Number of the guide's layers.</param>
    /// <param name="targets">Number of the target's layers.</param>
    public static IReadOnlyList<(int Guide, int Target)> Pair(int guides, int targets)
    {
        var step = guides > 1 ? (targets - 1) / (guides - 1.0) : 1;
        return [.. Enumerable.Range(0, guides)
            .Select(guide => (Guide: guide, Target: Math.Min((int)Math.Round(guide * step), targets - 1)))
            .GroupBy(p => p.Target).Select(g => g.Last())];
    }

    private static Tensor CentredProducts(Tensor x)
    {
        x = x.Reshape([x.Shape[0], -1]);
        x -= x.Mean([0], keepAxes: true);
        var products = x.MatMul(x, transposeB: true);
        return products / products.Square().Sum().Clamp(LeastSquare).Sqrt();
    }
}
