using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// EfficientViT of Cai et al. 2023: inverted residuals, and in the later stages attention that is linear in the pixels, over maps of
/// several scales. Names, state-dict keys and defaults follow timm; the networks of Liu et al. with the same name are
/// <see cref="EfficientVitMsra"/>.
/// </summary>
public sealed class EfficientVit : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly EfficientVitHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal EfficientVit(EfficientVitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from EfficientViT: the strides of its stages are fixed; leave it out or use 32");
        var width = spec.Widths[0];
        _stem = Child("stem", new Sequential(EfficientVitBlocks.Stem(spec, InChans)));
        var stages = new List<Module>();
        for (var i = 1; i < spec.Widths.Count; i++)
        {
            stages.Add(new Sequential([("blocks", new Sequential(EfficientVitBlocks.Stage(spec, i, width)))]));
            width = spec.Widths[i];
            _features.Add(new(i - 1, width, 2 << i, $"stages.{i - 1}"));
        }
        _stages = Child("stages", new Sequential(stages));
        NumFeatures = width;
        _head = Child("head", new EfficientVitHead(spec, NumClasses, options));
    }

    public static Family Family { get; } = EfficientVitVariants.Family();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => EfficientVitVariants.Classifier;

    public override string FirstConv => EfficientVitVariants.FirstConv;

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels of the stem and of the four stages.</param>
/// <param name="Depths">Blocks of the stem and of the four stages.</param>
/// <param name="HeadWidths">Channels of the head's convolution and of its hidden layer.</param>
internal sealed record EfficientVitSpec(IntList Widths, IntList Depths, IntList HeadWidths)
{
    /// <summary>Channels of an attention head.</summary>
    public int HeadWidth { get; init; } = 32;

    /// <summary>The large networks: whole 3x3 convolutions where the maps are large, and attention in the last stage only.</summary>
    public bool IsLarge { get; init; }

    public ActivationKind Activation => IsLarge ? ActivationKind.GeluTanh : ActivationKind.HardSwish;

    /// <summary>Of the normalisers, but for the head's convolution.</summary>
    public float Epsilon => IsLarge ? 1e-7f : 1e-5f;

    /// <summary>The first stage with attention, counted from 1.</summary>
    public int FirstAttention => IsLarge ? 4 : 3;

    /// <summary>The first stage without the normalisers inside its blocks, counted from 1; its convolutions are depthwise.</summary>
    public int FirstSparse => 3;

    /// <summary>A convolution with normaliser.</summary>
    public EfficientVitConv Normed(int from, int to, int kernel, int stride = 1, int groups = 1, bool activates = true) =>
        new(from, to, kernel, stride, groups, new BatchNorm2d(to, Epsilon), activates ? Activation : null);

    /// <summary>A convolution that has a bias instead of a normaliser.</summary>
    public EfficientVitConv Biased(int from, int to, int kernel, int stride = 1, int groups = 1) => new(from, to, kernel, stride, groups, null, Activation);
}

/// <summary>A convolution <c>conv</c>, a normaliser <c>norm</c> or a bias, and an activation <c>act</c>.</summary>
internal sealed class EfficientVitConv : Module
{
    private readonly Conv2d _conv;
    private readonly NormLayer? _norm;
    private readonly ActivationLayer? _act;

    public EfficientVitConv(int from, int to, int kernel, int stride, int groups, NormLayer? norm, ActivationKind? activation, bool? bias = null)
    {
        _conv = Child("conv", new Conv2d(from, to, kernel, stride, WindowPadding.Centred(kernel, stride, 1), 1, groups, bias ?? norm is null));
        _norm = norm is null ? null : Child("norm", norm);
        _act = activation is { } kind ? Child("act", new ActivationLayer(kind)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _conv.Forward(x);
        if (_norm is not null)
            return _norm.Forward(x, _act);
        return _act?.Forward(x) ?? x;
    }
}

/// <summary>A branch <c>main</c> beside a shortcut.</summary>
internal sealed class EfficientVitResidual : Module
{
    private readonly Module _main;
    private readonly bool _hasShortcut;

    public EfficientVitResidual(Module main, bool hasShortcut = true)
    {
        _main = Child("main", main);
        _hasShortcut = hasShortcut;
    }

    protected override Tensor OnForward(Tensor x) => _hasShortcut ? _main.Forward(x) + x : _main.Forward(x);
}

/// <summary>Stem and stages.</summary>
internal static class EfficientVitBlocks
{
    public static IEnumerable<(string Name, Module Module)> Stem(EfficientVitSpec spec, int inChannels)
    {
        var width = spec.Widths[0];
        yield return ("in_conv", spec.Normed(inChannels, width, 3, 2));
        for (var i = 0; i < spec.Depths[0]; i++)
        {
            yield return ($"res{i}", new EfficientVitResidual(spec.IsLarge
                ? new Sequential([("conv1", spec.Normed(width, width, 3)), ("conv2", spec.Normed(width, width, 3, activates: false))])
                : new Sequential([("depth_conv", spec.Normed(width, width, 3, groups: width)), ("point_conv", spec.Normed(width, width, 1, activates: false))])));
        }
    }

    public static IEnumerable<Module> Stage(EfficientVitSpec spec, int stage, int inChannels)
    {
        var (width, attends) = (spec.Widths[stage], stage >= spec.FirstAttention);
        var ratio = !spec.IsLarge ? 4 : attends ? 24 : 16;
        yield return new EfficientVitResidual(Local(spec, stage, inChannels, width, 2, ratio), hasShortcut: false);
        // A halving of the small networks is the first block of a stage without attention.
        var blocks = spec.Depths[stage] - (spec.IsLarge || attends ? 0 : 1);
        for (var i = 0; i < blocks; i++)
            yield return attends ? Attending(spec, width) : new EfficientVitResidual(Local(spec, stage, width, width, 1, 4));
    }

    private static Sequential Local(EfficientVitSpec spec, int stage, int from, int to, int stride, int ratio)
    {
        var isSparse = stage >= spec.FirstSparse;
        return isSparse || !spec.IsLarge ? Inverted(spec, from, to, stride, ratio, isSparse)
            : new Sequential([("spatial_conv", spec.Normed(from, ratio * from, 3, stride)), ("point_conv", spec.Normed(ratio * from, to, 1, activates: false))]);
    }

    private static Sequential Inverted(EfficientVitSpec spec, int from, int to, int stride, int ratio, bool isSparse)
    {
        var middle = ratio * from;
        return new(
        [
            ("inverted_conv", isSparse ? spec.Biased(from, middle, 1) : spec.Normed(from, middle, 1)),
            ("depth_conv", isSparse ? spec.Biased(middle, middle, 3, stride, middle) : spec.Normed(middle, middle, 3, stride, middle)),
            ("point_conv", spec.Normed(middle, to, 1, activates: false)),
        ]);
    }

    private static Sequential Attending(EfficientVitSpec spec, int width) => new(
    [
        ("context_module", new EfficientVitResidual(new LinearMapAttention(spec, width))),
        ("local_module", new EfficientVitResidual(Inverted(spec, width, width, 1, spec.IsLarge ? 6 : 4, isSparse: true))),
    ]);
}

/// <summary>
/// Attention with ReLU in place of softmax, so that keys and values can be multiplied first, over the map and over one in which every
/// pixel has seen its 5x5 neighbours.
/// </summary>
internal sealed class LinearMapAttention : Module
{
    private const float Epsilon = 1e-5f;
    private readonly int _headWidth;
    private readonly EfficientVitConv _qkv;
    private readonly Sequential _aggregate;
    private readonly EfficientVitConv _proj;

    public LinearMapAttention(EfficientVitSpec spec, int width)
    {
        _headWidth = spec.HeadWidth;
        var heads = width / _headWidth;
        var total = heads * _headWidth;
        _qkv = Child("qkv", new EfficientVitConv(width, 3 * total, 1, 1, 1, null, null, bias: false));
        _aggregate = new Sequential(
            new Conv2d(3 * total, 3 * total, 5, 1, 2, groups: 3 * total, bias: false), new Conv2d(3 * total, 3 * total, 1, groups: 3 * heads, bias: false));
        Child("aggreg", new ModuleList<Sequential>(_aggregate));
        _proj = Child("proj", spec.Normed(2 * total, width, 1, activates: false));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var qkv = _qkv.Forward(x);
        var scales = Tensor.Concat([qkv, _aggregate.Forward(qkv)], -1).ToTokens();
        var parts = Heads.Split(scales, scales.Shape[2] / (3 * _headWidth)).Chunk(3, -1);
        // A column of ones beside the values sums the weights.
        var values = parts[2].Pad([0, 0, 0, 0], [0, 0, 0, 1], value: 1);
        var sums = parts[0].Relu().MatMul(parts[1].Relu().MatMul(values, transposeA: true));
        var result = sums.Slice(-1, 0, _headWidth) / (sums.Slice(-1, _headWidth) + Epsilon);
        return _proj.Forward(result.Join().ToMap(x.Shape[1], x.Shape[2]));
    }
}

/// <summary>A 1x1 convolution, the pool, a hidden layer with layer norm, dropout, and the classifier <c>classifier.4</c>.</summary>
internal sealed class EfficientVitHead : ClassificationHead
{
    private readonly EfficientVitConv _conv;
    private readonly Layers _layers;
    private GlobalPool2d _pool;

    public EfficientVitHead(EfficientVitSpec spec, int numClasses, ModelOptions options)
    {
        _conv = Child("in_conv", new EfficientVitConv(spec.Widths[^1], spec.HeadWidths[0], 1, 1, 1, new BatchNorm2d(spec.HeadWidths[0]), spec.Activation));
        _pool = Child("global_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg));
        _layers = Child("classifier", new Layers(spec, numClasses, options.DropRate));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _layers.Reset(numClasses);
    }

    protected override Tensor OnForward(Tensor x) => _layers.Forward(_pool.Forward(_conv.Forward(x)), preLogits: false);

    protected override Tensor PreLogits(Tensor x) => _layers.Forward(_pool.Forward(_conv.Forward(x)), preLogits: true);

    private static GlobalPool2d MakePool(GlobalPool pool) => pool is GlobalPool.Avg or GlobalPool.Max or GlobalPool.AvgMax ? new(pool)
        : throw new VertebraException($"the head of EfficientViT needs one pooled vector; global_pool '{pool.NameOf()}' gives none, use avg, max or avgmax");

    private sealed class Layers : Module
    {
        private readonly int _features;
        private readonly Linear _hidden;
        private readonly LayerNorm _norm;
        private readonly ActivationLayer _act;
        private readonly Dropout _drop;
        private Module _classifier;

        public Layers(EfficientVitSpec spec, int numClasses, float dropRate)
        {
            _features = spec.HeadWidths[1];
            _hidden = Child("0", new Linear(spec.HeadWidths[0], _features, bias: false));
            _norm = Child("1", new LayerNorm(_features, spec.Epsilon));
            _act = Child("2", new ActivationLayer(spec.Activation));
            _drop = Child("3", new Dropout(dropRate));
            _classifier = Child("4", MakeClassifier(numClasses));
        }

        public Tensor Forward(Tensor x, bool preLogits)
        {
            if (!preLogits)
                return Forward(x);
            using var scope = Enter();
            return PreLogits(x);
        }

        public void Reset(int numClasses) => _classifier = Replace("4", MakeClassifier(numClasses));

        protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

        private Tensor PreLogits(Tensor x) => _drop.Forward(_act.Forward(_norm.Forward(_hidden.Forward(x))));

        private Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : new Linear(_features, numClasses);
    }
}
