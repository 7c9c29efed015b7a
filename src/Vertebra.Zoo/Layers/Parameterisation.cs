namespace Vertebra.Zoo.Layers;

/// <summary>
/// How the branches of residual blocks are written, so that depth neither blows features up nor silences what is learned: the names of
/// <see cref="ModelOptions.Parameterisation"/>.
/// </summary>
public static class Parameterisation
{
    /// <summary>
    /// Every branch is multiplied by a learned number that starts at 0: the block starts as its shortcut (Bachlechner et al. 2020, "ReZero is
    /// all you need"). Blocks of transformers lose their normalisers and have one number for both branches, as in the paper.
    /// </summary>
    public const string ReZero = "rezero";

    /// <summary>Residual networks without normalisers (Zhang, Dauphin and Ma 2019, "Fixup initialization"): see <see cref="FixupBlock"/>.</summary>
    public const string Fixup = "fixup";

    /// <summary>
    /// Every branch is multiplied by 1 / √L, where L counts the branches: learning rates then carry over from shallow networks to deep ones (Yang et
    /// al. 2023, "Tensor programs VI"; Bordelon et al. 2023, "Depthwise hyperparameter transfer in residual networks").
    /// </summary>
    public const string DepthMuP = "depth-mup";

    /// <summary>Every branch is multiplied by learned numbers, one a channel, that start small (<see cref="Layers.LayerScale"/>): 0.1 up to 18 blocks, 1e-5 up to 24, then 1e-6, as in CaiT.</summary>
    public const string LayerScale = "layer-scale";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Names { get; } = [ReZero, Fixup, DepthMuP, LayerScale];

    /// <summary>What multiplies a branch; null: nothing.</summary>
    /// <param name="name">One of the names, or null.</param>
    /// <param name="branches">Branches of the network.</param>
    internal static Module? Factor(string? name, int branches) => name switch
    {
        ReZero => new ReZeroFactor(),
        DepthMuP => new DepthFactor(1 / MathF.Sqrt(branches)),
        _ => null,
    };

    /// <summary>First factor of the layer scale of a network of so many blocks (Touvron et al. 2021, "Going deeper with image transformers").</summary>
    internal static float FirstLayerScale(int blocks) => blocks <= 18 ? 0.1f : blocks <= 24 ? 1e-5f : 1e-6f;
}

/// <summary>A learned number <c>resweight</c> [1] that starts at 0, times a tensor.</summary>
public sealed class ReZeroFactor : Module
{
    private readonly Tensor _weight;

    public ReZeroFactor() => _weight = Parameter("resweight", [1], Init.Zeros);

    protected override Tensor OnForward(Tensor x) => x * _weight;
}

/// <summary>A constant times a tensor.</summary>
/// <param name="factor">The constant.</param>
public sealed class DepthFactor(float factor) : Module
{
    /// <summary>The constant.</summary>
    public float Factor { get; } = factor;

    protected override Tensor OnForward(Tensor x) => x * Factor;
}
