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
