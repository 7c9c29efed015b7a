using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Mobile networks that a search chose block by block: ProxylessNAS (Cai, Zhu and Han 2019), and the networks that were cut out of
/// a once-for-all network (Cai et al. 2020) in its two forms, ProxylessNAS's and MobileNetV3's. State-dict keys as in the authors'
/// published weights (github.com/mit-han-lab/proxylessnas and once-for-all).
/// </summary>
public sealed class SearchedNet : Backbone
{
    private readonly SearchedLayer _stem;
    private readonly ModuleList<SearchedBlock> _blocks;
    private readonly SearchedLayer _widen;
    private readonly Conv2d? _mix;
    private readonly ActivationLayer? _mixAct;
    private readonly List<FeatureInfo> _features = [];
    private readonly float _dropRate;
    private readonly int _vectorWidth;
    private GlobalPool2d _pool;
    private Sequential _classifier;

    internal SearchedNet(SearchedSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from searched networks: the strides of their blocks are fixed; leave it out or use 32");
        _dropRate = options.DropRate;
        _stem = Child("first_conv", new SearchedLayer(InChans, spec.StemWidth, 3, 2, 1, spec.Act, spec.Epsilon));
        _blocks = Child("blocks", new ModuleList<SearchedBlock>(spec.Blocks.Select(b => new SearchedBlock(b, spec.Epsilon))));
        var (channels, reduction) = (spec.StemWidth, 2);
        for (var i = 0; i < spec.Blocks.Count; i++)
        {
            if (spec.Blocks[i] is { } plan)
                (channels, reduction) = (plan.OutChannels, reduction * plan.Stride);
            if (_features.Count > 0 && _features[^1].Reduction == reduction) // the last map of each size counts
                _features.RemoveAt(_features.Count - 1);
            _features.Add(new(_features.Count, channels, reduction, $"blocks.{i}"));
        }
        NumFeatures = spec.ExpandWidth ?? spec.MixWidth;
        _vectorWidth = spec.MixWidth;
        _widen = Child(spec.ExpandWidth is null ? "feature_mix_layer" : "final_expand_layer", new SearchedLayer(channels, NumFeatures, 1, 1, 1, spec.Act, spec.Epsilon));
        _pool = Child("global_avg_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg, mixes: spec.ExpandWidth is not null));
        if (spec.ExpandWidth is not null)
        {
            _mix = new Conv2d(NumFeatures, spec.MixWidth, 1, bias: false, initialiser: SearchedLayer.ConvInit);
            _mixAct = new ActivationLayer(spec.Act);
            Child("feature_mix_layer", new Sequential([("conv", _mix), ("act", _mixAct)]));
        }
        _classifier = Child("classifier", MakeClassifier(NumClasses));
    }

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "classifier.linear";

    public override string FirstConv => "first_conv.conv";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stem.Forward(x);
        foreach (var block in _blocks.Modules)
            x = block.Forward(x);
        return _widen.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _pool.Forward(features);
        if (_mix is not null)
        {
            x = _mixAct!.Forward(_mix.Forward(x));
            if (_pool.Pool != GlobalPool.None)
                x = x.Reshape([x.Shape[0], x.Shape[3]]);
        }
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_avg_pool", MakePool(changed, _mix is not null));
        _classifier = Replace("classifier", MakeClassifier(numClasses));
    }

    private static GlobalPool2d MakePool(GlobalPool pool, bool mixes)
    {
        if (mixes && pool.Width() != 1)
            throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: a convolution after it takes as many features as the map has channels");
        return new GlobalPool2d(pool, flatten: !mixes);
    }

    private Sequential MakeClassifier(int numClasses) => new(
    [
        ("dropout", new Dropout(_dropRate)),
        ("linear", numClasses == 0 ? new Identity() : new Linear(_vectorWidth * _pool.Pool.Width(), numClasses)),
    ]);
}

/// <summary>What a search found.</summary>
/// <param name="StemWidth">Channels of the first convolution.</param>
/// <param name="Act">Outside the blocks.</param>
/// <param name="Blocks">The blocks; null where one was searched away and only its shortcut is left.</param>
/// <param name="MixWidth">Width of the vector that is classified.</param>
internal sealed record SearchedSpec(int StemWidth, ActivationKind Act, IReadOnlyList<SearchedPlan?> Blocks, int MixWidth)
{
    /// <summary>Channels of the last map in MobileNetV3's form, where the vector is computed after pooling; null in the other.</summary>
    public int? ExpandWidth { get; init; }

    /// <summary>Of all normalisers.</summary>
    public float Epsilon { get; init; } = 1e-3f;
}

/// <summary>One block.</summary>
/// <param name="InChannels">Channels that come in.</param>
/// <param name="OutChannels">Channels that go out.</param>
/// <param name="Kernel">Side of the depthwise kernel.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="Inner">Channels between; where they are not more than come in, nothing expands.</param>
/// <param name="Act">Of the first two convolutions.</param>
internal sealed record SearchedPlan(int InChannels, int OutChannels, int Kernel, int Stride, int Inner, ActivationKind Act)
{
    /// <summary>A 1x1 convolution widens the map first.</summary>
    public bool Expands { get; init; }

    /// <summary>Squeeze-and-excitation after the depthwise convolution.</summary>
    public bool Excites { get; init; }

    public bool HasShortcut { get; init; }
}

/// <summary>An inverted residual, or nothing but its shortcut.</summary>
internal sealed class SearchedBlock : Module
{
    private readonly Sequential? _layers;
    private readonly bool _hasShortcut;

    public SearchedBlock(SearchedPlan? plan, float epsilon)
    {
        if (plan is null)
            return;
        _hasShortcut = plan.HasShortcut;
        var layers = new List<(string, Module)>();
        if (plan.Expands)
            layers.Add(("inverted_bottleneck", new SearchedLayer(plan.InChannels, plan.Inner, 1, 1, 1, plan.Act, epsilon)));
        layers.Add(("depth_conv", new SearchedLayer(plan.Inner, plan.Inner, plan.Kernel, plan.Stride, plan.Inner, plan.Act, epsilon, plan.Excites)));
        layers.Add(("point_linear", new SearchedLayer(plan.Inner, plan.OutChannels, 1, 1, 1, ActivationKind.Identity, epsilon)));
        _layers = Child("mobile_inverted_conv", new Sequential(layers));
    }

    protected override Tensor OnForward(Tensor x)
    {
        if (_layers is null)
            return x;
        var y = _layers.Forward(x);
        return _hasShortcut ? y + x : y;
    }
}

/// <summary>Convolution without bias, batch normalisation, activation, and squeeze-and-excitation where asked for.</summary>
internal sealed class SearchedLayer : Module
{
    private readonly Conv2d _conv;
    private readonly BatchNorm2d _norm;
    private readonly ActivationLayer? _act;
    private readonly Sequential? _gate;

    public SearchedLayer(int inChannels, int outChannels, int kernel, int stride, int groups, ActivationKind activation, float epsilon, bool excites = false)
    {
        _conv = Child("conv", new Conv2d(inChannels, outChannels, kernel, stride, kernel / 2, groups: groups, bias: false, initialiser: ConvInit));
        _norm = Child("bn", new BatchNorm2d(outChannels, epsilon));
        _act = activation == ActivationKind.Identity ? null : Child("act", new ActivationLayer(activation));
        if (!excites)
            return;
        var reduced = Widths.Divisible(outChannels / 4);
        _gate = new Sequential(
        [
            ("reduce", new Conv2d(outChannels, reduced, 1)),
            ("relu", new ActivationLayer(ActivationKind.Relu)),
            ("expand", new Conv2d(reduced, outChannels, 1)),
            ("h_sigmoid", new ActivationLayer(ActivationKind.HardSigmoid)),
        ]);
        Child("se", new Sequential([("fc", _gate)]));
    }

    public static Initialiser ConvInit { get; } = Init.KaimingNormal(fanOut: true);

    protected override Tensor OnForward(Tensor x)
    {
        x = _norm.Forward(_conv.Forward(x), _act);
        return _gate is null ? x : x * _gate.Forward(x.Mean([1, 2], keepAxes: true));
    }
}
