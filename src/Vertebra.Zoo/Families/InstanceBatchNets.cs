using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// IBN-Net (Pan et al. 2018): networks of <see cref="ResNet"/>'s frame that normalise partly by instance, and so depend less on
/// an image's style. State-dict keys and constants as in the authors' code (github.com/XingangPan/IBN-Net).
/// </summary>
internal static class InstanceBatchNets
{
    private static readonly PretrainedConfig s_config = new() { Interpolation = "bilinear", License = "mit", HubId = "" };

    public static Family Family { get; } = new(
        "ibnnet",
        "Pan, Luo, Shi, Tang: Two at once: enhancing learning and generalization capacities via IBN-Net, ECCV 2018, arXiv:1807.09441",
        [.. Rows()],
        new Dictionary<string, string>())
    {
        Idea = "Instance norm removes appearance, such as colour and style, and batch norm keeps what tells contents apart; both share the channels of early blocks. Networks thus generalise to other domains without more arithmetic.",
        FollowsTimm = false,
    };

    private static IEnumerable<ModelInfo> Rows()
    {
        (int Depth, BlockKind Kind, int[] Blocks)[] depths =
        [
            (18, BlockKind.Basic, [2, 2, 2, 2]),
            (34, BlockKind.Basic, [3, 4, 6, 3]),
            (50, BlockKind.Bottleneck, [3, 4, 6, 3]),
            (101, BlockKind.Bottleneck, [3, 4, 23, 3]),
            (152, BlockKind.Bottleneck, [3, 8, 36, 3]),
        ];
        foreach (var (depth, kind, blocks) in depths)
        {
            yield return Row($"resnet{depth}_ibn_a", new(kind, blocks) { MakeBlock = BlockA }, depth < 152);
            yield return Row($"resnet{depth}_ibn_b", new(kind, blocks) { MakeBlock = BlockB, NormalisesStemByInstance = true }, depth < 152);
        }
        foreach (var (depth, kind, blocks) in depths.Skip(2))
        {
            yield return Row($"resnext{depth}_ibn_a", new(kind, blocks) { MakeBlock = BlockA, Cardinality = 32, BaseWidth = 4 }, depth == 101);
            yield return Row($"se_resnet{depth}_ibn_a", new(kind, blocks) { MakeBlock = SqueezingBlockA }, depth == 101);
        }
    }

    // The first three stages split, inside their blocks; the first two end with instance normalisation of the sum.
    private static InstanceBatchBlock BlockA(ResNetSpec spec, BlockPlace place) => new(spec, place, splits: place.Stage < 3);

    private static InstanceBatchBlock SqueezingBlockA(ResNetSpec spec, BlockPlace place) => new(spec, place, splits: place.Stage < 3, squeezes: true);

    private static InstanceBatchBlock BlockB(ResNetSpec spec, BlockPlace place) =>
        new(spec, place, normalisesSum: place.Stage < 2 && place.Index == spec.Depths[place.Stage] - 1);

    private static ModelInfo Row(string name, ResNetSpec spec, bool hasWeights) =>
        ModelInfo.Row(name, "ibnnet", [(hasWeights ? "in1k" : "untrained", s_config)], "fc", "conv1", options => new ResNet(spec, options));
}

/// <summary>A residual block, basic or bottleneck, with instance normalisation of half the channels inside it (IBN-a) or of the sum (IBN-b).</summary>
internal sealed class InstanceBatchBlock : Module
{
    private readonly List<(Conv2d Conv, Module Norm)> _layers = [];
    private readonly NormLayer? _sumNorm;
    private readonly Module? _attention;
    private readonly ActivationLayer _relu;
    private readonly Module? _downsample;
    private readonly DropPath? _dropPath;

    public InstanceBatchBlock(ResNetSpec spec, BlockPlace place, bool splits = false, bool normalisesSum = false, bool squeezes = false)
    {
        var (planes, outChannels, width) = (spec.Channels[place.Stage], spec.OutChannels(place.Stage), spec.InnerWidth(place.Stage));
        if (spec.BlockOf(place.Stage) == BlockKind.Basic)
        {
            AddLayer(ResNetSpec.Conv(place.InChannels, planes, 3, place.Stride, place.FirstDilation), splits);
            AddLayer(ResNetSpec.Conv(planes, planes, 3, 1, place.Dilation));
        }
        else
        {
            AddLayer(ResNetSpec.Conv(place.InChannels, width, 1), splits);
            AddLayer(ResNetSpec.Conv(width, width, 3, place.Stride, place.FirstDilation, spec.Cardinality));
            AddLayer(ResNetSpec.Conv(width, outChannels, 1));
        }
        _sumNorm = normalisesSum ? Child("IN", new GroupNorm(outChannels, outChannels)) : null;
        _relu = Child("relu", new ActivationLayer(ActivationKind.Relu));
        _attention = squeezes ? Child("se", new LinearSqueezeExcite(outChannels, outChannels / 16)) : null;
        _downsample = spec.MakeShortcut(place, outChannels);
        if (_downsample is not null)
            Child("downsample", _downsample);
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _downsample?.Forward(x) ?? x;
        foreach (var (conv, norm) in _layers[..^1])
            x = norm is NormLayer plain ? plain.Forward(conv.Forward(x), _relu) : _relu.Forward(norm.Forward(conv.Forward(x)));
        x = _layers[^1].Norm.Forward(_layers[^1].Conv.Forward(x));
        x = _attention?.Forward(x) ?? x;
        x = (_dropPath?.Forward(x) ?? x) + shortcut;
        return _sumNorm?.Forward(x, _relu) ?? _relu.Forward(x);
    }

    private void AddLayer(Conv2d conv, bool splits = false)
    {
        var number = _layers.Count + 1;
        Child($"conv{number}", conv);
        _layers.Add((conv, Child<Module>($"bn{number}", splits ? new InstanceBatchNorm(conv.OutChannels) : new BatchNorm2d(conv.OutChannels))));
    }

    /// <summary>Squeeze-and-excitation with linear layers <c>fc.0</c> and <c>fc.2</c> without bias.</summary>
    private sealed class LinearSqueezeExcite : Module
    {
        private readonly Sequential _gate;

        public LinearSqueezeExcite(int channels, int reduced) => _gate = Child("fc", new Sequential(
            new Linear(channels, reduced, bias: false), new ActivationLayer(ActivationKind.Relu),
            new Linear(reduced, channels, bias: false), new ActivationLayer(ActivationKind.Sigmoid)));

        protected override Tensor OnForward(Tensor x) => x * _gate.Forward(x.Mean([1, 2])).Reshape([x.Shape[0], 1, 1, x.Shape[3]]);
    }
}
