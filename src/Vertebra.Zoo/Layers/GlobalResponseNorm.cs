namespace Vertebra.Zoo.Layers;

/// <summary>
/// Global response normalisation of [N, H, W, C] (Woo et al. 2023, "ConvNeXt V2"): channels are scaled by their norm over the
/// image relative to the mean norm of all channels, with <c>weight</c>, <c>bias</c> and a residual.
/// </summary>
public sealed class GlobalResponseNorm : NormLayer
{
    // Keeps the square root's derivative finite for a channel that is zero everywhere.
    private const float Tiny = 1e-30f;

    private readonly Tensor _weight;
    private readonly Tensor _bias;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the mean norm.</param>
    public GlobalResponseNorm(int channels, float epsilon = 1e-6f) : base(epsilon, ActivationKind.Identity)
    {
        _weight = Parameter("weight", [channels], Init.Zeros);
        _bias = Parameter("bias", [channels], Init.Zeros);
    }

    protected override Tensor Normalise(Tensor x)
    {
        var norm = (x.Square().Sum([1, 2], keepAxes: true) + Tiny).Sqrt();
        var relative = norm / (norm.Mean([-1], keepAxes: true) + Epsilon);
        return x + (x * (relative * _weight)) + _bias;
    }
}
