namespace Vertebra.Zoo.Layers;

/// <summary>A learned factor <c>gamma</c> per channel, small at first (Touvron et al. 2021, "Going deeper with image transformers").</summary>
public sealed class LayerScale : Module
{
    private readonly Tensor _gamma;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="initial">First value of the factors.</param>
    public LayerScale(int channels, float initial = 1e-5f) => _gamma = Parameter("gamma", [channels], Init.Constant(initial));

    protected override Tensor OnForward(Tensor x) => x * _gamma;
}

/// <summary>Division by the root of the mean square over the last axis (Zhang and Sennrich 2019), with <c>weight</c>.</summary>
public sealed class RmsNorm : NormLayer
{
    private readonly Tensor _weight;

    /// <param name="channels">Size of the last axis.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    public RmsNorm(int channels, float epsilon = 1e-6f) : base(epsilon, ActivationKind.Identity) => _weight = Parameter("weight", [channels], Init.Ones);

    protected override Tensor Normalise(Tensor x) => x * (x.Square().Mean([-1], keepAxes: true) + Epsilon).Rsqrt() * _weight;
}
