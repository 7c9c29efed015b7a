namespace Vertebra.Zoo.Layers;

/// <summary>
/// Convolution whose kernels are standardised and then scaled so that a signal of variance 1 keeps it: by
/// <c>gain · gamma / √fan-in</c>, with <c>gain</c> [out, 1, 1, 1] trained (Brock et al. 2021, "Characterizing signal propagation to
/// close the performance gap in unnormalized ResNets").
/// </summary>
public sealed class ScaledStandardisedConv2d : Conv2d
{
    private readonly Tensor _gain;
    private readonly float _scale;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernel">Size of the kernel.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="padding">Zeros around the image.</param>
    /// <param name="dilation">Step between the kernel's taps.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="gamma">What the activation before takes from the signal's deviation.</param>
    /// <param name="epsilon">Added to the variance of a kernel.</param>
    /// <param name="gain">Start of the gain.</param>
    /// <param name="initialiser">Fills the weight; the bias starts at zero.</param>
    public ScaledStandardisedConv2d(
        int inChannels, int outChannels, Size2d kernel, Size2d stride, WindowPadding padding, Size2d dilation, int groups,
        float gamma = 1, float epsilon = 1e-6f, float gain = 1, Initialiser? initialiser = null)
        : base(inChannels, outChannels, kernel, stride, padding, dilation, groups, bias: true, initialiser, Init.Zeros)
    {
        Epsilon = epsilon;
        _scale = gamma / MathF.Sqrt(Weight.Shape.CountBetween(1, 4));
        _gain = Parameter("gain", [outChannels, 1, 1, 1], Init.Constant(gain));
    }

    /// <summary>Added to the variance of a kernel.</summary>
    public float Epsilon { get; }

    protected override Tensor OnForward(Tensor x) => Convolve(x, WeightStandardisation.Of(Weight, Epsilon) * (_gain * _scale));
}

/// <summary>An activation and a constant factor after it.</summary>
public sealed class ScaledActivation(ActivationKind kind, float factor) : Module
{
    public ActivationKind Kind { get; } = kind;

    protected override Tensor OnForward(Tensor x) => x.Activate(Kind) * factor;
}
