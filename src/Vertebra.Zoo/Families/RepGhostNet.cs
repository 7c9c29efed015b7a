using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// RepGhostNet (Chen et al. 2022): ghost modules whose cheap features are added instead of concatenated, and whose shortcut folds
/// into the depthwise convolution. Names, state-dict keys and defaults follow timm's repghost family.
/// </summary>
public sealed class RepGhostNet : Backbone
{
    private const int HeadWidth = 1280;

    // Kernel, inner width, width, share of squeeze-and-excitation, stride; a row is a block, a list a stage.
    private static readonly (int Kernel, int Inner, int Width, double Excite, int Stride)[][] s_stages =
    [
        [(3, 8, 16, 0, 1)],
        [(3, 24, 24, 0, 2)],
        [(3, 36, 24, 0, 1)],
        [(5, 36, 40, 0.25, 2)],
        [(5, 60, 40, 0.25, 1)],
        [(3, 120, 80, 0, 2)],
        [(3, 100, 80, 0, 1), (3, 120, 80, 0, 1), (3, 120, 80, 0, 1), (3, 240, 112, 0.25, 1), (3, 336, 112, 0.25, 1)],
        [(5, 336, 160, 0.25, 2)],
        [(5, 480, 160, 0, 1), (5, 480, 160, 0.25, 1), (5, 480, 160, 0, 1), (5, 480, 160, 0.25, 1)],
    ];

    private readonly Conv2d _stem;
    private readonly BatchNorm2d _norm;
    private readonly ActivationLayer _act;
    private readonly Sequential _blocks;
    private readonly Conv2d _headConv;
    private readonly ActivationLayer _headAct;
    private readonly Dropout _drop;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _classifier;

    internal RepGhostNet(double factor, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for RepGhostNet: its blocks cannot be dilated");
        var width = Widths.Divisible(16 * factor, 4);
        _stem = Child("conv_stem", new Conv2d(InChans, width, 3, 2, 1, bias: false));
        _features.Add(new(0, width, 2, "conv_stem"));
        _norm = Child("bn1", new BatchNorm2d(width));
        _act = Child("act1", new ActivationLayer(ActivationKind.Relu));
        _blocks = Child("blocks", new Sequential([.. MakeStages(factor, ref width)]));
        NumFeatures = width;
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        CheckWidth(pool);
        _pool = Child("global_pool", new GlobalPool2d(pool, flatten: false));
        _headConv = Child("conv_head", new Conv2d(width, HeadWidth, 1));
        _headAct = Child("act2", new ActivationLayer(ActivationKind.Relu));
        _drop = Child("drop", new Dropout(options.DropRate));
        _classifier = Child("classifier", MakeClassifier(NumClasses));
    }

    public static Family Family { get; } = new(
        "repghostnet",
        "Chen, Guo, Zeng, Xiong, Dong: RepGhost: a hardware-efficient ghost module via re-parameterization, 2022, arXiv:2211.06088",
        [.. new[] { 50, 58, 80, 100, 111, 130, 150, 200 }.Select(percent => ModelInfo.Row(
            $"repghostnet_{percent:000}", "repghostnet", [("in1k", new PretrainedConfig { License = "mit" })], "classifier", "conv_stem",
            options => new RepGhostNet(percent / 100.0, options)))],
        new Dictionary<string, string>())
    {
        Idea = "GhostNet's concatenation is replaced by an addition whose branches fold into one depthwise convolution after training. The arithmetic stays as small, and memory traffic shrinks.",
    };

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "classifier";

    public override string FirstConv => "conv_stem";

    protected override Tensor OnForwardFeatures(Tensor x) => _blocks.Forward(_norm.Forward(_stem.Forward(x), _act));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _headAct.Forward(_headConv.Forward(_pool.Forward(features)));
        if (_pool.Pool != GlobalPool.None)
            x = x.Reshape([x.Shape[0], HeadWidth]);
        x = _drop.Forward(x);
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
        {
            CheckWidth(changed);
            _pool = Replace("global_pool", new GlobalPool2d(changed, flatten: false));
        }
        _classifier = Replace("classifier", MakeClassifier(numClasses));
    }

    private static Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : new Linear(HeadWidth, numClasses);

    private static void CheckWidth(GlobalPool pool)
    {
        if (pool.Width() != 1)
            throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: a convolution after it takes as many features as the map has channels");
    }

    private List<Module> MakeStages(double factor, ref int width)
    {
        var (stages, stride) = (new List<Module>(), 2);
        foreach (var rows in s_stages)
        {
            var blocks = new List<Module>();
            foreach (var row in rows)
            {
                var next = Widths.Divisible(row.Width * factor, 4);
                blocks.Add(new RepGhostBlock(width, Widths.Divisible(row.Inner * factor, 4), next, row.Kernel, row.Stride, row.Excite));
                width = next;
            }
            if (rows[^1].Stride > 1)
                _features.Add(new(_features.Count, width, stride *= 2, $"blocks.{stages.Count}"));
            stages.Add(new Sequential(blocks));
        }
        var last = Widths.Divisible(s_stages[^1][^1].Inner * factor * 2, 4);
        stages.Add(new Sequential(new Sequential(
            [("conv", new Conv2d(width, last, 1, bias: false)), ("bn1", new BatchNorm2d(last, activation: ActivationKind.Relu))])));
        width = last;
        return stages;
    }
}

/// <summary>Two RepGhost modules, between them a striding depthwise convolution and squeeze-and-excitation where asked for, beside a shortcut.</summary>
internal sealed class RepGhostBlock : Module
{
    private readonly List<Module> _layers = [];
    private readonly Sequential _shortcut;

    public RepGhostBlock(int inChannels, int inner, int outChannels, int kernel, int stride, double excite)
    {
        Add("ghost1", new RepGhostModule(inChannels, inner, ActivationKind.Relu));
        if (stride > 1)
        {
            Add("conv_dw", Depthwise(inner));
            Add("bn_dw", new BatchNorm2d(inner));
        }
        if (excite > 0)
            Add("se", new SqueezeExcite(inner, Widths.Divisible(inner * excite, 4), gate: ActivationKind.HardSigmoid, mobileNames: true));
        Add("ghost2", new RepGhostModule(inner, outChannels, ActivationKind.Identity));
        _shortcut = Child("shortcut", inChannels == outChannels && stride == 1 ? new Sequential()
            : new Sequential(Depthwise(inChannels), new BatchNorm2d(inChannels), new Conv2d(inChannels, outChannels, 1, bias: false), new BatchNorm2d(outChannels)));

        Conv2d Depthwise(int channels) => new(channels, channels, kernel, stride, (kernel - 1) / 2, groups: channels, bias: false);
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = x;
        foreach (var layer in _layers)
            y = layer.Forward(y);
        return y + _shortcut.Forward(x);
    }

    private void Add(string name, Module layer) => _layers.Add(Child(name, layer));
}

/// <summary>
/// A 1x1 convolution, and added to each other a depthwise 3x3 convolution of its output and that output itself, each
/// normalised. The sum folds into one depthwise convolution.
/// </summary>
internal sealed class RepGhostModule : Module, IReparameterisable
{
    private readonly Sequential _primary;
    private readonly ActivationLayer _act;
    private Sequential? _cheap;
    private BatchNorm2d? _fusion;
    private Conv2d? _folded;

    public RepGhostModule(int inChannels, int outChannels, ActivationKind activation)
    {
        _primary = Child("primary_conv", new Sequential(
            new Conv2d(inChannels, outChannels, 1, bias: false), new BatchNorm2d(outChannels), new ActivationLayer(activation)));
        _fusion = new BatchNorm2d(outChannels);
        Child("fusion_bn", new Sequential(_fusion));
        _cheap = Child("cheap_operation", new Sequential(
            new Conv2d(outChannels, outChannels, 3, 1, 1, groups: outChannels, bias: false), new BatchNorm2d(outChannels)));
        _act = Child("relu", new ActivationLayer(activation));
    }

    public bool IsReparameterised => _folded is not null;

    public void Reparameterise()
    {
        if (_cheap is null)
            return;
        var conv = (Conv2d)_cheap[0];
        _folded = Replace("cheap_operation", new FoldedKernel(conv).Add(conv, (BatchNorm2d)_cheap[1]).AddIdentity(_fusion).ToConvolution());
        Remove("fusion_bn");
        (_cheap, _fusion) = (null, null);
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _primary.Forward(x);
        return _act.Forward(_folded?.Forward(x) ?? (_cheap!.Forward(x) + _fusion!.Forward(x)));
    }
}
