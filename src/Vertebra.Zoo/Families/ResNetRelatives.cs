using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Networks of <see cref="ResNet"/>'s frame with other blocks: Res2Net (Gao et al. 2019), ResNeSt (Zhang et al. 2020) and
/// selective kernels (Li et al. 2019). Names, state-dict keys and defaults follow timm.
/// </summary>
internal static class ResNetRelatives
{
    private static readonly int[] s_r50 = [3, 4, 6, 3];
    private static readonly int[] s_r101 = [3, 4, 23, 3];

    public static Family Res2Net { get; } = MakeFamily(
        "res2net", "Gao, Cheng, Zhao, Zhang, Yang, Torr: Res2Net: A new multi-scale backbone architecture, TPAMI 2019, arXiv:1904.01169",
        "The 3x3 convolution of a bottleneck is replaced by groups that pass their results on to the next, so that one block sees several scales. The number of groups is a dimension of design beside depth and width.",
        Res2NetWeights.Tags(),
        [
            ("res2net50_26w_4s", Res2(s_r50, 26, 4)),
            ("res2net101_26w_4s", Res2(s_r101, 26, 4)),
            ("res2net50_26w_6s", Res2(s_r50, 26, 6)),
            ("res2net50_26w_8s", Res2(s_r50, 26, 8)),
            ("res2net50_48w_2s", Res2(s_r50, 48, 2)),
            ("res2net50_14w_8s", Res2(s_r50, 14, 8)),
            ("res2next50", Res2(s_r50, 4, 4) with { Cardinality = 8 }),
            ("res2net50d", Deep(Res2(s_r50, 26, 4), 32)),
            ("res2net101d", Deep(Res2(s_r101, 26, 4), 32)),
        ]);

    public static Family ResNeSt { get; } = MakeFamily(
        "resnest", "Zhang et al.: ResNeSt: Split-attention networks, 2020, arXiv:2004.08955",
        "Feature groups are split into parts whose weighted sum a small attention network decides by the channel. It brings squeeze-and-excitation and selective kernels into one block that keeps ResNet's frame.",
        ResNeStWeights.Tags(),
        [
            ("resnest14d", Deep(Split([1, 1, 1, 1], 2), 32)),
            ("resnest26d", Deep(Split([2, 2, 2, 2], 2), 32)),
            ("resnest50d", Deep(Split(s_r50, 2), 32)),
            ("resnest101e", Deep(Split(s_r101, 2), 64)),
            ("resnest200e", Deep(Split([3, 24, 36, 3], 2), 64)),
            ("resnest269e", Deep(Split([3, 30, 48, 8], 2), 64)),
            ("resnest50d_4s2x40d", Deep(Split(s_r50, 4, poolsFirst: true), 32) with { BaseWidth = 40, Cardinality = 2 }),
            ("resnest50d_1s4x24d", Deep(Split(s_r50, 1, poolsFirst: true), 32) with { BaseWidth = 24, Cardinality = 4 }),
        ]);

    public static Family SKNet { get; } = MakeFamily(
        "sknet", "Li, Wang, Hu, Yang: Selective kernel networks, CVPR 2019, arXiv:1903.06586",
        "Branches with kernels of different size look at the same map, and a softmax over the branches decides, channel by channel, which to believe. The receptive field thus follows the content.",
        SKNetWeights.Tags(),
        [
            ("skresnet18", Selective(BlockKind.Basic, [2, 2, 2, 2], new(1.0 / 8, 16, true))),
            ("skresnet34", Selective(BlockKind.Basic, s_r50, new(1.0 / 8, 16, true))),
            ("skresnet50", Selective(BlockKind.Bottleneck, s_r50, new(1.0 / 16, 8, true))),
            ("skresnet50d", Deep(Selective(BlockKind.Bottleneck, s_r50, new(1.0 / 16, 8, true)), 32)),
            ("skresnext50_32x4d", Selective(BlockKind.Bottleneck, s_r50, new(1.0 / 16, 32, false)) with { Cardinality = 32, BaseWidth = 4 }),
        ]);

    private static ResNetSpec Deep(ResNetSpec spec, int stemWidth) => spec with { Stem = StemKind.Deep, StemWidth = stemWidth, AveragesShortcut = true };

    private static ResNetSpec Res2(int[] depths, int baseWidth, int scale) => new(BlockKind.Bottleneck, depths)
    {
        BaseWidth = baseWidth,
        MakeBlock = (spec, place) =>
        {
            var (shortcut, outChannels) = (spec.MakeShortcut(place, spec.OutChannels(place.Stage)), spec.OutChannels(place.Stage));
            var separate = place.Stride > 1 || shortcut is not null;
            return new Res2Bottleneck(
                place.InChannels, spec.InnerWidth(place.Stage), outChannels, scale, place.Stride, place.FirstDilation, spec.Cardinality, separate, shortcut);
        },
    };

    private static ResNetSpec Split(int[] depths, int radix, bool poolsFirst = false) =>
        new(BlockKind.Bottleneck, depths) { MakeBlock = (spec, place) => new SplitAttentionBlock(spec, place, radix, poolsFirst) };

    private static ResNetSpec Selective(BlockKind kind, int[] depths, SelectiveKernelSpec kernel) =>
        new(kind, depths) { MakeBlock = (spec, place) => new SelectiveKernelBlock(spec, place, kernel) };

    private static Family MakeFamily(
        string name, string paper, string idea, Dictionary<string, (string Tag, PretrainedConfig Config)[]> tags, IEnumerable<(string Name, ResNetSpec Spec)> rows) => new(
        name,
        paper,
        [.. rows.Select(r => ModelInfo.Row(r.Name, name, tags[r.Name], "fc", r.Spec.FirstConv, options => new ResNet(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = idea,
    };
}

/// <summary>The bottleneck of ResNeSt: split attention in place of the 3x3 convolution, and a mean instead of its stride.</summary>
internal sealed class SplitAttentionBlock : Module
{
    private readonly (Conv2d Conv, NormLayer Norm) _reduce;
    private readonly AvgPool2d? _poolFirst;
    private readonly SplitAttention _split;
    private readonly AvgPool2d? _poolLast;
    private readonly (Conv2d Conv, NormLayer Norm) _expand;
    private readonly ActivationLayer _act1;
    private readonly ActivationLayer _act3;
    private readonly Module? _downsample;
    private readonly DropPath? _dropPath;

    public SplitAttentionBlock(ResNetSpec spec, BlockPlace place, int radix, bool poolsFirst)
    {
        var (width, outChannels) = (spec.InnerWidth(place.Stage), spec.OutChannels(place.Stage));
        var pools = place.Stride > 1;
        _reduce = (Child("conv1", ResNetSpec.Conv(place.InChannels, width, 1)), Child("bn1", new BatchNorm2d(width)));
        _act1 = Child("act1", new ActivationLayer(ActivationKind.Relu));
        if (pools && poolsFirst)
            _poolFirst = Child("avd_first", new AvgPool2d(3, place.Stride, 1));
        _split = Child("conv2", new SplitAttention(width, spec.Cardinality, radix, pools ? 1 : place.Stride, place.FirstDilation));
        if (pools && !poolsFirst)
            _poolLast = Child("avd_last", new AvgPool2d(3, place.Stride, 1));
        _expand = (Child("conv3", ResNetSpec.Conv(width, outChannels, 1)), Child("bn3", new BatchNorm2d(outChannels, initialiser: Init.Zeros)));
        _act3 = Child("act3", new ActivationLayer(ActivationKind.Relu));
        _downsample = spec.MakeShortcut(place, outChannels);
        if (_downsample is not null)
            Child("downsample", _downsample);
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _downsample?.Forward(x) ?? x;
        x = _reduce.Norm.Forward(_reduce.Conv.Forward(x), _act1);
        x = _split.Forward(_poolFirst?.Forward(x) ?? x);
        x = _expand.Conv.Forward(_poolLast?.Forward(x) ?? x);
        if (_dropPath is not { IsInPlace: true })
            return _expand.Norm.Forward(x, _act3, shortcut);
        return _act3.Forward(_dropPath.Forward(_expand.Norm.Forward(x)) + shortcut);
    }
}

/// <summary>A residual block with a selective kernel in place of its first (basic) or middle (bottleneck) convolution.</summary>
internal sealed class SelectiveKernelBlock : Module
{
    private readonly Module[] _layers;
    private readonly ActivationLayer _act;
    private readonly Module? _downsample;
    private readonly DropPath? _dropPath;

    public SelectiveKernelBlock(ResNetSpec spec, BlockPlace place, SelectiveKernelSpec kernel)
    {
        var (planes, outChannels) = (spec.Channels[place.Stage], spec.OutChannels(place.Stage));
        if (spec.BlockOf(place.Stage) == BlockKind.Basic)
        {
            _layers =
            [
                Child("conv1", new SelectiveKernel(place.InChannels, planes, place.Stride, place.FirstDilation, 1, kernel)),
                Child("conv2", ConvNorm(planes, planes, 3, ActivationKind.Identity, place.Dilation)),
            ];
        }
        else
        {
            var width = spec.InnerWidth(place.Stage);
            _layers =
            [
                Child("conv1", ConvNorm(place.InChannels, width, 1, ActivationKind.Relu)),
                Child("conv2", new SelectiveKernel(width, width, place.Stride, place.FirstDilation, spec.Cardinality, kernel)),
                Child("conv3", ConvNorm(width, outChannels, 1, ActivationKind.Identity)),
            ];
        }
        _act = Child("act", new ActivationLayer(ActivationKind.Relu));
        _downsample = spec.MakeShortcut(place, outChannels);
        if (_downsample is not null)
            Child("downsample", _downsample);
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _downsample?.Forward(x) ?? x;
        foreach (var layer in _layers)
            x = layer.Forward(x);
        return _act.Forward((_dropPath?.Forward(x) ?? x) + shortcut);
    }

    private static ConvNormAct ConvNorm(int inWidth, int outWidth, int kernel, ActivationKind activation, int dilation = 1) =>
        new(inWidth, outWidth, kernel, 1, activation, dilation, initialiser: ResNetSpec.ConvInit);
}
