namespace Vertebra.Zoo.Layers;

/// <summary>
/// A convolution <c>conv</c>, as a rule without bias, and a normaliser <c>bn</c> that activates, padded so that the size stays or is
/// divided by the stride. With anti-aliasing the convolution keeps the size and <c>aa</c> reduces it. timm's ConvNormAct.
/// </summary>
public sealed class ConvNormAct : Module
{
    private readonly Module? _blur;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernel">Size of the kernel.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="activation">Applied after the normaliser.</param>
    /// <param name="dilation">Step between the kernel's taps.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="padding">Zeros around the image; centred if null.</param>
    /// <param name="norm">The normaliser, its activation included; batch normalisation with <paramref name="activation"/> if null.</param>
    /// <param name="antiAliasing">How the image is blurred where the stride is not 1.</param>
    /// <param name="initialiser">Fills the convolution's weight.</param>
    /// <param name="normInitialiser">Fills the scale of the batch normalisation.</param>
    /// <param name="bias">Whether the convolution has one.</param>
    public ConvNormAct(
        int inChannels, int outChannels, Size2d kernel, int stride = 1, ActivationKind activation = ActivationKind.Relu, int dilation = 1, int groups = 1,
        WindowPadding? padding = null, NormLayer? norm = null, AntiAliasing antiAliasing = AntiAliasing.None,
        Initialiser? initialiser = null, Initialiser? normInitialiser = null, bool bias = false)
    {
        _blur = antiAliasing.Make(outChannels, stride);
        var step = _blur is null ? stride : 1;
        Conv = Child("conv", new Conv2d(
            inChannels, outChannels, kernel, step, padding ?? WindowPadding.Centred(kernel, step, dilation), dilation, groups, bias, initialiser));
        Norm = Child("bn", norm ?? new BatchNorm2d(outChannels, activation: activation, initialiser: normInitialiser));
        if (_blur is not null)
            Child("aa", _blur);
    }

    public Conv2d Conv { get; }

    public NormLayer Norm { get; }

    protected override Tensor OnForward(Tensor x)
    {
        x = Norm.Forward(Conv.Forward(x));
        return _blur?.Forward(x) ?? x;
    }
}
