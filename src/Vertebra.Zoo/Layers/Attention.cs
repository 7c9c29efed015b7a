namespace Vertebra.Zoo.Layers;

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
    /// <param name="bias">Whether the convolutions have biases.</param>
    public SqueezeExcite(
        int channels, int reduced, ActivationKind activation = ActivationKind.Relu, ActivationKind gate = ActivationKind.Sigmoid, Initialiser? initialiser = null,
        Initialiser? biasInitialiser = null, bool mobileNames = false, bool normalises = false, bool bias = true)
    {
        _reduce = Child(mobileNames ? "conv_reduce" : "fc1", new Conv2d(channels, reduced, 1, bias: bias, initialiser: initialiser, biasInitialiser: biasInitialiser));
        _norm = normalises ? Child("bn", new BatchNorm2d(reduced)) : null;
        _act = Child(mobileNames ? "act1" : "act", new ActivationLayer(activation));
        _expand = Child(mobileNames ? "conv_expand" : "fc2", new Conv2d(reduced, channels, 1, bias: bias, initialiser: initialiser, biasInitialiser: biasInitialiser));
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
/// over the means of its neighbours. As a perceptron it is <c>conv</c> of size 1 into several maps, ReLU, and <c>conv2</c> over them.
/// </summary>
public sealed class EfficientChannelAttention : Module
{
    private readonly ChannelConvolution _conv;
    private readonly ActivationLayer? _act;
    private readonly ChannelConvolution? _conv2;
    private readonly ActivationLayer _gate;
    private readonly int _wrap;

    /// <param name="channels">Channels that the kernel's size is derived from: the odd number next to (log₂ C + 1) / 2, at least 3.</param>
    /// <param name="maps">Maps inside the perceptron; null: there is none.</param>
    /// <param name="isCircular">The last channels are the first ones' neighbours; else zeros are.</param>
    public EfficientChannelAttention(int channels, int? maps = null, bool isCircular = false)
    {
        var size = (int)(Math.Abs(Math.Log2(channels) + 1) / 2);
        var kernel = Math.Max(size % 2 == 1 ? size : size + 1, 3);
        _wrap = isCircular ? kernel / 2 : 0;
        if (maps is { } inner)
        {
            _conv = Child("conv", new ChannelConvolution(1, inner, 1, bias: true));
            _act = Child("act", new ActivationLayer(ActivationKind.Relu));
            _conv2 = Child("conv2", new ChannelConvolution(inner, 1, kernel, bias: true));
        }
        else
        {
            _conv = Child("conv", new ChannelConvolution(1, 1, kernel, bias: false, pads: !isCircular));
        }
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, c) = (x.Shape[0], x.Shape[3]);
        var row = x.Mean([1, 2]).Reshape([n, 1, c, 1]); // the channels lie as the width of a one-channel image
        if (_wrap > 0)
            row = Tensor.Concat([row.Slice(2, c - _wrap), row, row.Slice(2, 0, _wrap)], 2);
        row = _conv.Forward(row);
        if (_conv2 is not null)
            row = _conv2.Forward(_act!.Forward(row));
        return x * _gate.Forward(row.Reshape([n, 1, 1, c]));
    }

    /// <summary>One-dimensional convolution of [N, 1, L, maps] along L; <c>weight</c> [out, in, K] and <c>bias</c> as PyTorch's Conv1d.</summary>
    private sealed class ChannelConvolution : Module
    {
        private readonly Tensor _weight;
        private readonly Tensor? _bias;
        private readonly int _padding;

        public ChannelConvolution(int inMaps, int outMaps, int kernel, bool bias, bool pads = true)
        {
            _weight = Parameter("weight", [outMaps, inMaps, kernel], Init.TorchDefault);
            _bias = bias ? Parameter("bias", [outMaps], Init.Uniform(1 / MathF.Sqrt(inMaps * kernel))) : null;
            _padding = pads ? kernel / 2 : 0;
        }

        protected override Tensor OnForward(Tensor x) =>
            x.Conv2d(_weight.Reshape([_weight.Shape[0], _weight.Shape[1], 1, _weight.Shape[2]]), _bias, padding: (0, _padding, 0, _padding));
    }
}
