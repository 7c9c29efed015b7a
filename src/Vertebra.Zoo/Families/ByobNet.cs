using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Networks put together of blocks by a table: GENet, RepVGG, MobileOne, variants of ResNet, ResNeXt and RegNetZ, CLIP's
/// residual networks, BoTNet, HaloNet and LambdaNet with self-attention in their blocks, and MobileViT. Names, state-dict keys and defaults
/// follow timm's byobnet and byoanet families; the variants are the rows of ByobNetVariants.cs, ByoaNetVariants.cs and MobileVit.cs.
/// </summary>
public sealed class ByobNet : Backbone
{
    private readonly Module _stem;
    private readonly Sequential _stages;
    private readonly Module _finalConv;
    private readonly ClassificationHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal ByobNet(ByobSpec spec, ModelOptions options) : base(options)
    {
        (FirstConv, Classifier) = (spec.FirstConv, spec.Classifier);
        if (spec.ImageSize is { } side)
            spec = spec with { ImageSize = options.ImgSize ?? side };
        _stem = Child("stem", MakeStem(spec, out var width, out var stride, out var before));
        _stages = Child("stages", new Sequential([.. MakeStages(spec, ref width, ref stride, before, options)]));
        NumFeatures = spec.FinalWidth > 0 ? spec.FinalWidth : width;
        _finalConv = Child<Module>("final_conv", spec.FinalWidth > 0 ? spec.Conv(width, NumFeatures, 1) : new Identity());
        AddFeature(NumFeatures, stride, "final_conv");
        _head = Child("head", MakeHead(spec, stride, options));
    }

    public static Family Family { get; } = ByobNetVariants.Family();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier { get; }

    public override string FirstConv { get; }

    protected override Tensor OnForwardFeatures(Tensor x) => _finalConv.Forward(_stages.Forward(_stem.Forward(x)));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private void AddFeature(int width, int stride, string module) => _features.Add(new(_features.Count, width, stride, module));

    private ClassificationHead MakeHead(ByobSpec spec, int stride, ModelOptions options)
    {
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        return spec.Head switch
        {
            ByobHead.Attention when options.GlobalPool is null or GlobalPool.None =>
                new AttentionPool2d(NumFeatures, NumClasses, spec.ImageSize!.Value / stride, options.GlobalPool is null, options.DropRate),
            ByobHead.Attention => throw new VertebraException($"global_pool cannot be {pool.NameOf()} for a network that pools by attention; only none is possible"),
            ByobHead.Hidden => new HiddenHead(NumFeatures, 1024, NumClasses, pool, options.DropRate),
            _ => new ClassifierHead(NumFeatures, NumClasses, pool, options.DropRate, Init.Normal(0.01f)),
        };
    }

    private Module MakeStem(ByobSpec spec, out int width, out int stride, out string last)
    {
        (width, stride, last) = (spec.Stem[^1], 2, "stem");
        if (spec.StemKind is ByobStem.Rep or ByobStem.One)
            return ByobBlock.MultiBranch(spec, new ByobBlockSpec(spec.StemKind == ByobStem.Rep ? ByobBlockKind.Rep : ByobBlockKind.One, width), new(InChans, width, 2, 1, 1, 0, null));
        var kernel = spec.StemKind == ByobStem.Conv7 ? 7 : 3;
        if (spec.Stem.Count == 1 && spec.StemPool == ByobPool.None)
            return spec.Conv(InChans, width, kernel, 2, blurs: false);

        var (modules, former) = (new List<(string, Module)>(), InChans);
        stride = 1;
        for (var i = 0; i < spec.Stem.Count; i++)
        {
            var step = i == 0 || (i == spec.Stem.Count - 1 && spec.StemPool == ByobPool.None) ? 2 : 1;
            if (i > 0 && step > 1)
                AddFeature(former, stride, last);
            var isBare = i < spec.BareStemConvs;
            modules.Add(($"conv{i + 1}", isBare ? ByobSpec.BareConv(former, spec.Stem[i], kernel, step) : spec.Conv(former, spec.Stem[i], kernel, step, blurs: false)));
            (former, stride, last) = (spec.Stem[i], stride * step, $"stem.conv{i + 1}");
        }
        if (spec.StemPool != ByobPool.None)
        {
            AddFeature(former, stride, last);
            modules.Add(("pool", spec.StemPool == ByobPool.Max ? new MaxPool2d(3, 2, 1) : new AvgPool2d(2)));
            (stride, last) = (4, "stem.pool");
        }
        return new Sequential(modules);
    }

    private List<Module> MakeStages(ByobSpec spec, ref int width, ref int stride, string before, ModelOptions options)
    {
        var (stages, index, count, dilation) = (new List<Module>(), 0, spec.Stages.Sum(s => s.Blocks.Count), 1);
        for (var i = 0; i < spec.Stages.Count; i++)
        {
            var step = spec.Stages[i].Stride;
            if (step != 1)
                AddFeature(width, stride, before);
            var formerStride = stride;
            if (stride >= (options.OutputStride ?? 32) && step > 1)
                (dilation, step) = (dilation * step, 1);
            stride *= step;
            var firstDilation = dilation is 1 or 2 ? 1 : 2;
            var blocks = new List<Module>();
            foreach (var block in spec.Stages[i].Blocks)
            {
                var isFirst = blocks.Count == 0;
                var map = spec.ImageSize / (isFirst ? formerStride : stride);
                var place = new ByobPlace(width, block.OutChannels, isFirst ? step : 1, dilation, firstDilation, Widths.DropPathRate(options.DropPathRate, index++, count), map);
                blocks.Add(ByobBlock.Create(spec, block, place));
                (width, firstDilation) = (block.OutChannels, dilation);
            }
            stages.Add(new Sequential(blocks));
            before = $"stages.{i}";
        }
        return stages;
    }
}

/// <summary>Pooling, normaliser, a hidden layer <c>pre_logits.fc</c> and a linear classifier.</summary>
internal sealed class HiddenHead : ClassificationHead
{
    private readonly int _hidden;
    private readonly BatchNorm2d _norm;
    private readonly Sequential _layer;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    public HiddenHead(int features, int hidden, int numClasses, GlobalPool pool, float dropRate)
    {
        _hidden = hidden;
        _pool = Child("global_pool", new GlobalPool2d(pool));
        _norm = Child("norm", new BatchNorm2d(features));
        _layer = Child("pre_logits", new Sequential([("fc", Fully(features, hidden)), ("act", new ActivationLayer(ActivationKind.Relu))]));
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("fc", Classifier(numClasses));
        if (pool.Width() != 1)
            throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: the hidden layer takes as many features as the map has channels");
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed && changed.Width() != 1)
            throw new VertebraException($"global_pool cannot be {changed.NameOf()} here: the hidden layer takes as many features as the map has channels");
        if (pool is { } other)
            _pool = Replace("global_pool", new GlobalPool2d(other));
        _classifier = Replace("fc", Classifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x) => _drop.Forward(_layer.Forward(_norm.Forward(_pool.Forward(x))));

    private Module Classifier(int numClasses) => numClasses == 0 ? new Identity() : Fully(_hidden, numClasses);

    private static Linear Fully(int inputs, int outputs) => new(inputs, outputs, initialiser: Init.Normal(0.01f), biasInitialiser: Init.Zeros);
}
