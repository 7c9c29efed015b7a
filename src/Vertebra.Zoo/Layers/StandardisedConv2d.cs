namespace Vertebra.Zoo.Layers;

/// <summary>
/// Convolution whose kernels are standardised: mean 0 and variance 1 over the inputs of each output channel (Qiao et al. 2019,
/// "Micro-batch training with batch-channel normalization and weight standardization").
/// </summary>
public sealed class StandardisedConv2d(
    int inChannels, int outChannels, Size2d kernel, Size2d? stride = null, WindowPadding? padding = null, Size2d? dilation = null, int groups = 1,
    bool bias = false, float epsilon = 1e-6f, Initialiser? initialiser = null)
    : Conv2d(inChannels, outChannels, kernel, stride, padding, dilation, groups, bias, initialiser)
{
    /// <summary>Added to the variance of a kernel.</summary>
    public float Epsilon { get; } = epsilon;

    protected override Tensor OnForward(Tensor x) => Convolve(x, Standardised());

    private Tensor Standardised()
    {
        var shape = Weight.Shape;
        return Weight.Reshape([shape[0], (int)shape.CountBetween(1, 4)]).LayerNorm(null, null, Epsilon).Reshape(shape);
    }
}
