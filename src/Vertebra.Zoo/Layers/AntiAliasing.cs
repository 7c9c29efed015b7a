namespace Vertebra.Zoo.Layers;

/// <summary>How a network blurs before it takes every second pixel.</summary>
public enum AntiAliasing
{
    /// <summary>Not at all: it strides.</summary>
    None,

    /// <summary>Mean of the pixels that become one.</summary>
    Average,

    /// <summary>Binomial filter.</summary>
    Blur,
}

/// <summary>Blur with the 3x3 binomial filter and subsample (Zhang 2019, "Making convolutional networks shift-invariant again"); borders are reflected.</summary>
public sealed class BlurPool2d : Module
{
    private readonly Tensor _filter;
    private readonly int _stride;

    /// <param name="channels">Channels of the image, filtered each for itself.</param>
    /// <param name="stride">Step between outputs.</param>
    public BlurPool2d(int channels, int stride)
    {
        _stride = stride;
        _filter = Buffer("filt", Construction.Zeros([channels, 1, 3, 3]), persistent: false);
        if (!_filter.IsMeta)
        {
            float[] row = [0.25f, 0.5f, 0.25f];
            _filter.CopyFrom<float>(Enumerable.Range(0, channels * 9).Select(i => row[i % 9 / 3] * row[i % 3]).ToArray());
        }
    }

    protected override Tensor OnForward(Tensor x) =>
        x.Pad([0, 1, 1, 0], [0, 1, 1, 0], Ops.PadMode.Reflect).Conv2d(_filter, stride: _stride, groups: _filter.Shape[0]);
}
