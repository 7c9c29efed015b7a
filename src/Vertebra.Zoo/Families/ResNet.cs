using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Residual networks with the activation after the sum, and their kin: He et al. 2016; the stems and shortcuts of "Bag of
/// tricks" (He et al. 2019); ResNeXt, Wide ResNet, SE-, ECA-, anti-aliased and RS variants. Names, state-dict keys and
/// defaults follow timm's resnet family; the variants are the rows of ResNetVariants.cs.
/// </summary>
public sealed class ResNet : Backbone
{
    private readonly Module _stem;
    private readonly NormLayer _norm;
    private readonly ActivationLayer _act;
    private readonly Module _stemPool;
    private readonly Sequential[] _stages;
    private readonly Dropout _drop;
    private readonly ScalarBias? _bias; // in the place of normalisers, with Fixup
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _classifier;

    internal ResNet(ResNetSpec spec, ModelOptions options) : base(options)
    {
        FirstConv = spec.FirstConv;
        TakesAttention = spec.MakeBlock is null;
        if (options.AttnLayer is { } attention)
            spec = spec with { Attention = AttentionSpec.Parse(attention) };
        Parameterisations = spec.MakeBlock is not null ? [] : [Parameterisation.ReZero, Parameterisation.DepthMuP, .. spec.IsPlain ? new[] { Parameterisation.Fixup } : []];
        var isFixup = options.Parameterisation == Parameterisation.Fixup && spec.IsPlain;
        var width = spec.Stem == StemKind.Plain ? 64 : spec.StemWidth * 2;
        _stem = Child("conv1", MakeStem(spec, width));
        _norm = isFixup ? Child("bias1", new ScalarBias()) : Child("bn1", spec.MakeStemNorm(width));
        _act = Child("act1", new ActivationLayer(ActivationKind.Relu));
        _features.Add(new(0, width, 2, "act1"));
        _stemPool = Child("maxpool", MakeStemPool(spec, width));
        _stages = MakeStages(spec, width, options);
        NumFeatures = _features[^1].Channels;
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", new GlobalPool2d(pool));
        _drop = Child("drop", new Dropout(options.DropRate));
        _bias = isFixup ? Child("bias2", new ScalarBias()) : null;
        _classifier = Child("fc", MakeClassifier(pool, NumClasses));
    }

    public static Family Family { get; } = ResNetVariants.Family();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "fc";

    public override string FirstConv { get; }

    internal override bool TakesAttention { get; }

    internal override bool TakesDropBlock => TakesAttention && _bias is null;

    internal override IReadOnlyList<string> Parameterisations { get; }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stemPool.Forward(_norm.Forward(_stem.Forward(x), _act));
        foreach (var stage in _stages)
            x = stage.Forward(x);
        return x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _classifier.Forward(_bias?.Forward(x) ?? x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _classifier = Replace("fc", MakeClassifier(_pool.Pool, numClasses));
    }

    private Module MakeClassifier(GlobalPool pool, int numClasses) =>
        numClasses == 0 ? new Identity()
        : _bias is null ? new Linear(NumFeatures * pool.Width(), numClasses)
        : new Linear(NumFeatures * pool.Width(), numClasses, initialiser: Init.Zeros, biasInitialiser: Init.Zeros);

    private Module MakeStem(ResNetSpec spec, int width)
    {
        if (spec.Stem == StemKind.Plain)
            return ResNetSpec.Conv(InChans, width, 7, stride: 2);
        var first = spec.Stem == StemKind.Tiered ? spec.StemWidth / 4 * 3 : spec.StemWidth;
        return new Sequential(
            ResNetSpec.Conv(InChans, first, 3, stride: 2), spec.MakeNorm(first), new ActivationLayer(ActivationKind.Relu),
            ResNetSpec.Conv(first, spec.StemWidth, 3), spec.MakeNorm(spec.StemWidth), new ActivationLayer(ActivationKind.Relu),
            ResNetSpec.Conv(spec.StemWidth, width, 3));
    }

    private static Module MakeStemPool(ResNetSpec spec, int width)
    {
        if (spec.ReplacesStemPool)
            return new Sequential(ResNetSpec.Conv(width, width, 3, stride: 2), spec.MakeNorm(width), new ActivationLayer(ActivationKind.Relu));
        return spec.AntiAliasing switch
        {
            AntiAliasing.Average => new AvgPool2d(2),
            AntiAliasing.Blur => new Sequential(new MaxPool2d(3, 1, 1), new BlurPool2d(width, 2)),
            _ => new MaxPool2d(3, 2, 1),
        };
    }

    private Sequential[] MakeStages(ResNetSpec spec, int width, ModelOptions options)
    {
        var count = spec.Depths.Sum();
        var stages = new Sequential[spec.Depths.Count];
        var (index, stride, dilation, formerDilation) = (0, 4, 1, 1);
        for (var stage = 0; stage < stages.Length; stage++)
        {
            var step = stage == 0 ? 1 : 2;
            if (stride >= (options.OutputStride ?? 32))
                (dilation, step) = (dilation * step, 1);
            else
                stride *= step;
            var blocks = new Module[spec.Depths[stage]];
            for (var i = 0; i < blocks.Length; i++, index++)
            {
                var place = new BlockPlace(stage, i, width, i == 0 ? step : 1, dilation, formerDilation, Widths.DropPathRate(options.DropPathRate, index, count), DropBlocks.Of(options, stage))
                {
                    Parameterisation = options.Parameterisation,
                    BlockCount = count,
                };
                blocks[i] = spec.MakeBlock?.Invoke(spec, place) ?? (_norm is ScalarBias ? spec.MakeFixupBlock(place) : new ResidualBlock(spec, place));
                (width, formerDilation) = ((blocks[i] as ResidualBlock)?.OutChannels ?? spec.OutChannels(stage), dilation);
            }
            var name = $"layer{stage + 1}";
            stages[stage] = Child(name, new Sequential(blocks));
            _features.Add(new(stage + 1, width, stride, name));
        }
        return stages;
    }
}

/// <summary>Where a block stands.</summary>
/// <param name="Stage">Stage, from 0.</param>
/// <param name="Index">Position in the stage; the first block may change size and width.</param>
/// <param name="InChannels">Channels that come in.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="Dilation">Of the stage.</param>
/// <param name="FirstDilation">Of the block's first 3x3 convolution: still the former stage's in a stage's first block.</param>
/// <param name="DropPathRate">Stochastic depth.</param>
/// <param name="DropBlocks">DropBlock in the block.</param>
internal readonly record struct BlockPlace(int Stage, int Index, int InChannels, int Stride, int Dilation, int FirstDilation, float DropPathRate, DropBlocks DropBlocks = default)
{
    /// <summary>A name of <see cref="Layers.Parameterisation"/>, or null.</summary>
    public string? Parameterisation { get; init; }

    /// <summary>Blocks of the whole network.</summary>
    public int BlockCount { get; init; }
}

/// <summary>DropBlock of a stage: timm's sizes, in the last two of four stages only.</summary>
/// <param name="Rate">Share dropped, about; 0: none.</param>
/// <param name="Size">Side of the squares.</param>
/// <param name="GammaScale">Factor on their number.</param>
/// <param name="OnSkip">On the shortcut too.</param>
internal readonly record struct DropBlocks(float Rate, int Size, float GammaScale, bool OnSkip)
{
    public static DropBlocks Of(ModelOptions options, int stage) => stage switch
    {
        2 => new(options.DropBlockRate, 5, 0.25f, options.DropBlockSkip),
        3 => new(options.DropBlockRate, 3, 1, options.DropBlockSkip),
        _ => default,
    };

    public DropBlock2d Create() => new(Rate, Size, GammaScale);
}

/// <summary>Two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck) beside a shortcut; activation after the sum.</summary>
internal sealed class ResidualBlock : Module
{
    private readonly List<Module> _convs = [];
    private readonly List<NormLayer> _norms = [];
    private readonly List<ActivationLayer> _acts = [];
    private readonly int _blurred = -1; // the convolution after which the image is blurred
    private readonly Module? _blur;
    private readonly Module? _attention;
    private readonly Module? _downsample;
    private readonly Module? _factor;
    private readonly DropPath? _dropPath;
    private readonly DropBlock2d? _dropBlock; // between the normaliser of the last convolution but one and its activation
    private readonly DropBlock2d? _skipDropBlock;

    public ResidualBlock(ResNetSpec spec, BlockPlace place)
    {
        var (planes, isBasic) = (spec.Channels[place.Stage], spec.BlockOf(place.Stage) == BlockKind.Basic);
        var blurs = spec.AntiAliasing != AntiAliasing.None && (place.Stride == 2 || place.FirstDilation != place.Dilation);
        var stride = blurs ? 1 : place.Stride;
        var width = isBasic ? planes : spec.InnerWidth(place.Stage);
        var (first, second, last) = (width / spec.ReduceFirst, width, isBasic ? planes : planes * 4);
        if (spec.PrunedWidths is { } pruned)
            (first, second, last) = pruned.Of(place.Stage, place.Index);
        OutChannels = last;
        _factor = Parameterisation.Factor(place.Parameterisation, place.BlockCount);
        // The last normaliser starts at zero, so that every block starts as its shortcut (Goyal et al. 2017), unless a factor does that.
        var startsAtZero = _factor is null;
        if (isBasic)
        {
            AddConv(spec, place.InChannels, first, 3, stride, place.FirstDilation);
            AddConv(spec, first, last, 3, 1, place.Dilation, startsAtZero: startsAtZero);
        }
        else
        {
            AddConv(spec, place.InChannels, first, 1);
            AddConv(spec, first, second, 3, stride, place.FirstDilation, spec.Cardinality);
            AddConv(spec, second, last, 1, startsAtZero: startsAtZero);
        }
        if (blurs)
        {
            _blurred = _convs.Count - 2;
            _blur = Child<Module>("aa", spec.AntiAliasing == AntiAliasing.Blur ? new BlurPool2d(isBasic ? first : second, place.Stride) : new AvgPool2d(place.Stride));
        }
        _attention = spec.Attention.Create(isBasic ? planes : planes * 4, ResNetSpec.ConvInit);
        if (_attention is not null)
            Child("se", _attention);
        _downsample = spec.MakeShortcut(place, OutChannels);
        if (_downsample is not null)
            Child("downsample", _downsample);
        if (_factor is not null)
            Child("factor", _factor);
        if (place.DropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(place.DropPathRate));
        if (place.DropBlocks.Rate > 0)
            _dropBlock = Child("drop_block", place.DropBlocks.Create());
        if (place.DropBlocks is { Rate: > 0, OnSkip: true })
            _skipDropBlock = Child("drop_block_skip", place.DropBlocks.Create());
    }

    public int OutChannels { get; }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = _downsample?.Forward(x) ?? x;
        shortcut = _skipDropBlock?.Forward(shortcut) ?? shortcut;
        for (var i = 0; i < _convs.Count - 1; i++)
        {
            x = _convs[i].Forward(x);
            x = IsTraining && _dropBlock is not null && i == _convs.Count - 2
                ? _acts[i].Forward(_dropBlock.Forward(_norms[i].Forward(x)))
                : _norms[i].Forward(x, _acts[i]);
            if (i == _blurred)
                x = _blur!.Forward(x);
        }
        x = _convs[^1].Forward(x);
        if (_attention is null && _factor is null && _dropPath is not { IsInPlace: true })
            return _norms[^1].Forward(x, _acts[^1], shortcut);
        x = _norms[^1].Forward(x);
        x = _attention?.Forward(x) ?? x;
        x = _factor?.Forward(x) ?? x;
        x = _dropPath?.Forward(x) ?? x;
        return _acts[^1].Forward(x + shortcut);
    }

    private void AddConv(ResNetSpec spec, int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, bool startsAtZero = false)
    {
        var number = _convs.Count + 1;
        _convs.Add(Child($"conv{number}", ResNetSpec.Conv(inChannels, outChannels, kernel, stride, dilation, groups)));
        _norms.Add(Child($"bn{number}", spec.MakeNorm(outChannels, startsAtZero ? Init.Zeros : null)));
        _acts.Add(Child($"act{number}", new ActivationLayer(ActivationKind.Relu)));
    }
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record ResNetSpec(BlockKind Block, IReadOnlyList<int> Depths)
{
    /// <summary>Of one stage, where it differs from <see cref="Block"/>.</summary>
    public IReadOnlyList<BlockKind>? Blocks { get; init; }

    /// <summary>Widths of the stages before the bottleneck's factor 4.</summary>
    public IReadOnlyList<int> Channels { get; init; } = [64, 128, 256, 512];

    public StemKind Stem { get; init; }

    /// <summary>Width of a deep stem's inner convolutions.</summary>
    public int StemWidth { get; init; } = 64;

    /// <summary>A striding convolution instead of the stem's max pool.</summary>
    public bool ReplacesStemPool { get; init; }

    /// <summary>The shortcut averages before its 1x1 convolution instead of striding.</summary>
    public bool AveragesShortcut { get; init; }

    public int ShortcutKernel { get; init; } = 1;

    /// <summary>Groups of the 3x3 convolutions.</summary>
    public int Cardinality { get; init; } = 1;

    /// <summary>Inner width of a bottleneck, in 64ths of its stage's width and per group.</summary>
    public int BaseWidth { get; init; } = 64;

    /// <summary>Divides the width of a block's first convolution.</summary>
    public int ReduceFirst { get; init; } = 1;

    public AttentionSpec Attention { get; init; }

    public AntiAliasing AntiAliasing { get; init; }

    /// <summary>Group normalisation, 32 groups, instead of batch normalisation.</summary>
    public bool UsesGroupNorm { get; init; }

    /// <summary>Every channel of every image is normalised by itself after the stem's last convolution.</summary>
    public bool NormalisesStemByInstance { get; init; }

    public PrunedWidths? PrunedWidths { get; init; }

    public string FirstConv => Stem == StemKind.Plain ? "conv1" : "conv1.0";

    public static Initialiser ConvInit { get; } = Init.KaimingNormal(fanOut: true);

    public BlockKind BlockOf(int stage) => Blocks?[stage] ?? Block;

    /// <summary>Makes the blocks of relatives of this family; null: <see cref="ResidualBlock"/>.</summary>
    public Func<ResNetSpec, BlockPlace, Module>? MakeBlock { get; init; }

    /// <summary>Whether there is nothing in the network but convolutions, batch norms and activations, as Fixup takes it.</summary>
    public bool IsPlain => this is
    {
        MakeBlock: null, Stem: StemKind.Plain, ReplacesStemPool: false, AveragesShortcut: false, ShortcutKernel: 1, AntiAliasing: AntiAliasing.None,
        UsesGroupNorm: false, NormalisesStemByInstance: false, PrunedWidths: null,
    } && Attention == default;

    /// <summary>A block without normalisers.</summary>
    public FixupBlock MakeFixupBlock(BlockPlace place)
    {
        var (planes, outChannels, inner) = (Channels[place.Stage], OutChannels(place.Stage), InnerWidth(place.Stage));
        FixupConv[] convs = BlockOf(place.Stage) == BlockKind.Basic
            ? [new(place.InChannels, planes / ReduceFirst, 3, place.Stride, place.FirstDilation), new(planes / ReduceFirst, planes, 3, 1, place.Dilation)]
            : [new(place.InChannels, inner / ReduceFirst, 1), new(inner / ReduceFirst, inner, 3, place.Stride, place.FirstDilation, Cardinality), new(inner, outChannels, 1)];
        var changes = place.Index == 0 && (place.Stride > 1 || place.InChannels != outChannels);
        return new(convs, place.BlockCount, place.DropPathRate, changes ? Conv(place.InChannels, outChannels, 1, place.Stride) : null);
    }

    /// <summary>Width of a stage's output, before any pruning.</summary>
    public int OutChannels(int stage) => BlockOf(stage) == BlockKind.Basic ? Channels[stage] : Channels[stage] * 4;

    /// <summary>Inner width of a bottleneck.</summary>
    public int InnerWidth(int stage) => Channels[stage] * BaseWidth / 64 * Cardinality;

    /// <summary>What stands beside a block that changes size or width: only the first of a stage does; null for the others.</summary>
    public Module? MakeShortcut(BlockPlace place, int outChannels)
    {
        if (place.Index > 0 || (place.Stride == 1 && place.InChannels == OutChannels(place.Stage)))
            return null;
        return AveragesShortcut ? AverageShortcut(place, outChannels) : ConvolutionShortcut(place, outChannels);
    }

    public NormLayer MakeNorm(int channels, Initialiser? initialiser = null) =>
        UsesGroupNorm ? new GroupNorm(32, channels, initialiser: initialiser) : new BatchNorm2d(channels, initialiser: initialiser);

    public NormLayer MakeStemNorm(int channels) => NormalisesStemByInstance ? new GroupNorm(channels, channels) : MakeNorm(channels);

    public static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, WindowPadding.Centred(kernel, stride, dilation), dilation, groups, bias: false, initialiser: ConvInit);

    private Sequential ConvolutionShortcut(BlockPlace place, int outChannels)
    {
        var kernel = place.Stride == 1 && place.Dilation == 1 ? 1 : ShortcutKernel;
        var dilation = kernel > 1 ? place.FirstDilation : 1;
        return new(Conv(place.InChannels, outChannels, kernel, place.Stride, dilation), MakeNorm(outChannels));
    }

    private Sequential AverageShortcut(BlockPlace place, int outChannels)
    {
        Module pool = place is { Stride: 1, Dilation: 1 } ? new Identity()
            : place.Dilation == 1 ? new AvgPool2d(2, place.Stride, ceilMode: true, countIncludePad: false)
            : new AvgPool2d(2, 1, WindowPadding.Same);
        return new(pool, Conv(place.InChannels, outChannels, 1), MakeNorm(outChannels));
    }
}

/// <summary>Widths that pruning left over.</summary>
/// <param name="Inner">By stage: widths of the first and second convolution, block after block.</param>
/// <param name="Outer">By stage: width of its output.</param>
internal sealed record PrunedWidths(IReadOnlyList<int[]> Inner, IReadOnlyList<int> Outer)
{
    public (int First, int Second, int Last) Of(int stage, int block) => (Inner[stage][2 * block], Inner[stage][(2 * block) + 1], Outer[stage]);
}

internal enum BlockKind
{
    Basic,
    Bottleneck,
}

/// <summary>The first layers.</summary>
internal enum StemKind
{
    /// <summary>One 7x7 convolution.</summary>
    Plain,

    /// <summary>Three 3x3 convolutions.</summary>
    Deep,

    /// <summary>Three 3x3 convolutions, the first narrower.</summary>
    Tiered,
}
