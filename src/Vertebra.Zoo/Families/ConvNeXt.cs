using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s") and ConvNeXt V2 (Woo et al. 2023): depthwise 7x7 convolution, layer
/// norm and a pointwise network beside a shortcut. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class ConvNeXt : Backbone
{
    private static readonly Initialiser s_init = Init.TruncatedNormal(0.02f);
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly Module _norm;
    private readonly ClassificationHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal ConvNeXt(ConvNeXtSpec spec, ModelOptions options) : base(options)
    {
        _stem = Child("stem", new Sequential(MakeStem(spec)));
        _stages = Child("stages", new Sequential(MakeStages(spec, options)));
        NumFeatures = spec.Dims[^1];
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        if (spec.NormBeforePool)
        {
            _norm = Child<Module>("norm_pre", spec.MakeNorm(NumFeatures));
            _head = Child<ClassificationHead>("head", new ClassifierHead(NumFeatures, NumClasses, pool, options.DropRate, s_init));
        }
        else
        {
            _norm = Child<Module>("norm_pre", new Identity());
            _head = Child<ClassificationHead>("head", new NormClassifierHead(
                spec.MakeNorm(NumFeatures), NumFeatures, NumClasses, pool, options.DropRate, spec.HeadHidden, initialiser: s_init));
        }
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "stem.0";

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    internal static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, WindowPadding? padding = null, int dilation = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, padding, dilation, groups, initialiser: s_init, biasInitialiser: Init.Zeros);

    internal static Linear Linear(int inFeatures, int outFeatures) => new(inFeatures, outFeatures, initialiser: s_init, biasInitialiser: Init.Zeros);

    private IEnumerable<Module> MakeStem(ConvNeXtSpec spec)
    {
        var width = spec.Dims[0];
        if (spec.Stem == ConvNeXtStem.Patch)
        {
            yield return Conv(InChans, width, 4, 4);
        }
        else
        {
            var middle = spec.Stem == ConvNeXtStem.Tiered ? Widths.Divisible(width / 2) : width;
            yield return Conv(InChans, middle, 3, 2, 1);
            if (spec.Stem == ConvNeXtStem.Activated)
                yield return new ActivationLayer(spec.Activation);
            yield return Conv(middle, width, 3, 2, 1);
        }
        yield return spec.MakeNorm(width);
    }

    private List<Module> MakeStages(ConvNeXtSpec spec, ModelOptions options)
    {
        var stages = new List<Module>();
        var (width, index, reduction, dilation, count) = (spec.Dims[0], 0, 4, 1, spec.Depths.Sum());
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var stride = stage == 0 ? 1 : 2;
            if (reduction >= (options.OutputStride ?? 32))
                (dilation, stride) = (dilation * stride, 1);
            reduction *= stride;
            var firstDilation = dilation is 1 or 2 ? 1 : 2;
            var (outWidth, blocks) = (spec.Dims[stage], new List<Module>());
            var downsample = Downsample(spec, width, outWidth, stride, firstDilation, dilation);
            for (var i = 0; i < spec.Depths[stage]; i++, index++)
                blocks.Add(new ConvNeXtBlock(spec, outWidth, spec.Kernels[stage], dilation, Widths.DropPathRate(options.DropPathRate, index, count)));
            stages.Add(new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]));
            _features.Add(new(stage, outWidth, reduction, $"stages.{stage}"));
            width = outWidth;
        }
        return stages;
    }

    private static Module Downsample(ConvNeXtSpec spec, int inWidth, int outWidth, int stride, int firstDilation, int dilation)
    {
        if (inWidth == outWidth && stride == 1 && firstDilation == dilation)
            return new Identity();
        var kernel = stride > 1 || firstDilation != dilation ? 2 : 1;
        WindowPadding padding = dilation > 1 ? WindowPadding.Same : 0;
        return new Sequential(spec.MakeNorm(inWidth), Conv(inWidth, outWidth, kernel, stride, padding, firstDilation));
    }

    // ---------------------------------------------------------------- variants

    private static Family MakeFamily()
    {
        var tags = ConvNeXtWeights.Tags();
        return new(
            "convnext",
            "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: A ConvNet for the 2020s, CVPR 2022, arXiv:2201.03545; Woo et al.: ConvNeXt V2, CVPR 2023, arXiv:2301.00808",
            [.. Rows().Select(r => ModelInfo.Row(r.Name, "convnext", tags[r.Name], "head.fc", "stem.0", options => new ConvNeXt(r.Spec, options)))],
            ConvNeXtWeights.Aliases())
        {
            Idea = "A ResNet is changed step by step towards the design of Swin: patch stem, 7x7 depthwise convolution, inverted bottleneck, one layer norm and one GELU a block. V2 adds a global response normalisation that keeps channels from collapsing under masked pre-training.",
        };
    }

    private static (string Name, ConvNeXtSpec Spec)[] Rows()
    {
        ConvNeXtSpec zepto = new([2, 2, 4, 2], 32) { UsesConvolutions = true, Norm = ConvNeXtNorm.Simple };
        ConvNeXtSpec atto = new([2, 2, 6, 2], 40) { UsesConvolutions = true }, femto = atto with { Width = 48 }, pico = atto with { Width = 64 };
        var nano = atto with { Depths = [2, 2, 8, 2], Width = 80 };
        ConvNeXtSpec tiny = new([3, 3, 9, 3], 96), small = new([3, 3, 27, 3], 96), @base = small with { Width = 128 }, large = small with { Width = 192 };
        var test = new ConvNeXtSpec([1, 1, 1, 1], 32) { ExplicitDims = [32, 64, 96, 128], Epsilon = 1e-5f, Activation = ActivationKind.GeluTanh };
        ConvNeXtSpec V2(ConvNeXtSpec spec) => spec with { UsesResponseNorm = true };
        return
        [
            ("convnext_zepto_rms", zepto),
            ("convnext_zepto_rms_ols", zepto with { Stem = ConvNeXtStem.Activated }),
            ("convnext_atto", atto),
            ("convnext_atto_ols", atto with { Stem = ConvNeXtStem.Tiered }),
            ("convnext_atto_rms", atto with { Norm = ConvNeXtNorm.RootMeanSquare }),
            ("convnext_femto", femto),
            ("convnext_femto_ols", femto with { Stem = ConvNeXtStem.Tiered }),
            ("convnext_pico", pico),
            ("convnext_pico_ols", pico with { Stem = ConvNeXtStem.Tiered }),
            ("convnext_nano", nano),
            ("convnext_nano_ols", nano with { Stem = ConvNeXtStem.Overlapping }),
            ("convnext_tiny_hnf", tiny with { UsesConvolutions = true, NormBeforePool = true }),
            ("convnext_tiny", tiny),
            ("convnext_small", small),
            ("convnext_base", @base),
            ("convnext_large", large),
            ("convnext_large_mlp", large with { HeadHidden = 1536 }),
            ("convnext_xlarge", small with { Width = 256 }),
            ("convnext_xxlarge", new ConvNeXtSpec([3, 4, 30, 3], 384) { Epsilon = 1e-5f }),
            ("convnextv2_atto", V2(atto)),
            ("convnextv2_femto", V2(femto)),
            ("convnextv2_pico", V2(pico)),
            ("convnextv2_nano", V2(nano)),
            ("convnextv2_tiny", V2(tiny)),
            ("convnextv2_small", V2(small)),
            ("convnextv2_base", V2(@base)),
            ("convnextv2_large", V2(large)),
            ("convnextv2_huge", V2(small with { Width = 352 })),
            ("test_convnext", test with { Depths = [1, 2, 4, 2], ExplicitDims = [24, 32, 48, 64] }),
            ("test_convnext2", test),
            ("test_convnext3", test with { Kernels = [7, 5, 5, 3], Activation = ActivationKind.Silu }),
        ];
    }
}

/// <summary>Depthwise convolution, norm, pointwise network and, in V1, a scale per channel; beside a shortcut.</summary>
internal sealed class ConvNeXtBlock : Module
{
    private readonly Tensor? _gamma;
    private readonly Conv2d _conv;
    private readonly NormLayer _norm;
    private readonly Sequential _mlp;
    private readonly DropPath? _dropPath;

    public ConvNeXtBlock(ConvNeXtSpec spec, int width, int kernel, int dilation, float dropPathRate)
    {
        _gamma = spec.UsesResponseNorm ? null : Parameter("gamma", [width], Init.Constant(1e-6f));
        _conv = Child("conv_dw", ConvNeXt.Conv(width, width, kernel, 1, WindowPadding.Centred(kernel, 1, dilation), dilation, width));
        _norm = Child("norm", spec.MakeNorm(width));
        _mlp = Child("mlp", new Sequential(MakeMlp(spec, width)));
        if (dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _mlp.Forward(_norm.Forward(_conv.Forward(x)));
        if (_gamma is not null)
            y *= _gamma;
        return (_dropPath?.Forward(y) ?? y) + x;
    }

    private static IEnumerable<(string, Module)> MakeMlp(ConvNeXtSpec spec, int width)
    {
        Module Layer(int inWidth, int outWidth) => spec.UsesConvolutions ? ConvNeXt.Conv(inWidth, outWidth, 1) : ConvNeXt.Linear(inWidth, outWidth);
        yield return ("fc1", Layer(width, 4 * width));
        yield return ("act", new ActivationLayer(spec.Activation));
        if (spec.UsesResponseNorm)
            yield return ("grn", new GlobalResponseNorm(4 * width));
        yield return ("fc2", Layer(4 * width, width));
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks of the stages.</param>
/// <param name="Width">Channels of the first stage; each next stage has twice as many.</param>
internal sealed record ConvNeXtSpec(IReadOnlyList<int> Depths, int Width)
{
    /// <summary>Channels of the stages where they do not double.</summary>
    public IReadOnlyList<int>? ExplicitDims { get; init; }

    public IReadOnlyList<int> Dims => ExplicitDims ?? [Width, 2 * Width, 4 * Width, 8 * Width];

    /// <summary>Depthwise kernels of the stages.</summary>
    public IReadOnlyList<int> Kernels { get; init; } = [7, 7, 7, 7];

    public ConvNeXtStem Stem { get; init; }

    /// <summary>The pointwise layers are 1x1 convolutions rather than linear: it shows in the shapes of their weights only.</summary>
    public bool UsesConvolutions { get; init; }

    /// <summary>Global response normalisation instead of the scale per channel: V2.</summary>
    public bool UsesResponseNorm { get; init; }

    /// <summary>The last map is normalised before it is pooled rather than after.</summary>
    public bool NormBeforePool { get; init; }

    /// <summary>Width of a hidden layer in the head.</summary>
    public int? HeadHidden { get; init; }

    public ActivationKind Activation { get; init; } = ActivationKind.Gelu;

    public ConvNeXtNorm Norm { get; init; }

    /// <summary>Of the normalisers.</summary>
    public float Epsilon { get; init; } = 1e-6f;

    public NormLayer MakeNorm(int channels) => Norm switch
    {
        ConvNeXtNorm.Layer => new LayerNorm(channels, Epsilon),
        ConvNeXtNorm.RootMeanSquare => new RmsNorm(channels, Epsilon),
        ConvNeXtNorm.Simple => new SimpleNorm(channels, Epsilon),
        _ => throw new InvalidOperationException($"normaliser {Norm} has no module"),
    };
}

internal enum ConvNeXtNorm
{
    Layer,
    RootMeanSquare,
    Simple,
}

/// <summary>The first layers, which make the image 4 times smaller.</summary>
internal enum ConvNeXtStem
{
    /// <summary>One 4x4 convolution.</summary>
    Patch,

    /// <summary>Two striding 3x3 convolutions.</summary>
    Overlapping,

    /// <summary>The same, the first with half the width.</summary>
    Tiered,

    /// <summary>Two of full width with an activation between them.</summary>
    Activated,
}
