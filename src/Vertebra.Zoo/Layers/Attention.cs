namespace Vertebra.Zoo.Layers;

/// <summary>The light attention modules that a block can end with.</summary>
public enum AttentionKind
{
    None,

    /// <summary>Squeeze-and-excitation.</summary>
    SqueezeExcite,

    /// <summary>Efficient channel attention.</summary>
    EfficientChannel,

    /// <summary>Global context, added.</summary>
    GlobalContext,

    /// <summary>Bilinear attentional transforms.</summary>
    Bilinear,
}

/// <summary>Which attention, and how narrow.</summary>
/// <param name="Kind">The module.</param>
/// <param name="Ratio">Width of its bottleneck relative to the block's; the module's default if null.</param>
/// <param name="Divisor">The bottleneck's width is a multiple of it; the module's default if null.</param>
public readonly record struct AttentionSpec(AttentionKind Kind, double? Ratio = null, int? Divisor = null)
{
    /// <summary>Builds the module for a number of channels; null for none.</summary>
    /// <param name="channels">Channels of the block.</param>
    /// <param name="initialiser">Fills its 2-D convolutions.</param>
    /// <param name="activation">Inside squeeze-and-excitation.</param>
    public Module? Create(int channels, Initialiser? initialiser = null, ActivationKind activation = ActivationKind.Relu) => Kind switch
    {
        AttentionKind.None => null,
        AttentionKind.SqueezeExcite => new SqueezeExcite(channels, Widths.Divisible(channels * (Ratio ?? 1.0 / 16), Divisor ?? 8, limit: 0), activation, initialiser: initialiser),
        AttentionKind.EfficientChannel => new EfficientChannelAttention(channels),
        AttentionKind.GlobalContext => new GlobalContextAttention(channels, Widths.Divisible(channels * (Ratio ?? 1.0 / 8), Divisor ?? 1, limit: 0), initialiser),
        AttentionKind.Bilinear => new BilinearAttention(channels, Widths.Divisible(channels * (Ratio ?? 0.25), Divisor ?? 8)),
        _ => throw new InvalidOperationException($"attention {Kind} has no module"),
    };
}

/// <summary>
/// Squeeze-and-excitation (Hu et al. 2018): channels are scaled by a gate that two 1x1 convolutions, <c>fc1</c> and
/// <c>fc2</c> (or <c>conv_reduce</c> and <c>conv_expand</c>), compute from their means.
/// </summary>
public sealed class SqueezeExcite : Module
{
    private readonly Conv2d _reduce;
    private readonly NormLayer? _norm;
    private readonly ActivationLayer _act;
    private readonly Conv2d _expand;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels between the two convolutions.</param>
    /// <param name="activation">Between them.</param>
    /// <param name="gate">After them.</param>
    /// <param name="initialiser">Fills their weights.</param>
    /// <param name="biasInitialiser">Fills their biases.</param>
    /// <param name="mobileNames">Names the parts as the mobile networks do.</param>
    /// <param name="normalises">Puts batch normalisation, <c>bn</c>, before the activation.</param>
    public SqueezeExcite(
        int channels, int reduced, ActivationKind activation = ActivationKind.Relu, ActivationKind gate = ActivationKind.Sigmoid, Initialiser? initialiser = null,
        Initialiser? biasInitialiser = null, bool mobileNames = false, bool normalises = false)
    {
        _reduce = Child(mobileNames ? "conv_reduce" : "fc1", new Conv2d(channels, reduced, 1, initialiser: initialiser, biasInitialiser: biasInitialiser));
        _norm = normalises ? Child("bn", new BatchNorm2d(reduced)) : null;
        _act = Child(mobileNames ? "act1" : "act", new ActivationLayer(activation));
        _expand = Child(mobileNames ? "conv_expand" : "fc2", new Conv2d(reduced, channels, 1, initialiser: initialiser, biasInitialiser: biasInitialiser));
        _gate = Child("gate", new ActivationLayer(gate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var inner = _reduce.Forward(x.Mean([1, 2], keepAxes: true));
        return x * _gate.Forward(_expand.Forward(_norm?.Forward(inner, _act) ?? _act.Forward(inner)));
    }
}

/// <summary>
/// Efficient channel attention (Wang et al. 2020): the gate of a channel is a short one-dimensional convolution, <c>conv</c>,
/// over the means of its neighbours.
/// </summary>
public sealed class EfficientChannelAttention : Module
{
    private readonly ChannelConvolution _conv;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels that the kernel's size is derived from: the odd number next to (log₂ C + 1) / 2, at least 3.</param>
    public EfficientChannelAttention(int channels)
    {
        var size = (int)(Math.Abs(Math.Log2(channels) + 1) / 2);
        _conv = Child("conv", new ChannelConvolution(Math.Max(size % 2 == 1 ? size : size + 1, 3)));
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x) => x * _gate.Forward(_conv.Forward(x.Mean([1, 2], keepAxes: true)));

    /// <summary>One-dimensional convolution along the channels of [N, 1, 1, C], zero-padded; <c>weight</c> [1, 1, K] as PyTorch's Conv1d.</summary>
    private sealed class ChannelConvolution : Module
    {
        private readonly Tensor _weight;

        public ChannelConvolution(int kernel) => _weight = Parameter("weight", [1, 1, kernel], Init.TorchDefault);

        // The channels lie as the width of a one-channel image.
        protected override Tensor OnForward(Tensor x)
        {
            var (n, c, k) = (x.Shape[0], x.Shape[3], _weight.Shape[2]);
            var row = x.Reshape([n, 1, c, 1]);
            return row.Conv2d(_weight.Reshape([1, 1, 1, k]), padding: (0, k / 2, 0, k / 2)).Reshape([n, 1, 1, c]);
        }
    }
}
