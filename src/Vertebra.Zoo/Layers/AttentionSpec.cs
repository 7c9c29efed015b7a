namespace Vertebra.Zoo.Layers;

/// <summary>The light attention modules that a block can end with.</summary>
public enum AttentionKind
{
    None,

    /// <summary>Squeeze-and-excitation.</summary>
    SqueezeExcite,

    /// <summary>Squeeze-and-excitation with one convolution of full width.</summary>
    EffectiveSqueezeExcite,

    /// <summary>Efficient channel attention.</summary>
    EfficientChannel,

    /// <summary>The same with a perceptron of a few maps.</summary>
    EfficientChannelPerceptron,

    /// <summary>The same with the channels in a circle.</summary>
    CircularEfficientChannel,

    /// <summary>Gather-excite over the whole map.</summary>
    GatherExcite,

    /// <summary>Global context as a gate.</summary>
    GatedGlobalContext,

    /// <summary>Global context, added.</summary>
    GlobalContext,

    /// <summary>Channels, then pixels (CBAM).</summary>
    ConvolutionalBlock,

    /// <summary>The same on one pooled map each.</summary>
    LightConvolutionalBlock,

    /// <summary>Coordinate attention.</summary>
    Coordinate,

    /// <summary>The same with linear layers and one gate.</summary>
    SimpleCoordinate,

    /// <summary>Efficient local attention along both axes.</summary>
    EfficientLocal,

    /// <summary>Means along both axes, summed and gated.</summary>
    Strip,

    /// <summary>Non-local attention between all pixels.</summary>
    NonLocal,

    /// <summary>Bilinear attentional transforms.</summary>
    Bilinear,
}

/// <summary>Which attention, and how narrow.</summary>
/// <param name="Kind">The module.</param>
/// <param name="Ratio">Width of its bottleneck relative to the block's; the module's default if null.</param>
/// <param name="Divisor">The bottleneck's width is a multiple of it; the module's default if null.</param>
public readonly record struct AttentionSpec(AttentionKind Kind, double? Ratio = null, int? Divisor = null)
{
    private static readonly (string Name, AttentionKind Kind)[] s_names =
    [
        ("se", AttentionKind.SqueezeExcite), ("ese", AttentionKind.EffectiveSqueezeExcite), ("eca", AttentionKind.EfficientChannel),
        ("ecam", AttentionKind.EfficientChannelPerceptron), ("ceca", AttentionKind.CircularEfficientChannel), ("ge", AttentionKind.GatherExcite),
        ("gc", AttentionKind.GatedGlobalContext), ("gca", AttentionKind.GlobalContext), ("cbam", AttentionKind.ConvolutionalBlock),
        ("lcbam", AttentionKind.LightConvolutionalBlock), ("coord", AttentionKind.Coordinate), ("scoord", AttentionKind.SimpleCoordinate),
        ("ela", AttentionKind.EfficientLocal), ("strip", AttentionKind.Strip), ("nl", AttentionKind.NonLocal), ("bat", AttentionKind.Bilinear),
    ];

    /// <summary>Blocks along each side of the map in <see cref="AttentionKind.Bilinear"/>; the sides must be multiples of it.</summary>
    public int? Block { get; init; }

    /// <summary>The attention of timm's name: <c>se</c>, <c>eca</c>, <c>cbam</c> ...</summary>
    /// <exception cref="VertebraException">There is none; the message lists the names.</exception>
    public static AttentionSpec Parse(string name)
    {
        foreach (var entry in s_names)
        {
            if (entry.Name == name)
                return new(entry.Kind);
        }
        throw new VertebraException($"attn_layer '{name}' is unknown; there are {string.Join(", ", s_names.Select(n => n.Name))}");
    }

    /// <summary>Builds the module for a number of channels; null for none.</summary>
    /// <param name="channels">Channels of the block.</param>
    /// <param name="initialiser">Fills its 2-D convolutions.</param>
    /// <param name="activation">Inside squeeze-and-excitation.</param>
    public Module? Create(int channels, Initialiser? initialiser = null, ActivationKind activation = ActivationKind.Relu) => Kind switch
    {
        AttentionKind.None => null,
        AttentionKind.SqueezeExcite => new SqueezeExcite(channels, Reduced(channels, 1.0 / 16, 8), activation, initialiser: initialiser),
        AttentionKind.EffectiveSqueezeExcite => new EffectiveSqueezeExcite(channels),
        AttentionKind.EfficientChannel => new EfficientChannelAttention(channels),
        AttentionKind.EfficientChannelPerceptron => new EfficientChannelAttention(channels, Reduced(channels, 1.0 / 8, 8, limit: 0.9)),
        AttentionKind.CircularEfficientChannel => new EfficientChannelAttention(channels, isCircular: true),
        AttentionKind.GatherExcite => new GatherExcite(channels, Reduced(channels, 1.0 / 16, 1), initialiser),
        AttentionKind.GatedGlobalContext => new GlobalContext(channels, Reduced(channels, 1.0 / 8, 1), initialiser: initialiser),
        AttentionKind.GlobalContext => new GlobalContextAttention(channels, Reduced(channels, 1.0 / 8, 1), initialiser),
        AttentionKind.ConvolutionalBlock or AttentionKind.LightConvolutionalBlock => new ConvolutionalBlockAttention(
            channels, Reduced(channels, 1.0 / 16, 1), isLight: Kind == AttentionKind.LightConvolutionalBlock, initialiser),
        AttentionKind.Coordinate => new CoordinateAttention(channels, Reduced(channels, 1.0 / 16 * (2.0 / 3), 8), initialiser),
        AttentionKind.SimpleCoordinate => new SimpleCoordinateAttention(channels, Reduced(channels, 0.25 * (2.0 / 3), 8)),
        AttentionKind.EfficientLocal => new EfficientLocalAttention(channels, initialiser),
        AttentionKind.Strip => new StripAttention(channels, initialiser),
        AttentionKind.NonLocal => new NonLocalAttention(channels, Reduced(channels, 1.0 / 8, 8, limit: 0.9)),
        AttentionKind.Bilinear => new BilinearAttention(channels, Reduced(channels, 0.25, 8, limit: 0.9), Block ?? 7),
        _ => throw new InvalidOperationException($"attention {Kind} has no module"),
    };

    private int Reduced(int channels, double ratio, int divisor, double limit = 0) => Widths.Divisible(channels * (Ratio ?? ratio), Divisor ?? divisor, limit);
}
