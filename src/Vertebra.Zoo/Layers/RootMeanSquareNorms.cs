namespace Vertebra.Zoo.Layers;

/// <summary>Division by the root mean square over the last axis (Zhang and Sennrich 2019), with <c>weight</c> and no shift.</summary>
public sealed class RmsNorm : NormLayer
{
    private readonly Tensor _weight;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public RmsNorm(int channels, float epsilon = 1e-6f) : base(epsilon, ActivationKind.Identity) => _weight = Parameter("weight", [channels], Init.Ones);

    protected override Tensor Normalise(Tensor x) => x * (x.Square().Mean([-1], keepAxes: true) + Epsilon).Rsqrt() * _weight;
}

/// <summary>Division by the deviation (unbiased) over the last axis without subtracting the mean, with <c>weight</c>: timm's SimpleNorm.</summary>
public sealed class SimpleNorm : NormLayer
{
    private readonly Tensor _weight;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the variance.</param>
    public SimpleNorm(int channels, float epsilon = 1e-6f) : base(epsilon, ActivationKind.Identity) => _weight = Parameter("weight", [channels], Init.Ones);

    protected override Tensor Normalise(Tensor x) => x * (x.Variance([-1], correction: 1, keepAxes: true) + Epsilon).Rsqrt() * _weight;
}
