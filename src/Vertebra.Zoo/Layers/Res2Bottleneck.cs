namespace Vertebra.Zoo.Layers;

/// <summary>A residual block whose shortcut may be computed elsewhere.</summary>
public abstract class ShortcutBlock : Module
{
    /// <summary>The block with a given shortcut of its output's shape.</summary>
    public Tensor Forward(Tensor x, Tensor shortcut) => Forward(() => Apply(x, shortcut));

    protected override Tensor OnForward(Tensor x) => Apply(x, x);

    /// <summary>Computes the branch, adds the shortcut and activates.</summary>
    protected abstract Tensor Apply(Tensor x, Tensor shortcut);
}

/// <summary>
/// The bottleneck of Res2Net (Gao et al. 2019): its channels are split into groups that pass their 3x3 convolutions one after
/// another, each fed the group before it too, except where the block changes size. A part of the networks that use it.
/// </summary>
public sealed class Res2Bottleneck : ShortcutBlock
{
    private readonly Conv2d _conv1;
    private readonly NormLayer _bn1;
    private readonly List<Module> _convs = [];
    private readonly List<NormLayer> _norms = [];
    private readonly Module? _pool;
    private readonly Conv2d _conv3;
    private readonly NormLayer _bn3;
    private readonly ActivationLayer _act;
    private readonly Module? _downsample;
    private readonly IntList _sizes;
    private readonly bool _separate;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="width">Channels of a group.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="scale">Groups.</param>
    /// <param name="stride">1 or 2.</param>
    /// <param name="dilation">Of the 3x3 convolutions.</param>
    /// <param name="cardinality">Groups of each 3x3 convolution.</param>
    /// <param name="separate">The groups do not see each other and the last one is averaged: where the block changes size.</param>
    /// <param name="downsample">The shortcut; the input itself if null.</param>
    public Res2Bottleneck(
        int inChannels, int width, int outChannels, int scale, int stride, int dilation, int cardinality, bool separate, Module? downsample = null)
    {
        (_separate, _sizes) = (separate, [.. Enumerable.Repeat(width, scale)]);
        _conv1 = Child("conv1", Conv(inChannels, width * scale, 1));
        _bn1 = Child("bn1", new BatchNorm2d(width * scale));
        for (var i = 0; i < Math.Max(1, scale - 1); i++)
        {
            _convs.Add(Conv(width, width, 3, stride, dilation, cardinality));
            _norms.Add(new BatchNorm2d(width));
        }
        Child("convs", new ModuleList<Module>(_convs));
        Child("bns", new ModuleList<NormLayer>(_norms));
        _pool = separate ? Child("pool", new AvgPool2d(3, stride, 1)) : null;
        _conv3 = Child("conv3", Conv(width * scale, outChannels, 1));
        _bn3 = Child("bn3", new BatchNorm2d(outChannels));
        _act = Child("relu", new ActivationLayer(ActivationKind.Relu));
        _downsample = downsample is null ? null : Child("downsample", downsample);
    }

    protected override Tensor OnForward(Tensor x) => Apply(x, _downsample?.Forward(x) ?? x);

    protected override Tensor Apply(Tensor x, Tensor shortcut)
    {
        var groups = _bn1.Forward(_conv1.Forward(x), _act).Split(_sizes, -1);
        var results = new List<Tensor>();
        for (var i = 0; i < _convs.Count; i++)
        {
            var group = i == 0 || _separate ? groups[i] : results[^1] + groups[i];
            results.Add(_norms[i].Forward(_convs[i].Forward(group), _act));
        }
        if (groups.Length > 1)
            results.Add(_pool?.Forward(groups[^1]) ?? groups[^1]);
        return _bn3.Forward(_conv3.Forward(Tensor.Concat([.. results], -1)), _act, shortcut);
    }

    private static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, kernel == 1 ? 0 : dilation, dilation, groups, bias: false, initialiser: Init.KaimingNormal(fanOut: true));
}
