using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// Adaptive gradient clipping (Brock et al., "High-performance large-scale image recognition without normalization", 2021): the
/// gradient of every unit, a filter or a row of a matrix, is brought down to a share of the norm of its weights; vectors are one
/// unit. As in timm, norms of weights count as 1e-3 at least, and the classifier is left alone.
/// </summary>
public static class AdaptiveClipping
{
    private const double LeastWeightNorm = 1e-3;
    private const double LeastGradientNorm = 1e-6;

    /// <summary>Puts clipped gradients in the place of those that are too large.</summary>
    /// <param name="groups">The parameters.</param>
    /// <param name="share">Largest gradient norm per weight norm (<c>--clip-grad</c>; the paper's 0.01).</param>
    /// <param name="scale">What the gradients will be multiplied by.</param>
    public static void Apply(IReadOnlyList<ParameterGroup> groups, double share, double scale)
    {
        var parameters = groups.SelectMany(g => g.Parameters).Where(p => p.Tensor.Grad is not null && p.Kind != ParameterKind.Classifier).ToArray();
        Workers.Run(parameters.Length, i => parameters[i].Tensor.Grad = Clipped(parameters[i].Tensor, share, scale));
    }

    // A gradient's memory may be shared: what changes is a copy.
    private static Tensor Clipped(Tensor weights, double share, double scale)
    {
        var gradient = weights.Grad!;
        var units = weights.Rank <= 1 ? 1 : weights.Shape[0];
        var size = (int)(weights.ElementCount / Math.Max(1, units));
        Tensor? clipped = null;
        for (var unit = 0; unit < units; unit++)
        {
            var largest = share * Math.Max(LeastWeightNorm, Math.Sqrt(OptimizerSteps.SumOfSquares(weights.AsSpan<float>().Slice(unit * size, size))));
            var norm = scale * Math.Sqrt(OptimizerSteps.SumOfSquares(gradient.AsSpan<float>().Slice(unit * size, size)));
            if (norm < largest)
                continue;
            clipped ??= gradient.Clone();
            var factor = (float)(largest / Math.Max(norm, LeastGradientNorm));
            foreach (ref var value in clipped.AsSpan<float>().Slice(unit * size, size))
                value *= factor;
        }
        GC.KeepAlive(gradient);
        return clipped ?? gradient;
    }
}
