namespace Vertebra.Zoo.Layers;

/// <summary>Squeeze-and-excitation with a single 1x1 convolution <c>fc</c> of full width and a hard sigmoid (Lee and Park 2020, "CenterMask").</summary>
public sealed class EffectiveSqueezeExcite : Module
{
    private readonly Conv2d _fc;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    public EffectiveSqueezeExcite(int channels)
    {
        _fc = Child("fc", new Conv2d(channels, channels, 1));
        _gate = Child("gate", new ActivationLayer(ActivationKind.HardSigmoid));
    }

    protected override Tensor OnForward(Tensor x) => x * _gate.Forward(_fc.Forward(x.Mean([1, 2], keepAxes: true)));
}
