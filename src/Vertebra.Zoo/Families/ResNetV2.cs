using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Residual networks with the activation before each convolution (He et al. 2016, "Identity mappings in deep residual
/// networks"), among them BiT with standardised convolutions and group normalisation (Kolesnikov et al. 2020). Names,
/// state-dict keys and defaults follow timm's resnetv2 family.
/// </summary>
public sealed class ResNetV2 : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormLayer? _norm;
    private readonly ConvolutionHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal ResNetV2(ResNetV2Spec spec, ModelOptions options) : base(options)
    {
        FirstConv = spec.FirstConv;
        var width = Widths.Divisible(64 * spec.WidthFactor);
        _stem = Child("stem", new Sequential(MakeStem(spec, InChans)));
        _features.Add(new(0, width, 2, spec.ActivatesLast ? "stem.norm" : spec.Stem == StemKind.Plain ? "stem.conv" : "stem.conv3"));
        _stages = Child("stages", new Sequential(MakeStages(spec, width, options)));
        NumFeatures = _features[^1].Channels;
        _norm = spec.ActivatesLast ? null : Child("norm", spec.MakeNorm(NumFeatures));
        _head = Child("head", new ConvolutionHead(NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, Init.Normal(0.01f)));
    }

    public static Family Family { get; } = new(
        "resnetv2",
        "He, Zhang, Ren, Sun: Identity mappings in deep residual networks, ECCV 2016, arXiv:1603.05027",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "resnetv2", r.Tags, "head.fc", r.Spec.FirstConv, options => new ResNetV2(r.Spec, options)))],
        Aliases())
    {
        Idea = "Normalisation and activation come before each convolution, so that the shortcut is a clean identity from the first block to the last. BiT's variants standardise the weights and normalise by groups, which makes them independent of the batch size.",
    };

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv { get; }

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x)) is var map && _norm is not null ? _norm.Forward(map) : map;

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    /// <summary>The layers before the stages: a quarter of the image's side.</summary>
    internal static IEnumerable<(string Name, Module Module)> MakeStem(ResNetV2Spec spec, int inChans)
    {
        var width = Widths.Divisible(64 * spec.WidthFactor);
        if (spec.Stem == StemKind.Plain)
        {
            yield return ("conv", spec.Conv(inChans, width, 7, stride: 2));
            if (spec.ActivatesLast)
                yield return ("norm", spec.MakeNorm(width));
        }
        else
        {
            var (first, second) = (spec.Stem == StemKind.Tiered ? 3 * width / 8 : width / 2, width / 2);
            yield return ("conv1", spec.Conv(inChans, first, 3, stride: 2));
            yield return ("norm1", spec.MakeNorm(first));
            yield return ("conv2", spec.Conv(first, second, 3));
            yield return ("norm2", spec.MakeNorm(second));
            yield return ("conv3", spec.Conv(second, width, 3));
        }
        if (!spec.PadsStemPool)
        {
            yield return ("pool", new MaxPool2d(3, 2, spec.PadsAsTensorFlow ? WindowPadding.Same : 1));
            yield break;
        }
        // BiT pads with zeros, which take part in the maximum.
        yield return ("pad", new ZeroPad2d(1));
        yield return ("pool", new MaxPool2d(3, 2));
    }

    private IEnumerable<(string, Module)> MakeStages(ResNetV2Spec spec, int width, ModelOptions options)
    {
        var count = spec.Depths.Sum();
        var (index, stride, dilation) = (0, 4, 1);
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var step = stage == 0 ? 1 : 2;
            if (stride >= (options.OutputStride ?? 32))
                (dilation, step) = (dilation * step, 1);
            stride *= step;
            var outWidth = Widths.Divisible(spec.Channels[stage] * spec.WidthFactor);
            var blocks = new List<Module>();
            var firstDilation = dilation is 1 or 2 ? 1 : 2;
            for (var i = 0; i < spec.Depths[stage]; i++, index++)
            {
                var place = new BlockPlace(stage, i, width, i == 0 ? step : 1, dilation, firstDilation, Widths.DropPathRate(options.DropPathRate, index, count));
                blocks.Add(spec.ActivatesLast ? new PostActivationBlock(spec, outWidth, place) : new PreActivationBlock(spec, outWidth, place));
                (width, firstDilation) = (outWidth, dilation);
            }
            _features.Add(new(stage + 1, width, stride, $"stages.{stage}"));
            yield return ($"{stage}", new Sequential([("blocks", new Sequential(blocks))]));
        }
    }

    // ---------------------------------------------------------------- variants

    private static (string Name, ResNetV2Spec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var old = new PretrainedConfig { Interpolation = "bilinear", Mean = PretrainedConfig.Half, Std = PretrainedConfig.Half, License = "apache-2.0" };
        var bicubic = old with { Interpolation = "bicubic" };
        var ra4 = (bicubic with { CropPct = 0.9f }).TestAt(288, 1);
        var a1h = (bicubic with { CropPct = 0.95f }).TestAt(288, 1);
        var bit = old.At(448) with { CropPct = 1 };
        var bit21k = old with { NumClasses = 21843 };

        ResNetV2Spec r18 = new(BlockKind.Basic, [2, 2, 2, 2]), r34 = new(BlockKind.Basic, [3, 4, 6, 3]);
        ResNetV2Spec r50 = new(BlockKind.Bottleneck, [3, 4, 6, 3]), r101 = new(BlockKind.Bottleneck, [3, 4, 23, 3]), r152 = new(BlockKind.Bottleneck, [3, 8, 36, 3]);
        ResNetV2Spec D(ResNetV2Spec spec) => spec with { Stem = StemKind.Deep, AveragesShortcut = true };
        ResNetV2Spec T(ResNetV2Spec spec) => D(spec) with { Stem = StemKind.Tiered };
        ResNetV2Spec Bit(ResNetV2Spec spec, int factor) => spec with { WidthFactor = factor, StandardisedEpsilon = 1e-8f, PadsStemPool = true, Norm = NormKind.Group };

        return
        [
            ("resnetv2_50x1_bit", Bit(r50, 1), [("goog_distilled_in1k", bicubic), ("goog_in21k_ft_in1k", bit), ("goog_in21k", bit21k)]),
            ("resnetv2_50x3_bit", Bit(r50, 3), [("goog_in21k_ft_in1k", bit), ("goog_in21k", bit21k)]),
            ("resnetv2_101x1_bit", Bit(r101, 1), [("goog_in21k_ft_in1k", bit), ("goog_in21k", bit21k)]),
            ("resnetv2_101x3_bit", Bit(r101, 3), [("goog_in21k_ft_in1k", bit), ("goog_in21k", bit21k)]),
            ("resnetv2_152x2_bit", Bit(r152, 2),
            [
                ("goog_teacher_in21k_ft_in1k", bicubic), ("goog_teacher_in21k_ft_in1k_384", bicubic.At(384) with { CropPct = 1 }),
                ("goog_in21k_ft_in1k", bit), ("goog_in21k", bit21k),
            ]),
            ("resnetv2_152x4_bit", Bit(r152, 4), [("goog_in21k_ft_in1k", bit.At(480)), ("goog_in21k", bit21k)]),
            ("resnetv2_18", r18, [("ra4_e3600_r224_in1k", ra4)]),
            ("resnetv2_18d", D(r18), [("ra4_e3600_r224_in1k", ra4)]),
            ("resnetv2_34", r34, [("ra4_e3600_r224_in1k", ra4)]),
            ("resnetv2_34d", D(r34), [("ra4_e3600_r224_in1k", ra4), ("ra4_e3600_r384_in1k", (bicubic.At(384) with { CropPct = 1 }).TestAt(448, null))]),
            ("resnetv2_50", r50, [("a1h_in1k", a1h)]),
            ("resnetv2_50d", D(r50), [("untrained", bicubic)]),
            ("resnetv2_50t", T(r50), [("untrained", bicubic)]),
            ("resnetv2_101", r101, [("a1h_in1k", a1h)]),
            ("resnetv2_101d", D(r101), [("untrained", bicubic)]),
            ("resnetv2_152", r152, [("untrained", bicubic)]),
            ("resnetv2_152d", D(r152), [("untrained", bicubic)]),
            ("resnetv2_50d_gn", D(r50) with { Norm = NormKind.Group }, [("ah_in1k", a1h)]),
            ("resnetv2_50d_evos", D(r50) with { Norm = NormKind.Evo }, [("ah_in1k", a1h)]),
            ("resnetv2_50d_frn", D(r50) with { Norm = NormKind.FilterResponse }, [("untrained", bicubic)]),
        ];
    }

    private static Dictionary<string, string> Aliases()
    {
        var aliases = new Dictionary<string, string>
        {
            ["resnetv2_50x1_bit_distilled"] = "resnetv2_50x1_bit.goog_distilled_in1k",
            ["resnetv2_152x2_bit_teacher"] = "resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k",
            ["resnetv2_152x2_bit_teacher_384"] = "resnetv2_152x2_bit.goog_teacher_in21k_ft_in1k_384",
        };
        foreach (var size in new[] { "50x1", "50x3", "101x1", "101x3", "152x2", "152x4" })
        {
            aliases[$"resnetv2_{size}_bitm"] = $"resnetv2_{size}_bit.goog_in21k_ft_in1k";
            aliases[$"resnetv2_{size}_bitm_in21k"] = $"resnetv2_{size}_bit.goog_in21k";
        }
        return aliases;
    }
}

/// <summary>Normaliser with activation before each convolution; the shortcut leaves after the first of them where it is projected.</summary>
internal sealed class PreActivationBlock : Module
{
    private readonly List<NormLayer> _norms = [];
    private readonly List<Module> _convs = [];
    private readonly Module? _downsample;
    private readonly DropPath? _dropPath;

    public PreActivationBlock(ResNetV2Spec spec, int outChannels, BlockPlace place)
    {
        var isBasic = spec.Block == BlockKind.Basic;
        var changes = place.Stride != 1 || place.FirstDilation != place.Dilation || place.InChannels != outChannels;
        if (place.Index == 0 && (changes || !isBasic))
            _downsample = Child("downsample", MakeShortcut(spec, outChannels, place));
        if (isBasic)
        {
            Add(spec, place.InChannels, outChannels, 3, place.Stride, place.FirstDilation);
            Add(spec, outChannels, outChannels, 3, 1, place.Dilation);
        }
        else
        {
            var width = Widths.Divisible(outChannels * 0.25);
            Add(spec, place.InChannels, width, 1, 1, 1);
            Add(spec, width, width, 3, place.Stride, place.FirstDilation);
            Add(spec, width, outChannels, 1, 1, 1);
        }
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var active = _norms[0].Forward(x);
        var shortcut = _downsample?.Forward(active) ?? x;
        x = _convs[0].Forward(active);
        for (var i = 1; i < _convs.Count; i++)
            x = _convs[i].Forward(_norms[i].Forward(x));
        return (_dropPath?.Forward(x) ?? x) + shortcut;
    }

    private void Add(ResNetV2Spec spec, int inChannels, int outChannels, int kernel, int stride, int dilation)
    {
        var number = _convs.Count + 1;
        _norms.Add(Child($"norm{number}", spec.MakeNorm(inChannels)));
        _convs.Add(Child($"conv{number}", spec.Conv(inChannels, outChannels, kernel, stride, dilation)));
    }

    private static Sequential MakeShortcut(ResNetV2Spec spec, int outChannels, BlockPlace place)
    {
        if (!spec.AveragesShortcut)
            return new([("conv", spec.Conv(place.InChannels, outChannels, 1, place.Stride))]);
        var conv = spec.Conv(place.InChannels, outChannels, 1);
        if (place is { Stride: 1, Dilation: 1 })
            return new([("conv", conv)]);
        var pool = place.Dilation == 1 ? new AvgPool2d(2, place.Stride, ceilMode: true, countIncludePad: false) : new AvgPool2d(2, 1, WindowPadding.Same);
        return new([("pool", pool), ("conv", conv)]);
    }
}

/// <summary>Bottleneck of 1x1, 3x3 and 1x1 convolutions, each before its normaliser, with the last activation after the sum; in the stems of hybrid transformers.</summary>
internal sealed class PostActivationBlock : Module
{
    private readonly Sequential? _downsample;
    private readonly (Conv2d Conv, NormLayer Norm)[] _layers;
    private readonly DropPath? _dropPath;
    private readonly ActivationLayer _act;

    public PostActivationBlock(ResNetV2Spec spec, int outChannels, BlockPlace place)
    {
        var width = Widths.Divisible(outChannels * 0.25);
        if (place.Index == 0)
            _downsample = Child("downsample", new Sequential([("conv", spec.Conv(place.InChannels, outChannels, 1, place.Stride)), ("norm", spec.MakeNorm(outChannels, activates: false))]));
        _layers =
        [
            Layer(1, spec.Conv(place.InChannels, width, 1), spec.MakeNorm(width)),
            Layer(2, spec.Conv(width, width, 3, place.Stride, place.FirstDilation), spec.MakeNorm(width)),
            Layer(3, spec.Conv(width, outChannels, 1), spec.MakeNorm(outChannels, activates: false)),
        ];
        _dropPath = place.DropPathRate > 0 ? Child("drop_path", new DropPath(place.DropPathRate)) : null;
        _act = Child("act3", new ActivationLayer(ActivationKind.Relu));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = x;
        foreach (var (conv, norm) in _layers)
            y = norm.Forward(conv.Forward(y));
        return _act.Forward((_dropPath?.Forward(y) ?? y) + (_downsample?.Forward(x) ?? x));
    }

    private (Conv2d Conv, NormLayer Norm) Layer(int number, Conv2d conv, NormLayer norm) => (Child($"conv{number}", conv), Child($"norm{number}", norm));
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record ResNetV2Spec(BlockKind Block, IReadOnlyList<int> Depths)
{
    public IReadOnlyList<int> Channels => Block == BlockKind.Basic ? [64, 128, 256, 512] : [256, 512, 1024, 2048];

    /// <summary>Multiplies every width.</summary>
    public int WidthFactor { get; init; } = 1;

    public StemKind Stem { get; init; }

    /// <summary>The stem pads with zeros before its pool, as TensorFlow's fixed padding did.</summary>
    public bool PadsStemPool { get; init; }

    /// <summary>The shortcut averages before its 1x1 convolution instead of striding.</summary>
    public bool AveragesShortcut { get; init; }

    public NormKind Norm { get; init; }

    /// <summary>Normalisers and activations stand after the convolutions, as in ResNet.</summary>
    public bool ActivatesLast { get; init; }

    /// <summary>Convolutions and the stem's pool pad to the size of the input by its stride, more behind than before.</summary>
    public bool PadsAsTensorFlow { get; init; }

    /// <summary>Kernels are standardised with this added to their variance; null: they are not.</summary>
    public float? StandardisedEpsilon { get; init; }

    public string FirstConv => Stem == StemKind.Plain ? "stem.conv" : "stem.conv1";

    public NormLayer MakeNorm(int channels, bool activates = true) => Norm switch
    {
        NormKind.Group when !activates => new GroupNorm(32, channels),
        NormKind.Batch => new BatchNorm2d(channels, activation: ActivationKind.Relu),
        NormKind.Group => new GroupNorm(32, channels, activation: ActivationKind.Relu),
        NormKind.Evo => new EvoNormS0(channels),
        NormKind.FilterResponse => new FilterResponseNorm(channels),
        _ => throw new InvalidOperationException($"normaliser {Norm} has no module"),
    };

    public Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1)
    {
        var padding = PadsAsTensorFlow ? WindowPadding.Same : WindowPadding.Centred(kernel, stride, dilation);
        return StandardisedEpsilon is { } epsilon
            ? new StandardisedConv2d(inChannels, outChannels, kernel, stride, padding, dilation, epsilon: epsilon, initialiser: ResNetSpec.ConvInit)
            : new Conv2d(inChannels, outChannels, kernel, stride, padding, dilation, bias: false, initialiser: ResNetSpec.ConvInit);
    }
}

/// <summary>A normaliser that activates too.</summary>
internal enum NormKind
{
    /// <summary>Batch normalisation and ReLU.</summary>
    Batch,

    /// <summary>Group normalisation, 32 groups, and ReLU.</summary>
    Group,

    /// <summary>EvoNorm S0.</summary>
    Evo,

    /// <summary>Filter response normalisation with thresholded linear unit.</summary>
    FilterResponse,
}
