using Vertebra.Zoo.Layers;
using Padding2d = Vertebra.Ops.Padding2d;

namespace Vertebra.Zoo.Families;

/// <summary>
/// GhostNet (Han et al. 2020): half of the channels of a pointwise convolution are made by cheap depthwise ones from the other
/// half. V2 (Tang et al. 2022) adds attention along rows and columns, V3 (Liu et al. 2024) parallel branches for training.
/// Names, state-dict keys and defaults follow timm's ghostnet family.
/// </summary>
public sealed class GhostNet : Backbone
{
    private const int HeadWidth = 1280;
    private readonly Conv2d _stem;
    private readonly NormLayer _norm;
    private readonly ActivationLayer _act;
    private readonly Sequential _blocks;
    private readonly Conv2d _headConv;
    private readonly ActivationLayer _headAct;
    private readonly Dropout _drop;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _classifier;

    internal GhostNet(int version, double width, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from GhostNet: the strides of its stages are fixed; leave it out or use 32");
        var stemWidth = Widths.Divisible(16 * width, 4);
        _stem = Child("conv_stem", new Conv2d(InChans, stemWidth, 3, 2, 1, bias: false));
        _norm = Child("bn1", new BatchNorm2d(stemWidth));
        _act = Child("act1", new ActivationLayer(ActivationKind.Relu));
        _features.Add(new(0, stemWidth, 2, "conv_stem"));
        NumFeatures = Widths.Divisible(960 * width, 4);
        _blocks = Child("blocks", new Sequential(MakeStages(version, width, stemWidth)));
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", new GlobalPool2d(pool, flatten: false));
        _headConv = Child("conv_head", new Conv2d(NumFeatures * pool.Width(), HeadWidth, 1));
        _headAct = Child("act2", new ActivationLayer(ActivationKind.Relu));
        _drop = Child("drop", new Dropout(options.DropRate));
        _classifier = Child("classifier", MakeClassifier(NumClasses));
    }

    public static Family Family { get; } = new(
        "ghostnet",
        "Han, Wang, Tian, Guo, Xu, Xu: GhostNet: more features from cheap operations, CVPR 2020, arXiv:1911.11907",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "ghostnet", [(r.Tag, new PretrainedConfig { License = "apache-2.0" })], "classifier", "conv_stem", options => new GhostNet(r.Version, r.Width, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Many channels of a map resemble one another, so half of them are made by cheap depthwise convolutions from the other half. V2 adds attention along rows and columns, V3 branches that fold into one convolution after training.",
    };

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "classifier";

    public override string FirstConv => "conv_stem";

    protected override Tensor OnForwardFeatures(Tensor x) => _blocks.Forward(_norm.Forward(_stem.Forward(x), _act));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _headAct.Forward(_headConv.Forward(_pool.Forward(features)));
        if (_pool.Pool != GlobalPool.None)
            x = x.Reshape([x.Shape[0], x.Shape[3]]);
        x = _drop.Forward(x);
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed && changed.Width() != _pool.Pool.Width())
            throw new VertebraException($"global_pool cannot change to '{changed.NameOf()}': the convolution behind the pool takes {_headConv.InChannels} channels");
        if (pool is { } other)
            _pool = Replace("global_pool", new GlobalPool2d(other, flatten: false));
        _classifier = Replace("classifier", MakeClassifier(numClasses));
    }

    private static Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : new Linear(HeadWidth, numClasses);

    private List<Module> MakeStages(int version, double width, int channels)
    {
        // Kernel, inner width, width, with attention or not, stride.
        (int Kernel, int Inner, int Outer, bool Squeezes, int Stride)[][] stages =
        [
            [(3, 16, 16, false, 1)],
            [(3, 48, 24, false, 2)],
            [(3, 72, 24, false, 1)],
            [(5, 72, 40, true, 2)],
            [(5, 120, 40, true, 1)],
            [(3, 240, 80, false, 2)],
            [(3, 200, 80, false, 1), (3, 184, 80, false, 1), (3, 184, 80, false, 1), (3, 480, 112, true, 1), (3, 672, 112, true, 1)],
            [(5, 672, 160, true, 2)],
            [(5, 960, 160, false, 1), (5, 960, 160, true, 1), (5, 960, 160, false, 1), (5, 960, 160, true, 1)],
        ];
        var (index, stride) = (0, 2);
        var result = new List<Module>();
        foreach (var stage in stages)
        {
            var blocks = new List<Module>();
            foreach (var (kernel, inner, outer, squeezes, step) in stage)
            {
                var place = new GhostPlace(channels, Widths.Divisible(inner * width, 4), Widths.Divisible(outer * width, 4), kernel, step, squeezes);
                // The first two blocks see large images, for which the attention of the later versions would be dear.
                blocks.Add(version == 3 ? new GhostBlockV3(place, hasGate: index > 1) : new GhostBlock(place, hasGate: version == 2 && index > 1));
                (channels, stride, index) = (place.Outer, stride * step, index + 1);
            }
            if (stage[^1].Stride > 1)
                _features.Add(new(_features.Count, channels, stride, $"blocks.{result.Count}"));
            result.Add(new Sequential(blocks));
        }
        result.Add(new Sequential(new GhostConv(channels, NumFeatures, 1, 1, 1, ActivationKind.Relu)));
        return result;
    }

    private static (string Name, int Version, double Width, string Tag)[] Rows() =>
    [
        ("ghostnet_050", 1, 0.5, "untrained"),
        ("ghostnet_100", 1, 1, "in1k"),
        ("ghostnet_130", 1, 1.3, "untrained"),
        ("ghostnetv2_100", 2, 1, "in1k"),
        ("ghostnetv2_130", 2, 1.3, "in1k"),
        ("ghostnetv2_160", 2, 1.6, "in1k"),
        ("ghostnetv3_050", 3, 0.5, "untrained"),
        ("ghostnetv3_100", 3, 1, "in1k"),
        ("ghostnetv3_130", 3, 1.3, "untrained"),
        ("ghostnetv3_160", 3, 1.6, "untrained"),
    ];
}

/// <summary>Sizes of a block.</summary>
internal readonly record struct GhostPlace(int Input, int Inner, int Outer, int Kernel, int Stride, bool Squeezes);

/// <summary>A convolution <c>conv</c> and a normaliser <c>bn1</c>, perhaps with activation.</summary>
internal sealed class GhostConv : Module
{
    private readonly Conv2d _conv;
    private readonly NormLayer _norm;

    public GhostConv(int inChannels, int outChannels, int kernel, int stride, int groups, ActivationKind act = ActivationKind.Identity)
    {
        _conv = Child("conv", new Conv2d(inChannels, outChannels, kernel, stride, kernel / 2, groups: groups, bias: false));
        _norm = Child("bn1", new BatchNorm2d(outChannels, activation: act));
    }

    protected override Tensor OnForward(Tensor x) => _norm.Forward(_conv.Forward(x));
}

/// <summary>Parts that the ghost modules and blocks of all versions have in common.</summary>
internal static class GhostParts
{
    public static Sequential Conv(int inChannels, int outChannels, int kernel, int groups, ActivationKind act) => new(
        new Conv2d(inChannels, outChannels, kernel, 1, kernel / 2, groups: groups, bias: false), new BatchNorm2d(outChannels), new ActivationLayer(act));

    /// <summary>The gate of V2 and V3: a pointwise convolution and one along rows and along columns, at half the size.</summary>
    public static Sequential Gate(int inChannels, int outChannels) => new(
        new Conv2d(inChannels, outChannels, 1, bias: false), new BatchNorm2d(outChannels),
        new Conv2d(outChannels, outChannels, (1, 5), 1, (Padding2d)(0, 2), groups: outChannels, bias: false), new BatchNorm2d(outChannels),
        new Conv2d(outChannels, outChannels, (5, 1), 1, (Padding2d)(2, 0), groups: outChannels, bias: false), new BatchNorm2d(outChannels));

    /// <summary>Applies the gate, computed from the module's input at half the size, to its output.</summary>
    public static Tensor Gated(Tensor output, Tensor input, Sequential gate) =>
        output * gate.Forward(input.AvgPool2d(2, 2)).Sigmoid().Interpolate((output.Shape[1], output.Shape[2]));

    /// <summary>Both halves side by side; of an odd number of channels the last is left out.</summary>
    public static Tensor Join(Tensor primary, Tensor ghost, int channels)
    {
        var both = Tensor.Concat([primary, ghost], -1);
        return both.Shape[3] == channels ? both : both.Slice(3, 0, channels);
    }

    public static SqueezeExcite Attention(int channels) =>
        new(channels, Widths.Divisible(channels * 0.25, 4), gate: ActivationKind.HardSigmoid, mobileNames: true);

    /// <summary>The block's shortcut; null where it is the input itself.</summary>
    public static Sequential? Shortcut(GhostPlace place) => place.Stride == 1 && place.Input == place.Outer ? null : new(
        new Conv2d(place.Input, place.Input, place.Kernel, place.Stride, place.Kernel / 2, groups: place.Input, bias: false), new BatchNorm2d(place.Input),
        new Conv2d(place.Input, place.Outer, 1, bias: false), new BatchNorm2d(place.Outer));
}

/// <summary>The ghost module of V1 and, with a gate, of V2.</summary>
internal sealed class GhostModule : Module
{
    private readonly Sequential _primary, _cheap;
    private readonly Sequential? _gate;
    private readonly int _channels;

    public GhostModule(int inChannels, int outChannels, ActivationKind act, bool hasGate)
    {
        _channels = outChannels;
        var half = (outChannels + 1) / 2;
        _primary = Child("primary_conv", GhostParts.Conv(inChannels, half, 1, 1, act));
        _cheap = Child("cheap_operation", GhostParts.Conv(half, half, 3, half, act));
        if (hasGate)
            _gate = Child("short_conv", GhostParts.Gate(inChannels, outChannels));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var primary = _primary.Forward(x);
        var result = GhostParts.Join(primary, _cheap.Forward(primary), _channels);
        return _gate is null ? result : GhostParts.Gated(result, x, _gate);
    }
}

/// <summary>Two ghost modules, a depthwise convolution between them where the size changes, beside a shortcut.</summary>
internal sealed class GhostBlock : Module
{
    private readonly GhostModule _expand, _project;
    private readonly Conv2d? _depthwise;
    private readonly NormLayer? _norm;
    private readonly SqueezeExcite? _attention;
    private readonly Sequential? _shortcut;

    public GhostBlock(GhostPlace place, bool hasGate)
    {
        _expand = Child("ghost1", new GhostModule(place.Input, place.Inner, ActivationKind.Relu, hasGate));
        if (place.Stride > 1)
        {
            _depthwise = Child("conv_dw", new Conv2d(place.Inner, place.Inner, place.Kernel, place.Stride, place.Kernel / 2, groups: place.Inner, bias: false));
            _norm = Child("bn_dw", new BatchNorm2d(place.Inner));
        }
        if (place.Squeezes)
            _attention = Child("se", GhostParts.Attention(place.Inner));
        _project = Child("ghost2", new GhostModule(place.Inner, place.Outer, ActivationKind.Identity, hasGate: false));
        _shortcut = GhostParts.Shortcut(place);
        if (_shortcut is not null)
            Child("shortcut", _shortcut);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _shortcut?.Forward(x) ?? x;
        x = _expand.Forward(x);
        if (_depthwise is not null)
            x = _norm!.Forward(_depthwise.Forward(x));
        x = _attention?.Forward(x) ?? x;
        return _project.Forward(x) + shortcut;
    }
}
