using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// What becomes of gradients between the backward pass and the update: clipping, and annealed Gaussian noise (Neelakantan et al.,
/// "Adding gradient noise improves learning for very deep networks", 2015) of variance η / (1 + t)^0.55 in update t. The noise
/// comes last, so that clipping does not take it away again.
/// </summary>
internal sealed class GradientTreatment(TrainingOptions options, Optimizer optimizer)
{
    private const double Annealing = 0.55;

    // Keeps these streams apart from those of weights, dropout and augmentation under the same seed.
    private const ulong Purpose = 0x6E6F697365212121;

    private const int ParameterBits = 24;

    /// <summary>Treats the gradients.</summary>
    /// <param name="batches">How many batches they were added up over.</param>
    /// <param name="update">Number of the update, from 0.</param>
    /// <param name="checkedNorm">Returns a norm, or reports one that is not finite.</param>
    /// <returns>What the optimiser's step is still to scale and cut off.</returns>
    public (float Scale, float Limit) Apply(int batches, long update, Func<double, double> checkedNorm)
    {
        var (scale, limit) = Clip(1f / batches, checkedNorm);
        if (options.GradNoise == 0)
            return (scale, limit);
        AddNoise(scale, limit, update);
        return (1, float.PositiveInfinity);
    }

    private (float Scale, float Limit) Clip(float scale, Func<double, double> checkedNorm)
    {
        if (options.ClipGrad is not { } clip)
            return (scale, float.PositiveInfinity);
        if (options.ClipMode == "value")
            return (scale, (float)clip);
        if (options.ClipMode == "norm")
            return (scale * GradientClipping.ScaleFor(checkedNorm(optimizer.GradientNorm() * scale), clip), float.PositiveInfinity);
        AdaptiveClipping.Apply(optimizer.Groups, clip, scale);
        return (scale, float.PositiveInfinity);
    }

    private void AddNoise(float scale, float limit, long update)
    {
        var deviation = (float)Math.Sqrt(options.GradNoise / Math.Pow(1 + update, Annealing));
        var parameters = optimizer.Groups.SelectMany(g => g.Parameters).ToArray();
        Workers.Run(parameters.Length, i =>
        {
            if (parameters[i].Tensor.Grad is not { } gradient)
                return;
            var noisy = Tensor.Empty(gradient.Shape);
            new Philox((ulong)options.Seed ^ Purpose, ((ulong)update << ParameterBits) | (uint)i).FillNormal(noisy.AsSpan<float>(), deviation);
            var values = noisy.AsSpan<float>();
            var source = gradient.AsSpan<float>();
            for (var k = 0; k < values.Length; k++)
                values[k] += Math.Clamp(source[k] * scale, -limit, limit);
            parameters[i].Tensor.Grad = noisy;
            GC.KeepAlive(gradient);
        });
    }
}
