namespace Vertebra.Zoo.Layers;

/// <summary>A depthwise convolution <c>conv_dw</c>, a 1x1 convolution <c>conv_pw</c> and a normaliser <c>bn</c> that activates: timm's SeparableConvNormAct.</summary>
public sealed class SeparableConvNormAct : Module
{
    private readonly Conv2d _depthwise;
    private readonly Conv2d _pointwise;
    private readonly NormLayer _norm;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernel">Size of the depthwise kernel.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="norm">The normaliser, its activation included; batch normalisation and ReLU if null.</param>
    /// <param name="initialiser">Fills the convolutions.</param>
    public SeparableConvNormAct(int inChannels, int outChannels, int kernel = 3, int stride = 1, NormLayer? norm = null, Initialiser? initialiser = null)
    {
        _depthwise = Child("conv_dw", new Conv2d(inChannels, inChannels, kernel, stride, WindowPadding.Centred(kernel, stride, 1), 1, inChannels, bias: false, initialiser));
        _pointwise = Child("conv_pw", new Conv2d(inChannels, outChannels, 1, bias: false, initialiser: initialiser));
        _norm = Child("bn", norm ?? new BatchNorm2d(outChannels, activation: ActivationKind.Relu));
    }

    protected override Tensor OnForward(Tensor x) => _norm.Forward(_pointwise.Forward(_depthwise.Forward(x)));
}
