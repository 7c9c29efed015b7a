namespace Vertebra.Zoo.Layers;

/// <summary>
/// Global context attention (Cao et al. 2019, "GCNet"): a softmax over the pixels, by a 1x1 convolution <c>conv_attn</c>,
/// weighs them into one vector, from which a narrow perceptron computes the gate of every channel.
/// </summary>
public sealed class GlobalContext : Module
{
    private readonly Conv2d _scores;
    private readonly Sequential _scale;
    private readonly ActivationLayer _gate;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Width of the perceptron.</param>
    /// <param name="activation">Inside the perceptron.</param>
    /// <param name="gate">After it.</param>
    /// <param name="initialiser">Fills the perceptron's weights; its biases start at zero then.</param>
    public GlobalContext(
        int channels, int reduced, ActivationKind activation = ActivationKind.Relu, ActivationKind gate = ActivationKind.Sigmoid, Initialiser? initialiser = null)
    {
        var biasInitialiser = initialiser is null ? null : Init.Zeros;
        _scores = Child("conv_attn", new Conv2d(channels, 1, 1, initialiser: Init.KaimingNormal(fanOut: false)));
        _scale = Child("mlp_scale", new Sequential(
        [
            ("fc1", new Conv2d(channels, reduced, 1, initialiser: initialiser, biasInitialiser: biasInitialiser)),
            ("norm", new LayerNorm(reduced, 1e-6f)),
            ("act", new ActivationLayer(activation)),
            ("fc2", new Conv2d(reduced, channels, 1, initialiser: initialiser, biasInitialiser: biasInitialiser)),
        ]));
        _gate = Child("gate", new ActivationLayer(gate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, pixels, c) = (x.Shape[0], x.Shape[1] * x.Shape[2], x.Shape[3]);
        var weights = _scores.Forward(x).Reshape([n, 1, pixels]).Softmax();
        var context = weights.MatMul(x.Reshape([n, pixels, c])).Reshape([n, 1, 1, c]);
        return x * _gate.Forward(_scale.Forward(context));
    }
}
