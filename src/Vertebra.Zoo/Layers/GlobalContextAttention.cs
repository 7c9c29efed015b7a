namespace Vertebra.Zoo.Layers;

/// <summary>
/// Global context (Cao et al. 2019, "GCNet"): the pixels' mean, weighted by a softmax over the map that <c>conv_attn</c> scores,
/// passes a bottleneck <c>mlp_add</c> and is added to every pixel.
/// </summary>
public sealed class GlobalContextAttention : Module
{
    private readonly Conv2d _score;
    private readonly Sequential _transform;

    /// <param name="channels">Channels of the image.</param>
    /// <param name="reduced">Channels of the bottleneck.</param>
    /// <param name="initialiser">Fills its first convolution.</param>
    public GlobalContextAttention(int channels, int reduced, Initialiser? initialiser = null)
    {
        _score = Child("conv_attn", new Conv2d(channels, 1, 1, initialiser: Init.KaimingNormal(fanOut: false)));
        _transform = Child("mlp_add", new Sequential(
        [
            ("fc1", new Conv2d(channels, reduced, 1, initialiser: initialiser)),
            ("norm", new LayerNorm(reduced, 1e-6f)),
            ("act", new ActivationLayer(ActivationKind.Relu)),
            ("fc2", new Conv2d(reduced, channels, 1, initialiser: Init.Zeros)),
        ]));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, pixels, c) = (x.Shape[0], x.Shape[1] * x.Shape[2], x.Shape[3]);
        var weights = _score.Forward(x).Reshape([n, pixels, 1]).Softmax(1);
        var context = weights.MatMul(x.Reshape([n, pixels, c]), transposeA: true);
        return x + _transform.Forward(context.Reshape([n, 1, 1, c]));
    }
}
