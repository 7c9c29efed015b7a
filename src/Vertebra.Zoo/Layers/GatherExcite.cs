namespace Vertebra.Zoo.Layers;

/// <summary>Gather-excite (Hu et al. 2018) over the whole map: a perceptron <c>mlp</c> of two 1x1 convolutions makes the channels' gates of their means.</summary>
public sealed class GatherExcite : Module
{
    private readonly Sequential _perceptron;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels between the two convolutions.</param>
    /// <param name="initialiser">Fills their weights.</param>
    public GatherExcite(int channels, int reduced, Initialiser? initialiser = null)
    {
        _perceptron = Child("mlp", new Sequential(
        [
            ("fc1", new Conv2d(channels, reduced, 1, initialiser: initialiser)),
            ("act", new ActivationLayer(ActivationKind.Relu)),
            ("fc2", new Conv2d(reduced, channels, 1, initialiser: initialiser)),
        ]));
        _gate = Child("gate", new ActivationLayer(ActivationKind.Sigmoid));
    }

    protected override Tensor OnForward(Tensor x) => x * _gate.Forward(_perceptron.Forward(x.Mean([1, 2], keepAxes: true)));
}
