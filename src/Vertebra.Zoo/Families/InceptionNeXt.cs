using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// InceptionNeXt (Yu et al. 2024): ConvNeXt whose large depthwise kernel is split into a small square, two bands and an
/// identity. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class InceptionNeXt : Backbone
{
    private static readonly Initialiser s_init = Init.TruncatedNormal(0.02f);
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly InceptionNeXtHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal InceptionNeXt(InceptionNeXtSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from InceptionNeXt: the strides of its stages are fixed; leave it out or use 32");
        var width = spec.Width;
        _stem = Child("stem", new Sequential(Conv(InChans, width, 4, 4), new BatchNorm2d(width)));
        var (index, count, stages) = (0, spec.Depths.Sum(), new List<Module>());
        for (var stage = 0; stage < spec.Depths.Count; stage++)
        {
            var outWidth = spec.Width << stage;
            Module downsample = stage == 0 ? new Identity() : new Sequential(new BatchNorm2d(width), Conv(width, outWidth, 2, 2));
            var blocks = new List<Module>();
            for (var i = 0; i < spec.Depths[stage]; i++, index++)
                blocks.Add(new InceptionNeXtBlock(spec, outWidth, stage == 3 ? 3 : 4, Widths.DropPathRate(options.DropPathRate, index, count)));
            stages.Add(new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]));
            _features.Add(new(stage, outWidth, 4 << stage, $"stages.{stage}"));
            width = outWidth;
        }
        _stages = Child("stages", new Sequential(stages));
        NumFeatures = width;
        _head = Child("head", new InceptionNeXtHead(width, NumClasses, options));
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc2";

    public override string FirstConv => "stem.0";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    internal static Conv2d Conv(int inWidth, int outWidth, Size2d kernel, int stride = 1, WindowPadding? padding = null, int groups = 1) =>
        new(inWidth, outWidth, kernel, stride, padding, 1, groups, initialiser: s_init, biasInitialiser: Init.Zeros);

    internal static Linear Linear(int inFeatures, int outFeatures) => new(inFeatures, outFeatures, initialiser: s_init, biasInitialiser: Init.Zeros);

    private static Family MakeFamily()
    {
        InceptionNeXtSpec tiny = new([3, 3, 9, 3], 96);
        (string Name, InceptionNeXtSpec Spec)[] rows =
        [
            ("inception_next_atto", new([2, 2, 6, 2], 40) { Band = 9, BranchShare = 4 }),
            ("inception_next_tiny", tiny),
            ("inception_next_small", tiny with { Depths = [3, 3, 27, 3] }),
            ("inception_next_base", new([3, 3, 27, 3], 128)),
        ];
        var tags = InceptionNeXtWeights.Tags();
        return new(
            "inception_next",
            "Yu, Zhou, Yan, Wang: InceptionNeXt: When Inception meets ConvNeXt, CVPR 2024, arXiv:2303.16900",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "inception_next", tags[r.Name], "head.fc2", "stem.0", options => new InceptionNeXt(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "The large depthwise kernel of ConvNeXt is divided among the channels: a small square, a row, a column, and nothing at all. It keeps the reach and runs much faster on GPUs.",
        };
    }
}

/// <summary>Mixing of pixels in four groups of channels, normaliser, two 1x1 convolutions and a scale per channel; beside a shortcut.</summary>
internal sealed class InceptionNeXtBlock : Module
{
    private readonly Tensor _gamma;
    private readonly Mixer _mixer;
    private readonly NormLayer _norm;
    private readonly Sequential _mlp;
    private readonly DropPath? _dropPath;

    public InceptionNeXtBlock(InceptionNeXtSpec spec, int width, int ratio, float dropPathRate)
    {
        _gamma = Parameter("gamma", [width], Init.Constant(1e-6f));
        _mixer = Child("token_mixer", new Mixer(width, width / spec.BranchShare, spec.Band));
        _norm = Child("norm", new BatchNorm2d(width));
        _mlp = Child("mlp", new Sequential(
        [
            ("fc1", InceptionNeXt.Conv(width, ratio * width, 1)), ("act", new ActivationLayer(ActivationKind.Gelu)), ("fc2", InceptionNeXt.Conv(ratio * width, width, 1)),
        ]));
        if (dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _mlp.Forward(_norm.Forward(_mixer.Forward(x))) * _gamma;
        return (_dropPath?.Forward(y) ?? y) + x;
    }

    /// <summary>Most channels stay as they are; three small groups pass a 3x3, a horizontal and a vertical depthwise convolution.</summary>
    private sealed class Mixer : Module
    {
        private readonly Conv2d[] _convs;
        private readonly IntList _sizes;

        public Mixer(int width, int branch, int band)
        {
            _sizes = [width - (3 * branch), branch, branch, branch];
            Conv2d Depthwise(Size2d kernel) => InceptionNeXt.Conv(branch, branch, kernel, 1, WindowPadding.Centred(kernel, 1, 1), branch);
            _convs = [Child("dwconv_hw", Depthwise(3)), Child("dwconv_w", Depthwise((1, band))), Child("dwconv_h", Depthwise((band, 1)))];
        }

        protected override Tensor OnForward(Tensor x)
        {
            var parts = x.Split(_sizes, -1);
            return Tensor.Concat([parts[0], _convs[0].Forward(parts[1]), _convs[1].Forward(parts[2]), _convs[2].Forward(parts[3])], -1);
        }
    }
}

/// <summary>Pool, a hidden layer three times as wide with GELU and layer norm, dropout and the classifier <c>fc2</c>.</summary>
internal sealed class InceptionNeXtHead : ClassificationHead
{
    private readonly int _hidden;
    private readonly Linear _fc1;
    private readonly ActivationLayer _act;
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    public InceptionNeXtHead(int features, int numClasses, ModelOptions options)
    {
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _hidden = 3 * features;
        _pool = Child("global_pool", MakePool(pool));
        _fc1 = Child("fc1", InceptionNeXt.Linear(features * pool.Width(), _hidden));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _norm = Child("norm", new LayerNorm(_hidden, 1e-6f));
        _classifier = Child("fc2", MakeClassifier(numClasses));
        _drop = Child("drop", new Dropout(options.DropRate));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
        {
            if (changed.Width() != _pool.Pool.Width())
                throw new VertebraException("this head has a hidden layer, whose weights fit the number of pooled features; create the network with the wanted global_pool instead");
            _pool = Replace("global_pool", MakePool(changed));
        }
        _classifier = Replace("fc2", MakeClassifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x) => _drop.Forward(_norm.Forward(_act.Forward(_fc1.Forward(_pool.Forward(x)))));

    private static GlobalPool2d MakePool(GlobalPool pool) =>
        pool == GlobalPool.None ? throw new VertebraException("the head of InceptionNeXt needs a pool; use avg, max, avgmax or catavgmax") : new(pool);

    private Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : InceptionNeXt.Linear(_hidden, numClasses);
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks of the stages.</param>
/// <param name="Width">Channels of the first stage; each next one has twice as many.</param>
internal sealed record InceptionNeXtSpec(IReadOnlyList<int> Depths, int Width)
{
    /// <summary>Length of the bands.</summary>
    public int Band { get; init; } = 11;

    /// <summary>One channel in so many belongs to each of the convolutions.</summary>
    public int BranchShare { get; init; } = 8;
}
