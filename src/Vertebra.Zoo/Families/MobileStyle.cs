using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>How the layers of a mobile network are made: what all its blocks have in common.</summary>
internal sealed record MobileStyle
{
    public ActivationKind Act { get; init; } = ActivationKind.Relu;

    public MobileNorm Norm { get; init; }

    /// <summary>Channels in a group of group normalisation and EvoNorm.</summary>
    public int NormGroup { get; init; }

    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>TensorFlow's padding instead of the symmetric one.</summary>
    public bool PadsSame { get; init; }

    public AntiAliasing AntiAliasing { get; init; }

    public MobileAttention Attention { get; init; }

    /// <summary>The activation that makes the attention's gate.</summary>
    public ActivationKind Gate { get; init; } = ActivationKind.Sigmoid;

    /// <summary>The activation inside the attention; the block's if null.</summary>
    public ActivationKind? AttentionAct { get; init; }

    /// <summary>Rounds the attention's width to multiples of 8 with this limit (see <see cref="Widths.Divisible"/>); null: to integers.</summary>
    public double? AttentionRounding { get; init; }

    /// <summary>The attention's width is a share of the expanded channels, not of the block's input.</summary>
    public bool AttentionOfExpanded { get; init; }

    /// <summary>First value of learned factors after a block's branch; null: there are none. Only universal and attention blocks have them.</summary>
    public float? LayerScale { get; init; }

    public NormLayer MakeNorm(int channels, ActivationKind act = ActivationKind.Identity) => Norm switch
    {
        MobileNorm.Batch => new BatchNorm2d(channels, Epsilon, activation: act),
        MobileNorm.Group => new GroupNorm(channels / NormGroup, channels, Epsilon, act),
        MobileNorm.Layer => new LayerNorm(channels, Epsilon, activation: act),
        MobileNorm.Evo => new EvoNormS0(channels, channels / NormGroup, Epsilon, activates: act != ActivationKind.Identity),
        _ => throw new InvalidOperationException($"normaliser {Norm} has no module"),
    };

    public Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, bool bias = false) =>
        new(inChannels, outChannels, kernel, stride, Padding(kernel, stride, dilation), dilation, groups, bias, MobileInit.Conv(outChannels, kernel, groups), Init.Zeros);

    /// <summary>A convolution of one kernel size, or a mixed one of several; with experts a conditional one.</summary>
    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernels">Kernel sizes.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="dilation">Step between taps.</param>
    /// <param name="groups">Groups; a mixed convolution with as many as channels is depthwise in each part.</param>
    /// <param name="experts">Number of kernels to choose from; 0: an ordinary convolution.</param>
    public Module Conv(int inChannels, int outChannels, IReadOnlyList<int> kernels, int stride = 1, int dilation = 1, int groups = 1, int experts = 0)
    {
        if (kernels.Count > 1)
            return new MixedConv2d(inChannels, outChannels, kernels, (i, o, kernel) => Conv(i, o, kernel, stride, dilation, groups == inChannels ? i : groups));
        var size = kernels[0];
        return experts == 0 ? Conv(inChannels, outChannels, size, stride, dilation, groups)
            : new ConditionalConv2d(inChannels, outChannels, size, stride, Padding(size, stride, dilation), dilation, groups, experts);
    }

    /// <summary>The attention of a block, narrowed by a ratio; null where the ratio is 0.</summary>
    /// <param name="channels">Channels of the map.</param>
    /// <param name="ratio">Its inner width relative to <paramref name="channels"/>.</param>
    /// <param name="act">The block's activation.</param>
    /// <param name="reduced">Its inner width, where pruning left a particular one.</param>
    public Module? MakeAttention(int channels, double ratio, ActivationKind act, int? reduced = null)
    {
        if (ratio == 0)
            return null;
        if (Attention == MobileAttention.GlobalContext)
        {
            var width = Widths.Divisible(channels * ratio, divisor: 1, limit: 0);
            return new GlobalContext(channels, width, AttentionAct ?? act, Gate, Init.KaimingNormal(fanOut: true));
        }
        var inner = reduced ?? (AttentionRounding is { } limit ? Widths.Divisible(channels * ratio, limit: limit) : (int)Math.Round(channels * ratio));
        return new SqueezeExcite(channels, inner, AttentionAct ?? act, Gate, Init.KaimingNormal(fanOut: true), Init.Zeros, mobileNames: true);
    }

    public WindowPadding Padding(int kernel, int stride, int dilation) =>
        PadsSame ? WindowPadding.Same : WindowPadding.Centred(kernel, stride, dilation);
}

internal enum MobileNorm
{
    Batch,

    /// <summary>Group normalisation with groups of <see cref="MobileStyle.NormGroup"/> channels.</summary>
    Group,

    /// <summary>Layer normalisation over the channels of each pixel.</summary>
    Layer,

    /// <summary>EvoNorm S0, which activates by itself.</summary>
    Evo,
}

internal enum MobileAttention
{
    SqueezeExcite,
    GlobalContext,
}
