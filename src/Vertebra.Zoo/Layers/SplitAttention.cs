namespace Vertebra.Zoo.Layers;

/// <summary>
/// Split attention (Zhang et al. 2020, "ResNeSt"): a grouped convolution makes several versions of each channel, which a softmax
/// over the versions (a sigmoid if there is one only) weighs by their means.
/// </summary>
public sealed class SplitAttention : Module
{
    private readonly Conv2d _conv;
    private readonly NormLayer _norm0;
    private readonly ActivationLayer _act0;
    private readonly Conv2d _fc1;
    private readonly NormLayer _norm1;
    private readonly ActivationLayer _act1;
    private readonly Conv2d _fc2;
    private readonly int _groups;
    private readonly int _radix;

    /// <param name="channels">Channels of input and output.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="radix">Versions of each channel.</param>
    /// <param name="stride">Step of the convolution.</param>
    /// <param name="dilation">Of the convolution.</param>
    public SplitAttention(int channels, int groups, int radix, int stride, int dilation)
    {
        (_groups, _radix) = (groups, radix);
        var (wide, narrow) = (channels * radix, Math.Max(32, Widths.Divisible(channels * radix * 0.25)));
        var init = Init.KaimingNormal(fanOut: true);
        _conv = Child("conv", new Conv2d(channels, wide, 3, stride, dilation, dilation, groups * radix, bias: false, initialiser: init));
        _norm0 = Child("bn0", new BatchNorm2d(wide));
        _act0 = Child("act0", new ActivationLayer(ActivationKind.Relu));
        _fc1 = Child("fc1", new Conv2d(channels, narrow, 1, groups: groups, initialiser: init));
        _norm1 = Child("bn1", new BatchNorm2d(narrow));
        _act1 = Child("act1", new ActivationLayer(ActivationKind.Relu));
        _fc2 = Child("fc2", new Conv2d(narrow, wide, 1, groups: groups, initialiser: init));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _norm0.Forward(_conv.Forward(x), _act0);
        var (n, h, w, c) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3] / _radix);
        var means = x.Mean([1, 2], keepAxes: true);
        if (_radix > 1)
            means = means.Reshape([n, 1, 1, _radix, c]).Sum([3]);
        var scores = _fc2.Forward(_norm1.Forward(_fc1.Forward(means), _act1));
        if (_radix == 1)
            return x * scores.Sigmoid();
        // The scores lie group by group, and in a group version by version; the map lies version by version.
        var weights = scores.Reshape([n, _groups, _radix, c / _groups]).Permute([0, 2, 1, 3]).Softmax(1).Reshape([n, 1, 1, _radix, c]);
        return (x.Reshape([n, h, w, _radix, c]) * weights).Sum([3]);
    }
}
