namespace Vertebra.Lab.Training;

/// <summary>What <c>--clip-mode</c> names.</summary>
public enum ClipMode
{
    /// <summary>All gradients together are scaled down to a norm (Pascanu et al. 2013).</summary>
    Norm,

    /// <summary>Each gradient element is cut off.</summary>
    Value,

    /// <summary>The gradients of each unit are scaled down to a share of the unit's weights: see <see cref="AdaptiveClipping"/>.</summary>
    Agc,
}

/// <summary>Gradient clipping as numbers that <see cref="Optimizer.Step"/> applies while it updates.</summary>
public static class GradientClipping
{
    /// <summary>The factor that brings a gradient of norm <paramref name="norm"/> down to <paramref name="largest"/>, at most 1; PyTorch's <c>clip_grad_norm_</c>.</summary>
    public static float ScaleFor(double norm, double largest) => (float)Math.Min(1, largest / (norm + 1e-6));
}
