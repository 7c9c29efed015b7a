using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// PP-HGNet and PP-HGNetV2 (PaddlePaddle, 2022 and 2023): chains of convolutions merged once, as in VoVNet, built for GPUs.
/// Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class HgNet : Backbone
{
    private readonly Module _stem;
    private readonly Sequential _stages;
    private readonly HgHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal HgNet(HgNetSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from HGNet: the strides of its stages are fixed; leave it out or use 32");
        FirstConv = spec.FirstConv;
        _stem = Child<Module>("stem", spec.IsSecond ? new HgStem(InChans, spec) : FirstStem(spec));
        var (width, index, count, stages) = (spec.Stem[^1], 0, spec.Stages.Sum(s => s.Depth), new List<Module>());
        for (var stage = 0; stage < spec.Stages.Count; stage++)
        {
            var parts = new List<(string, Module)>();
            if (stage > 0)
                parts.Add(("downsample", spec.Conv(width, width, 3, 2, width, activates: false)));
            var blocks = new List<Module>();
            for (var i = 0; i < spec.Stages[stage].Depth; i++, index++)
            {
                blocks.Add(new HgBlock(spec, spec.Stages[stage], width, isResidual: i > 0, Widths.DropPathRate(options.DropPathRate, index, count)));
                width = spec.Stages[stage].OutWidth;
            }
            parts.Add(("blocks", new Sequential(blocks)));
            stages.Add(new Sequential(parts));
            _features.Add(new(stage, width, 4 << stage, $"stages.{stage}"));
        }
        _stages = Child("stages", new Sequential(stages));
        NumFeatures = width;
        _head = Child("head", new HgHead(spec, width, NumClasses, options));
    }

    public static Family Family { get; } = HgNetSpec.MakeFamily();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv { get; }

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private Sequential FirstStem(HgNetSpec spec)
    {
        int[] widths = [InChans, .. spec.Stem];
        return new([("stem", new Sequential(spec.Stem.Select((w, i) => spec.Conv(widths[i], w, 3, i == 0 ? 2 : 1)))), ("pool", new MaxPool2d(3, 2, 1))]);
    }
}

/// <summary>One learned scale and one learned shift for the whole map.</summary>
internal sealed class LearnableAffine : Module
{
    private readonly Tensor _scale;
    private readonly Tensor _bias;

    public LearnableAffine()
    {
        _scale = Parameter("scale", [1], Init.Ones);
        _bias = Parameter("bias", [1], Init.Zeros);
    }

    protected override Tensor OnForward(Tensor x) => (x * _scale) + _bias;
}

/// <summary>The stem of V2: a striding convolution, beside a pool two 2x2 convolutions, a striding convolution of both and a 1x1.</summary>
internal sealed class HgStem : Module
{
    private readonly Module _first;
    private readonly Module _a;
    private readonly Module _b;
    private readonly MaxPool2d _pool;
    private readonly Module _third;
    private readonly Module _fourth;

    public HgStem(int inChannels, HgNetSpec spec)
    {
        var (middle, outWidth) = (spec.Stem[0], spec.Stem[1]);
        _first = Child("stem1", spec.Conv(inChannels, middle, 3, 2));
        _a = Child("stem2a", spec.Conv(middle, middle / 2, 2));
        _b = Child("stem2b", spec.Conv(middle / 2, middle, 2));
        _third = Child("stem3", spec.Conv(2 * middle, middle, 3, 2));
        _fourth = Child("stem4", spec.Conv(middle, outWidth, 1));
        _pool = Child("pool", new MaxPool2d(2, 1, ceilMode: true));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = Padded(_first.Forward(x));
        var convolved = _b.Forward(Padded(_a.Forward(x)));
        return _fourth.Forward(_third.Forward(Tensor.Concat([_pool.Forward(x), convolved], -1)));
    }

    private static Tensor Padded(Tensor x) => x.Pad([0, 0, 0, 0], [0, 1, 1, 0]);
}

/// <summary>A chain of convolutions whose maps, with the input, are merged by 1x1 convolutions; beside a shortcut except at a stage's start.</summary>
internal sealed class HgBlock : Module
{
    private readonly ModuleList<Module> _layers;
    private readonly Sequential _merge;
    private readonly DropPath? _dropPath;
    private readonly bool _isResidual;

    public HgBlock(HgNetSpec spec, HgStage stage, int inWidth, bool isResidual, float dropPathRate)
    {
        _isResidual = isResidual;
        var layers = new List<Module>();
        for (var i = 0; i < spec.Layers; i++)
        {
            var width = i == 0 ? inWidth : stage.InnerWidth;
            layers.Add(stage.IsLight
                ? new Sequential(
                [
                    ("conv1", spec.Conv(width, stage.InnerWidth, 1, activates: false)), ("conv2", spec.Conv(stage.InnerWidth, stage.InnerWidth, stage.Kernel, 1, stage.InnerWidth)),
                ])
                : spec.Conv(width, stage.InnerWidth, stage.Kernel));
        }
        _layers = Child("layers", new ModuleList<Module>(layers));
        var (all, outWidth) = (inWidth + (spec.Layers * stage.InnerWidth), stage.OutWidth);
        _merge = Child("aggregation", spec.IsSecond
            ? new Sequential(spec.Conv(all, outWidth / 2, 1), spec.Conv(outWidth / 2, outWidth, 1))
            : new Sequential(spec.Conv(all, outWidth, 1), new HgGate(outWidth)));
        if (isResidual && dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var maps = new List<Tensor> { x };
        foreach (var layer in _layers.Modules)
            maps.Add(layer.Forward(maps[^1]));
        var merged = _merge.Forward(Tensor.Concat([.. maps], -1));
        return _isResidual ? (_dropPath?.Forward(merged) ?? merged) + x : merged;
    }

    /// <summary>Channels scaled by a sigmoid of one 1x1 convolution of their means.</summary>
    private sealed class HgGate : Module
    {
        private readonly Conv2d _conv;
        private readonly ActivationLayer _sigmoid;

        public HgGate(int width)
        {
            _conv = Child("conv", new Conv2d(width, width, 1, initialiser: ResNetSpec.ConvInit));
            _sigmoid = Child("sigmoid", new ActivationLayer(ActivationKind.Sigmoid));
        }

        protected override Tensor OnForward(Tensor x) => x * _sigmoid.Forward(_conv.Forward(x.Mean([1, 2], keepAxes: true)));
    }
}

/// <summary>Pool, a wide 1x1 convolution with ReLU, dropout and a linear classifier.</summary>
internal sealed class HgHead : ClassificationHead
{
    private const int Width = 2048;
    private readonly Sequential _last;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    public HgHead(HgNetSpec spec, int features, int numClasses, ModelOptions options)
    {
        _pool = Child("global_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg, numClasses));
        Module[] layers = [ResNetSpec.Conv(features, Width, 1), new ActivationLayer(ActivationKind.Relu)];
        _last = Child("last_conv", new Sequential(spec.HasAffine ? [.. layers, new LearnableAffine()] : layers));
        _drop = Child("dropout", new Dropout(options.DropRate));
        _classifier = Child("fc", MakeClassifier(numClasses));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        _pool = Replace("global_pool", MakePool(pool ?? _pool.Pool, numClasses));
        _classifier = Replace("fc", MakeClassifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x)
    {
        x = _drop.Forward(_last.Forward(_pool.Forward(x)));
        return _pool.Pool == GlobalPool.None ? x : x.Reshape([x.Shape[0], Width]);
    }

    private static GlobalPool2d MakePool(GlobalPool pool, int numClasses) => pool switch
    {
        GlobalPool.CatAvgMax => throw new VertebraException("global_pool catavgmax does not fit HGNet: a convolution of fixed width follows the pool"),
        GlobalPool.None when numClasses > 0 => throw new VertebraException("HGNet without a pool has no classifier; use num_classes 0"),
        _ => new(pool, flatten: false),
    };

    private static Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : new Linear(Width, numClasses, biasInitialiser: Init.Zeros);
}

/// <summary>A stage.</summary>
/// <param name="InnerWidth">Width of its chains.</param>
/// <param name="OutWidth">Width of its blocks' outputs.</param>
/// <param name="Depth">Blocks.</param>
/// <param name="IsLight">Separable convolutions in the chains, over 5x5 pixels.</param>
internal sealed record HgStage(int InnerWidth, int OutWidth, int Depth, bool IsLight = false)
{
    public int Kernel => IsLight ? 5 : 3;
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="IsSecond">PP-HGNetV2.</param>
/// <param name="Stem">Widths of the stem.</param>
/// <param name="Layers">Convolutions of a chain.</param>
/// <param name="Stages">The stages.</param>
internal sealed record HgNetSpec(bool IsSecond, IReadOnlyList<int> Stem, int Layers, IReadOnlyList<HgStage> Stages)
{
    /// <summary>Activations are followed by a learned scale and shift.</summary>
    public bool HasAffine { get; init; }

    public string FirstConv => IsSecond ? "stem.stem1.conv" : "stem.stem.0.conv";

    /// <summary>Convolution, normaliser and, if wanted, ReLU and its scale and shift.</summary>
    public Sequential Conv(int inWidth, int outWidth, int kernel, int stride = 1, int groups = 1, bool activates = true)
    {
        // An even kernel is not padded by itself: the stem pads below and right.
        WindowPadding padding = kernel % 2 == 0 ? 0 : WindowPadding.Centred(kernel, stride, 1);
        var layers = new List<(string, Module)>
        {
            ("conv", new Conv2d(inWidth, outWidth, kernel, stride, padding, 1, groups, bias: false, initialiser: ResNetSpec.ConvInit)),
            ("bn", new BatchNorm2d(outWidth)),
        };
        if (activates)
            layers.Add(("act", new ActivationLayer(ActivationKind.Relu)));
        if (activates && HasAffine)
            layers.Add(("lab", new LearnableAffine()));
        return new(layers);
    }

    public static Family MakeFamily()
    {
        static HgNetSpec First(int[] stem, int layers, params HgStage[] stages) => new(false, stem, layers, stages);
        static HgNetSpec Second(int[] stem, int layers, params HgStage[] stages) => new(true, stem, layers, stages);
        static HgNetSpec Small(int[] stem, int layers, params HgStage[] stages) => Second(stem, layers, stages) with { HasAffine = true };
        (string Name, HgNetSpec Spec)[] rows =
        [
            ("hgnet_tiny", First([48, 48, 96], 5, new(96, 224, 1), new(128, 448, 1), new(160, 512, 2), new(192, 768, 1))),
            ("hgnet_small", First([64, 64, 128], 6, new(128, 256, 1), new(160, 512, 1), new(192, 768, 2), new(224, 1024, 1))),
            ("hgnet_base", First([96, 96, 160], 7, new(192, 320, 1), new(224, 640, 2), new(256, 960, 3), new(288, 1280, 2))),
            ("hgnetv2_b0", Small([16, 16], 3, new(16, 64, 1), new(32, 256, 1), new(64, 512, 2, true), new(128, 1024, 1, true))),
            ("hgnetv2_b1", Small([24, 32], 3, new(32, 64, 1), new(48, 256, 1), new(96, 512, 2, true), new(192, 1024, 1, true))),
            ("hgnetv2_b2", Small([24, 32], 4, new(32, 96, 1), new(64, 384, 1), new(128, 768, 3, true), new(256, 1536, 1, true))),
            ("hgnetv2_b3", Small([24, 32], 5, new(32, 128, 1), new(64, 512, 1), new(128, 1024, 3, true), new(256, 2048, 1, true))),
            ("hgnetv2_b4", Second([32, 48], 6, new(48, 128, 1), new(96, 512, 1), new(192, 1024, 3, true), new(384, 2048, 1, true))),
            ("hgnetv2_b5", Second([32, 64], 6, new(64, 128, 1), new(128, 512, 2), new(256, 1024, 5, true), new(512, 2048, 2, true))),
            ("hgnetv2_b6", Second([48, 96], 6, new(96, 192, 2), new(192, 512, 3), new(384, 1024, 6, true), new(768, 2048, 3, true))),
        ];
        var tags = HgNetWeights.Tags();
        return new(
            "hgnet",
            "PaddlePaddle: PP-HGNet, https://github.com/PaddlePaddle/PaddleClas",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "hgnet", tags[r.Name], "head.fc", r.Spec.FirstConv, options => new HgNet(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Stages of blocks that concatenate all their layers once and squeeze the result, after VoVNet, made for fast GPUs. V2 has a stem with branches and light blocks of pointwise and depthwise convolutions.",
        };
    }
}
