using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Cross-stage partial networks (Wang et al. 2020) and DarkNet: a stage sends half of its channels around its blocks. Names,
/// state-dict keys and defaults follow timm's cspnet family; the variants are the rows of CspNetVariants.cs.
/// </summary>
public sealed class CspNet : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly ClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal CspNet(CspSpec spec, ModelOptions options) : base(options)
    {
        var (width, stride) = (InChans, 1);
        var before = "";
        _stem = Child("stem", new Sequential([.. MakeStem(spec, ref width, ref stride, ref before)]));
        _stages = Child("stages", new Sequential([.. MakeStages(spec, ref width, stride, before, options)]));
        NumFeatures = width;
        _head = Child("head", new ClassifierHead(width, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, Init.Normal(0.01f)));
    }

    public static Family Family { get; } = CspNetVariants.Family();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "stem.conv1.conv";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private void AddFeature(int width, int stride, string module) => _features.Add(new(_features.Count, width, stride, module));

    private List<(string, Module)> MakeStem(CspSpec spec, ref int width, ref int stride, ref string last)
    {
        var modules = new List<(string, Module)>();
        for (var i = 0; i < spec.Stem.Count; i++)
        {
            var step = i == 0 && spec.StemStride > 1 ? 2 : 1;
            modules.Add(($"conv{i + 1}", spec.Conv(width, spec.Stem[i], spec.StemKernel, step, padding: i == 0 ? spec.StemPadding : null)));
            (width, last) = (spec.Stem[i], $"stem.conv{i + 1}");
            stride *= step;
        }
        if (spec.StemStride == 4)
        {
            AddFeature(width, stride, last);
            modules.Add(("pool", new MaxPool2d(3, 2, 1)));
            (stride, last) = (4, "stem.pool");
        }
        return modules;
    }

    private List<Module> MakeStages(CspSpec spec, ref int width, int stride, string before, ModelOptions options)
    {
        var modules = new List<Module>();
        var (index, count, dilation) = (0, spec.Stages.Sum(s => s.Depth), 1);
        for (var i = 0; i < spec.Stages.Count; i++)
        {
            var (stage, step) = (spec.Stages[i], spec.Stages[i].Stride);
            if (step != 1)
                AddFeature(width, stride, before);
            if (stride >= (options.OutputStride ?? 32) && step > 1)
                (dilation, step) = (dilation * step, 1);
            stride *= step;
            var rates = Enumerable.Range(index, stage.Depth).Select(b => Widths.DropPathRate(options.DropPathRate, b, count)).ToArray();
            modules.Add(new CspStage(spec, stage, width, step, dilation, rates));
            (index, width, before) = (index + stage.Depth, stage.OutChannels, $"stages.{i}");
        }
        AddFeature(width, stride, before);
        return modules;
    }
}

/// <summary>
/// A stage: <c>conv_down</c>, then either its blocks one after another (DarkNet), or an expansion <c>conv_exp</c> of which one
/// half passes the blocks, and a transition that joins the halves.
/// </summary>
internal sealed class CspStage : Module
{
    private readonly CspStageKind _kind;
    private readonly int _half;
    private readonly Module? _down;
    private readonly ConvNormAct? _expand;
    private readonly Sequential _blocks;
    private readonly ConvNormAct? _blockTransition;
    private readonly ConvNormAct? _transition;

    public CspStage(CspSpec spec, CspStageSpec stage, int width, int stride, int dilation, float[] dropPathRates)
    {
        _kind = stage.Kind;
        var firstDilation = dilation is 1 or 2 ? 1 : 2;
        if (_kind == CspStageKind.Dark || stride != 1 || firstDilation != dilation)
        {
            var wide = _kind == CspStageKind.Dark || stage.DownGrows || stage.AveragesDown ? stage.OutChannels : width;
            _down = Child<Module>("conv_down", stage.AveragesDown
                ? new Sequential(stride == 2 ? new AvgPool2d(2) : new Identity(), spec.Conv(width, wide, 1, groups: stage.Groups))
                : spec.Conv(width, wide, 3, stride, firstDilation, stage.Groups));
            width = wide;
        }
        if (_kind != CspStageKind.Dark)
        {
            var expanded = Rounded(stage.OutChannels * stage.Expansion);
            _expand = Child("conv_exp", spec.Conv(width, expanded, 1, activates: !stage.ExpandsLinearly));
            _half = expanded / 2;
            width = _half;
        }
        var blockWidth = Rounded(stage.OutChannels * stage.BlockRatio);
        var blocks = new List<Module>();
        foreach (var rate in dropPathRates)
        {
            blocks.Add(new CspBlock(spec, stage, width, blockWidth, dilation, rate));
            width = blockWidth;
        }
        _blocks = Child("blocks", new Sequential(blocks));
        if (_kind == CspStageKind.Cross)
            _blockTransition = Child("conv_transition_b", spec.Conv(width, _half, 1));
        if (_kind != CspStageKind.Dark)
            _transition = Child("conv_transition", spec.Conv(2 * _half, stage.OutChannels, 1));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _down?.Forward(x) ?? x;
        if (_expand is null)
            return _blocks.Forward(x);
        x = _expand.Forward(x);
        var (first, second) = (x.Slice(-1, 0, _half), x.Slice(-1, _half));
        var joined = _blockTransition is null
            ? Tensor.Concat([_blocks.Forward(first), second], -1)
            : Tensor.Concat([first, _blockTransition.Forward(_blocks.Forward(second))], -1);
        return _transition!.Forward(joined);
    }

    internal static int Rounded(double width) => (int)Math.Round(width, MidpointRounding.ToEven);
}

/// <summary>1x1, 3x3, 1x1 (bottleneck), 1x1, 3x3 (dark), or 3x3, 1x1 (edge) beside a shortcut; only the bottleneck activates after the sum.</summary>
internal sealed class CspBlock : Module
{
    private readonly ConvNormAct _conv1;
    private readonly ConvNormAct _conv2;
    private readonly ConvNormAct? _conv3;
    private readonly Module? _attention;
    private readonly DropPath? _dropPath;
    private readonly ActivationLayer? _act;

    public CspBlock(CspSpec spec, CspStageSpec stage, int inChannels, int outChannels, int dilation, float dropPathRate)
    {
        var middle = CspStage.Rounded(outChannels * stage.BottleneckRatio);
        var isBottleneck = stage.Block == CspBlockKind.Bottleneck;
        _attention = spec.Attention.Create(middle, CspSpec.ConvInit, spec.Activation);
        if (stage.Block == CspBlockKind.Edge)
        {
            _conv1 = Child("conv1", spec.Conv(inChannels, middle, 3, 1, dilation, stage.Groups));
            AddAttention("attn");
            _conv2 = Child("conv2", spec.Conv(middle, outChannels, 1, normInitialiser: Init.Zeros));
        }
        else
        {
            _conv1 = Child("conv1", spec.Conv(inChannels, middle, 1));
            if (!isBottleneck)
                AddAttention("attn");
            _conv2 = Child("conv2", spec.Conv(
                middle, isBottleneck ? middle : outChannels, 3, 1, dilation, stage.Groups, normInitialiser: isBottleneck ? null : Init.Zeros));
        }
        if (isBottleneck)
        {
            AddAttention("attn2");
            _conv3 = Child("conv3", spec.Conv(middle, outChannels, 1, activates: false, normInitialiser: Init.Zeros));
        }
        if (dropPathRate > 0)
            _dropPath = Child("drop_path", new DropPath(dropPathRate));
        if (isBottleneck)
            _act = Child("act3", new ActivationLayer(spec.Activation));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var shortcut = x;
        x = _conv1.Forward(x);
        if (_conv3 is null)
        {
            x = _conv2.Forward(_attention?.Forward(x) ?? x);
            return (_dropPath?.Forward(x) ?? x) + shortcut;
        }
        x = _conv2.Forward(x);
        x = _conv3.Forward(_attention?.Forward(x) ?? x);
        return _act!.Forward((_dropPath?.Forward(x) ?? x) + shortcut);
    }

    private void AddAttention(string name)
    {
        if (_attention is not null)
            Child(name, _attention);
    }
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record CspSpec(IReadOnlyList<int> Stem, IReadOnlyList<CspStageSpec> Stages)
{
    public int StemKernel { get; init; } = 3;

    /// <summary>1; 2 by the first convolution; 4 by a max pool after it.</summary>
    public int StemStride { get; init; } = 2;

    /// <summary>Of the first convolution; centred if null.</summary>
    public WindowPadding? StemPadding { get; init; }

    public ActivationKind Activation { get; init; } = ActivationKind.LeakyRelu;

    public AttentionSpec Attention { get; init; }

    public static Initialiser ConvInit { get; } = Init.KaimingNormal(fanOut: true);

    public ConvNormAct Conv(
        int inChannels, int outChannels, int kernel, int stride = 1, int dilation = 1, int groups = 1, bool activates = true,
        WindowPadding? padding = null, Initialiser? normInitialiser = null) =>
        new(inChannels, outChannels, kernel, stride, activates ? Activation : ActivationKind.Identity, dilation, groups, padding,
            initialiser: ConvInit, normInitialiser: normInitialiser);
}

/// <summary>One stage.</summary>
internal sealed record CspStageSpec(int Depth, int OutChannels)
{
    public CspStageKind Kind { get; init; }

    public CspBlockKind Block { get; init; }

    public int Stride { get; init; } = 2;

    /// <summary>Of the 3x3 convolutions.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Width of the blocks relative to the stage's output.</summary>
    public double BlockRatio { get; init; } = 1;

    /// <summary>Inner width of a block relative to its own.</summary>
    public double BottleneckRatio { get; init; } = 1;

    /// <summary>Width of both halves together relative to the stage's output.</summary>
    public double Expansion { get; init; } = 1;

    /// <summary>No activation after the expansion.</summary>
    public bool ExpandsLinearly { get; init; }

    /// <summary>The striding convolution already has the output's width.</summary>
    public bool DownGrows { get; init; }

    /// <summary>Averages and projects instead of striding.</summary>
    public bool AveragesDown { get; init; }
}

internal enum CspStageKind
{
    /// <summary>Both halves have a transition of their own before they are joined.</summary>
    Cross,

    /// <summary>One transition, after the halves are joined.</summary>
    Cross3,

    /// <summary>No halves.</summary>
    Dark,
}

internal enum CspBlockKind
{
    Bottleneck,
    Dark,
    Edge,
}
