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

    protected override Tensor OnForward(Tensor x) => Convolve(x, WeightStandardisation.Of(Weight, Epsilon));
}

/// <summary>Weight standardisation of convolutions that were not built for it.</summary>
public static class WeightStandardisation
{
    /// <summary>
    /// Lets every convolution of a network standardise its kernels, as <see cref="StandardisedConv2d"/> does. Left out are those that
    /// do so already, classifiers, and kernels of one number, of which nothing would be left.
    /// </summary>
    /// <returns>How many convolutions standardise their kernels now.</returns>
    public static int Apply(Module network)
    {
        var classifiers = (network as Backbone)?.ClassifierPaths ?? [];
        var convolutions = network.NamedModules().Where(m => !classifiers.Contains(m.Path)).Select(m => m.Module).OfType<Conv2d>()
            .Where(c => c is not (StandardisedConv2d or ScaledStandardisedConv2d) && c.Weight.Shape.CountBetween(1, 4) > 1).ToList();
        convolutions.ForEach(c => c.WeightForm = weight => Of(weight));
        return convolutions.Count;
    }

    /// <summary>A weight [out, ...] with mean 0 and variance 1 over each output channel's numbers.</summary>
    internal static Tensor Of(Tensor weight, float epsilon = 1e-6f)
    {
        var shape = weight.Shape;
        return weight.Reshape([shape[0], (int)shape.CountBetween(1, 4)]).LayerNorm(null, null, epsilon).Reshape(shape);
    }
}
