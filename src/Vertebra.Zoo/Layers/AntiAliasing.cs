namespace Vertebra.Zoo.Layers;

/// <summary>How a network blurs before it takes every second pixel.</summary>
public enum AntiAliasing
{
    /// <summary>Not at all: it strides.</summary>
    None,

    /// <summary>Mean of the pixels that become one.</summary>
    Average,

    /// <summary>Binomial filter, borders reflected.</summary>
    Blur,

    /// <summary>Binomial filter, zeros around the image.</summary>
    BlurZeros,
}

/// <summary>Builds what <see cref="AntiAliasing"/> names.</summary>
internal static class AntiAliasingModules
{
    /// <summary>What takes the place of a stride; null where nothing does.</summary>
    /// <param name="kind">How.</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="stride">The stride; at 1 there is nothing to do.</param>
    public static Module? Make(this AntiAliasing kind, int channels, int stride) => stride == 1 ? null : kind switch
    {
        AntiAliasing.Average => new AvgPool2d(stride),
        AntiAliasing.Blur => new BlurPool2d(channels, stride),
        AntiAliasing.BlurZeros => new BlurPool2d(channels, stride, Ops.PadMode.Constant),
        _ => null,
    };
}

/// <summary>Blur with the 3x3 binomial filter and subsample (Zhang 2019, "Making convolutional networks shift-invariant again").</summary>
public sealed class BlurPool2d : Module
{
    private readonly Tensor _filter;
    private readonly int _stride;
    private readonly Ops.PadMode _border;

    /// <param name="channels">Channels of the image, filtered each for itself.</param>
    /// <param name="stride">Step between outputs.</param>
    /// <param name="border">What lies around the image.</param>
    public BlurPool2d(int channels, int stride, Ops.PadMode border = Ops.PadMode.Reflect)
    {
        (_stride, _border) = (stride, border);
        _filter = Buffer("filt", Construction.Zeros([channels, 1, 3, 3]), persistent: false);
        if (!_filter.IsMeta)
        {
            float[] row = [0.25f, 0.5f, 0.25f];
            _filter.CopyFrom<float>(Enumerable.Range(0, channels * 9).Select(i => row[i % 9 / 3] * row[i % 3]).ToArray());
        }
    }

    protected override Tensor OnForward(Tensor x) =>
        x.Pad([0, 1, 1, 0], [0, 1, 1, 0], _border).Conv2d(_filter, stride: _stride, groups: _filter.Shape[0]);
}
