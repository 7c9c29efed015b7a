using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// RepViT: a MobileNet of depthwise convolutions with branches that fold, arranged as a transformer's blocks are (Wang et al. 2024).
/// Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class RepVit : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly List<FeatureInfo> _features = [];
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private RepVitHead _head;

    internal RepVit(RepVitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from RepViT: the strides of its stages are fixed; leave it out or use 32");
        var width = spec.Widths[0];
        _stem = Child("stem", new Sequential(
        [
            ("conv1", RepVitBlocks.Conv(InChans, width / 2, 3, 2)), ("act1", new ActivationLayer(ActivationKind.Gelu)), ("conv2", RepVitBlocks.Conv(width / 2, width, 3, 2)),
        ]));
        var stages = new List<Module>();
        for (var i = 0; i < spec.Widths.Count; i++)
        {
            stages.Add(new Sequential(RepVitBlocks.Stage(spec, i, width)));
            width = spec.Widths[i];
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _pool = Child("global_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", new RepVitHead(width, NumClasses));
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.head.l,head.head_dist.l";

    public override string FirstConv => "stem.conv1.c";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _head = Replace("head", new RepVitHead(NumFeatures, numClasses));
    }

    private static GlobalPool2d MakePool(GlobalPool pool) => pool.Width() == 1 ? new(pool)
        : throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: the classifiers' normalisers take as many features as the map has channels");

    private static Family MakeFamily()
    {
        (string Name, RepVitSpec Spec)[] rows =
        [
            ("repvit_m1", new([48, 96, 192, 384], [2, 2, 14, 2]) { IsLegacy = true }),
            ("repvit_m2", new([64, 128, 256, 512], [2, 2, 12, 2]) { IsLegacy = true }),
            ("repvit_m3", new([64, 128, 256, 512], [4, 4, 18, 2]) { IsLegacy = true }),
            ("repvit_m0_9", new([48, 96, 192, 384], [2, 2, 14, 2])),
            ("repvit_m1_0", new([56, 112, 224, 448], [2, 2, 14, 2])),
            ("repvit_m1_1", new([64, 128, 256, 512], [2, 2, 12, 2])),
            ("repvit_m1_5", new([64, 128, 256, 512], [4, 4, 24, 4])),
            ("repvit_m2_3", new([80, 160, 320, 640], [6, 6, 34, 2])),
        ];
        var config = new PretrainedConfig { CropPct = 0.95f, License = "apache-2.0" };
        return new(
            "repvit",
            "Wang, Chen, Lin, Han, Ding: RepViT: revisiting mobile CNN from ViT perspective, CVPR 2024, arXiv:2307.09283",
            [.. rows.Select(r => ModelInfo.Row(
                r.Name, "repvit", (r.Spec.IsLegacy ? new[] { "dist_in1k" } : ["dist_300e_in1k", "dist_450e_in1k"]).Select(tag => (tag, config)),
                "head.head.l,head.head_dist.l", "stem.conv1.c", options => new RepVit(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "A MobileNet is changed step by step in the way light transformers are built: token mixer and channel mixer apart, early convolutional stem, deeper downsampling. Its branches fold into one depthwise convolution after training.",
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record RepVitSpec(IntList Widths, IntList Depths)
{
    /// <summary>The first networks normalise the 1x1 branch by itself, the later ones the sum of the branches.</summary>
    public bool IsLegacy { get; init; }
}

/// <summary>Stages and their parts.</summary>
internal static class RepVitBlocks
{
    public static FoldingConvNorm Conv(int from, int to, int kernel = 1, int stride = 1, int groups = 1, Initialiser? normInitialiser = null) =>
        new(from, to, kernel, stride, groups, normInitialiser, "c");

    public static IEnumerable<(string Name, Module Module)> Stage(RepVitSpec spec, int stage, int inChannels)
    {
        var width = spec.Widths[stage];
        yield return ("downsample", stage == 0 ? new Identity() : new RepVitDownsample(spec, inChannels, width));
        yield return ("blocks", new Sequential(Enumerable.Range(0, spec.Depths[stage]).Select(i => new RepVitBlock(spec, width, excites: i % 2 == 0))));
    }

    public static Sequential Mlp(int width) =>
        new([("conv1", Conv(width, 2 * width)), ("act", new ActivationLayer(ActivationKind.Gelu)), ("conv2", Conv(2 * width, width, normInitialiser: Init.Zeros))]);
}

/// <summary>The sum of a 3x3 and a 1x1 depthwise convolution and the input itself, which folds into one convolution.</summary>
internal sealed class RepVitMixer : FoldingConvolution
{
    private readonly FoldingConvNorm _conv;
    private readonly FoldingConvNorm? _normedPoint;
    private readonly Conv2d? _point;
    private readonly BatchNorm2d? _norm;

    public RepVitMixer(int width, bool isLegacy)
    {
        _conv = Child("conv", RepVitBlocks.Conv(width, width, 3, groups: width));
        if (isLegacy)
        {
            _normedPoint = Child("conv1", RepVitBlocks.Conv(width, width, groups: width));
            return;
        }
        _point = Child("conv1", new Conv2d(width, width, 1, groups: width));
        _norm = Child("bn", new BatchNorm2d(width));
    }

    protected override Tensor Branches(Tensor x)
    {
        x = _conv.Forward(x) + (_normedPoint?.Forward(x) ?? _point!.Forward(x)) + x;
        return _norm?.Forward(x) ?? x;
    }

    private protected override FoldedKernel Fold()
    {
        var kernel = _conv.AddTo(_conv.NewKernel()).AddIdentity(null);
        return _normedPoint is not null ? _normedPoint.AddTo(kernel) : kernel.Add(_point!, null).Then(_norm!);
    }
}

/// <summary>Mixing of neighbours, squeeze-and-excitation where wanted, and an MLP beside a shortcut.</summary>
internal sealed class RepVitBlock : Module
{
    private readonly RepVitMixer _mixer;
    private readonly SqueezeExcite? _excite;
    private readonly Sequential _mlp;

    public RepVitBlock(RepVitSpec spec, int width, bool excites)
    {
        _mixer = Child("token_mixer", new RepVitMixer(width, spec.IsLegacy));
        _excite = excites ? Child("se", new SqueezeExcite(width, Widths.Divisible(width * 0.25, limit: 0))) : null;
        _mlp = Child("channel_mixer", RepVitBlocks.Mlp(width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _mixer.Forward(x);
        x = _excite?.Forward(x) ?? x;
        return x + _mlp.Forward(x);
    }
}

/// <summary>A block, a striding depthwise and a pointwise convolution, and an MLP beside a shortcut.</summary>
internal sealed class RepVitDownsample : Module
{
    private readonly RepVitBlock _block;
    private readonly FoldingConvNorm _spatial;
    private readonly FoldingConvNorm _channels;
    private readonly Sequential _mlp;

    public RepVitDownsample(RepVitSpec spec, int inChannels, int outChannels)
    {
        _block = Child("pre_block", new RepVitBlock(spec, inChannels, excites: false));
        _spatial = Child("spatial_downsample", RepVitBlocks.Conv(inChannels, inChannels, 3, 2, inChannels));
        _channels = Child("channel_downsample", RepVitBlocks.Conv(inChannels, outChannels));
        _mlp = Child("ffn", RepVitBlocks.Mlp(outChannels));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _channels.Forward(_spatial.Forward(_block.Forward(x)));
        return _mlp.Forward(x) + x;
    }
}

/// <summary>The mean of two classifiers, <c>head</c> for labels and <c>head_dist</c> for a teacher's, which folds into one linear layer.</summary>
internal sealed class RepVitHead : Module, IReparameterisable
{
    private readonly Module _head;
    private readonly Module _teacherHead;
    private Tensor? _weight;
    private Tensor? _bias;

    public RepVitHead(int features, int numClasses)
    {
        _head = Child("head", Make());
        _teacherHead = Child("head_dist", Make());

        Module Make() => numClasses == 0 ? new Identity() : new FoldingNormLinear(features, numClasses, name: "l");
    }

    // Without classes there is nothing to fold.
    public bool IsReparameterised => _weight is not null || _head is Identity;

    public void Reparameterise()
    {
        if (_weight is not null || _head is not FoldingNormLinear head || _teacherHead is not FoldingNormLinear teacher)
            return;
        Remove("head");
        Remove("head_dist");
        using var scope = head.IsMeta ? Construction.Meta() : Construction.Deferred();
        _weight = Parameter("weight", head.WeightShape, Init.Zeros);
        _bias = Parameter("bias", [head.WeightShape[0]], Init.Zeros);
        if (head.IsMeta)
            return;
        var (own, other) = (head.Folded(), teacher.Folded());
        _weight.CopyFrom<float>([.. own.Weight.Zip(other.Weight, Mean)]);
        _bias.CopyFrom<float>([.. own.Bias.Zip(other.Bias, Mean)]);

        static float Mean(float a, float b) => (a + b) / 2;
    }

    protected override Tensor OnForward(Tensor x) => _weight is null ? (_head.Forward(x) + _teacherHead.Forward(x)) * 0.5f : x.Linear(_weight, _bias);
}
