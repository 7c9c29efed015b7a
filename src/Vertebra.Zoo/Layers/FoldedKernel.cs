using Vertebra.Autograd;

namespace Vertebra.Zoo.Layers;

/// <summary>
/// The sum of convolutions and identities over one input, each with batch normalisation by its running statistics, as one
/// kernel and bias. Sums are kept in double precision and rounded once.
/// </summary>
internal sealed class FoldedKernel
{
    private readonly Conv2d _model;
    private readonly double[] _weight;
    private readonly double[] _bias;

    /// <param name="model">The convolution with the largest kernel: it gives the geometry, not its values.</param>
    public FoldedKernel(Conv2d model)
    {
        _model = model;
        _weight = IsMeta ? [] : new double[model.Weight.ElementCount];
        _bias = IsMeta ? [] : new double[model.OutChannels];
    }

    // Networks that have shapes only are folded into such.
    private bool IsMeta => _model.Weight.IsMeta;

    /// <summary>Adds a convolution and its normaliser.</summary>
    public FoldedKernel Add(ConvNormAct branch) => Add(branch.Conv, (BatchNorm2d)branch.Norm);

    /// <summary>Adds a convolution, whose kernel may be smaller than the model's and is centred then, with its normaliser if it has one.</summary>
    public FoldedKernel Add(Conv2d conv, BatchNorm2d? norm)
    {
        if (IsMeta)
            return this;
        var (scale, shift) = Affine(norm, conv.OutChannels);
        if (conv.WeightForm is not null)
            throw new VertebraException("a convolution that makes something of its weight cannot be folded: build the network without weight_standardise");
        var (weight, bias) = (conv.Weight.ToArray<float>(), conv.Bias?.ToArray<float>());
        var (inputs, height, width) = (conv.Weight.Shape[1], conv.Kernel.H, conv.Kernel.W);
        for (var o = 0; o < conv.OutChannels; o++)
        {
            for (var i = 0; i < inputs; i++)
            {
                for (var tap = 0; tap < height * width; tap++)
                    _weight[IndexOf(o, i, tap / width, tap % width, height, width)] += scale[o] * weight[(((o * inputs) + i) * height * width) + tap];
            }
            _bias[o] += shift[o] + (bias is null ? 0 : scale[o] * bias[o]);
        }
        return this;
    }

    /// <summary>Adds the input itself, with its normaliser if it has one, times a factor.</summary>
    public FoldedKernel AddIdentity(BatchNorm2d? norm, double factor = 1)
    {
        if (IsMeta)
            return this;
        var (scale, shift) = Affine(norm, _model.OutChannels);
        var inputs = _model.Weight.Shape[1];
        for (var o = 0; o < _model.OutChannels; o++)
        {
            _weight[IndexOf(o, o % inputs, 0, 0, 1, 1)] += factor * scale[o];
            _bias[o] += factor * shift[o];
        }
        return this;
    }

    /// <summary>Multiplies everything added so far by a factor per output channel.</summary>
    public FoldedKernel Scale(Tensor factors)
    {
        if (!IsMeta)
            Scale(Array.ConvertAll(factors.ToArray<float>(), f => (double)f));
        return this;
    }

    /// <summary>Puts a normaliser after everything added so far.</summary>
    public FoldedKernel Then(BatchNorm2d norm)
    {
        if (IsMeta)
            return this;
        var (scale, shift) = Affine(norm, _bias.Length);
        Scale(scale);
        for (var o = 0; o < _bias.Length; o++)
            _bias[o] += shift[o];
        return this;
    }

    /// <summary>One convolution that does all of it.</summary>
    public Conv2d ToConvolution()
    {
        using var scope = IsMeta ? Construction.Meta() : Construction.Deferred();
        var conv = new Conv2d(_model.InChannels, _model.OutChannels, _model.Kernel, _model.Stride, _model.Padding, _model.Dilation, _model.Groups);
        if (!IsMeta)
        {
            conv.Weight.CopyFrom<float>(Array.ConvertAll(_weight, v => (float)v));
            conv.Bias!.CopyFrom<float>(Array.ConvertAll(_bias, v => (float)v));
        }
        return conv;
    }

    /// <summary>
    /// One convolution for two, each with its normaliser, between which nothing happens; the second has a 1x1 kernel. The product of
    /// the two matrices is the float32 one.
    /// </summary>
    public static Conv2d OfPair(Conv2d first, BatchNorm2d? firstNorm, Conv2d second, BatchNorm2d? secondNorm)
    {
        using var off = GradMode.Off();
        var (a, b) = (new FoldedKernel(first).Add(first, firstNorm).ToConvolution(), new FoldedKernel(second).Add(second, secondNorm).ToConvolution());
        var (middle, outer) = (a.OutChannels, b.OutChannels);
        var matrix = b.Weight.Reshape([outer, middle]);
        var weight = matrix.MatMul(a.Weight.Reshape([middle, (int)(a.Weight.ElementCount / middle)]));
        var bias = matrix.MatMul(a.Bias!.Reshape([middle, 1])).Reshape([outer]) + b.Bias!;
        using var scope = weight.IsMeta ? Construction.Meta() : Construction.Deferred();
        var conv = new Conv2d(first.InChannels, outer, first.Kernel, first.Stride, first.Padding, first.Dilation);
        if (!weight.IsMeta)
        {
            conv.Weight.CopyFrom<float>(weight.ToArray<float>());
            conv.Bias!.CopyFrom<float>(bias.ToArray<float>());
        }
        return conv;
    }

    private void Scale(double[] factors)
    {
        var taps = _weight.Length / _bias.Length;
        for (var i = 0; i < _weight.Length; i++)
            _weight[i] *= factors[i / taps];
        for (var o = 0; o < _bias.Length; o++)
            _bias[o] *= factors[o];
    }

    // Place of a tap of a smaller kernel, centred in the model's.
    private int IndexOf(int output, int input, int row, int column, int height, int width)
    {
        var (inputs, kernel) = (_model.Weight.Shape[1], _model.Kernel);
        return (((((output * inputs) + input) * kernel.H) + row + ((kernel.H - height) / 2)) * kernel.W) + column + ((kernel.W - width) / 2);
    }

    /// <summary>What a normaliser does by its running statistics: scale and shift of every channel; none for null.</summary>
    public static (double[] Scale, double[] Shift) Affine(BatchNorm2d? norm, int channels)
    {
        var (scale, shift) = (new double[channels], new double[channels]);
        Array.Fill(scale, 1);
        if (norm is null)
            return (scale, shift);
        var (weight, bias) = (norm.Weight.ToArray<float>(), norm.Bias.ToArray<float>());
        var (mean, variance) = (norm.RunningMean.ToArray<float>(), norm.RunningVar.ToArray<float>());
        for (var c = 0; c < channels; c++)
        {
            scale[c] = weight[c] / Math.Sqrt(variance[c] + norm.Epsilon);
            shift[c] = bias[c] - (mean[c] * scale[c]);
        }
        return (scale, shift);
    }
}
