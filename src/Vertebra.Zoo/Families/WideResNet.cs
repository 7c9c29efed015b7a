using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The wide residual networks for 32x32 images of Zagoruyko and Komodakis 2016: depth 6n + 4, widths 16k, 32k, 64k, activation
/// before the convolutions. State-dict keys as in the authors' code (github.com/szagoruyko/wide-residual-networks), where a
/// convolution is a parameter of its block: <c>group0.block0.conv0</c>.
/// </summary>
public sealed class WideResNet : Backbone
{
    private const int StemWidth = 16;
    private readonly Tensor _conv;
    private readonly Sequential[] _groups;
    private readonly BatchNorm2d _norm;
    private readonly ActivationLayer _act;
    private readonly Dropout _drop;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _classifier;

    internal WideResNet(int blocks, int factor, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for the CIFAR networks: their last stage is only 4 times smaller than the image");
        _conv = Parameter("conv0", [StemWidth, InChans, 3, 3], WideBlock.ConvInit);
        _groups = new Sequential[3];
        var channels = StemWidth;
        for (var group = 0; group < 3; group++)
        {
            var modules = new List<(string, Module)>();
            var width = (StemWidth << group) * factor;
            for (var i = 0; i < blocks; i++)
            {
                var rate = Widths.DropPathRate(options.DropPathRate, (group * blocks) + i, 3 * blocks);
                modules.Add(($"block{i}", new WideBlock(channels, width, group > 0 && i == 0 ? 2 : 1, rate)));
                channels = width;
            }
            _groups[group] = Child($"group{group}", new Sequential(modules));
            _features.Add(new(group, width, 1 << group, group < 2 ? $"group{group}" : "act"));
        }
        _norm = Child("bn", new BatchNorm2d(channels));
        _act = Child("act", new ActivationLayer(ActivationKind.Relu));
        NumFeatures = channels;
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", new GlobalPool2d(pool));
        _drop = Child("drop", new Dropout(options.DropRate));
        _classifier = Child("fc", MakeClassifier(pool, NumClasses));
    }

    public static Family Family { get; } = new(
        "cifar_wide_resnet",
        "Zagoruyko, Komodakis: Wide residual networks, BMVC 2016, arXiv:1605.07146",
        [
            .. new[]
            {
                (16, 1), (16, 2), (16, 4), (16, 8), (16, 10), (22, 8), (22, 10), (28, 2), (28, 4), (28, 10), (28, 12), (40, 1), (40, 2), (40, 4), (40, 8),
            }.Select(v => Row(v.Item1, v.Item2)),
        ],
        new Dictionary<string, string>())
    {
        Idea = "Residual networks gain more from width than from depth, and wide ones train several times faster. Blocks normalise before each convolution, with dropout between the two.",
        FollowsTimm = false,
    };

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "fc";

    public override string FirstConv => "conv0";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = x.Conv2d(_conv, padding: 1);
        foreach (var group in _groups)
            x = group.Forward(x);
        return _norm.Forward(x, _act);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _classifier = Replace("fc", MakeClassifier(_pool.Pool, numClasses));
    }

    private Module MakeClassifier(GlobalPool pool, int numClasses) => numClasses == 0 ? new Identity()
        : new Linear(NumFeatures * pool.Width(), numClasses, initialiser: WideBlock.ConvInit, biasInitialiser: Init.Zeros);

    // Colours as the authors normalise CIFAR's.
    private static ModelInfo Row(int depth, int factor)
    {
        var config = new PretrainedConfig
        {
            NumClasses = 10,
            InputSize = new(3, 32, 32),
            PoolSize = [8, 8],
            CropPct = 1,
            Interpolation = "bilinear",
            Mean = [125.3f / 255, 123f / 255, 113.9f / 255],
            Std = [63f / 255, 62.1f / 255, 66.7f / 255],
        };
        return ModelInfo.Row($"wrn_{depth}_{factor}", "cifar_wide_resnet", [("", config)], "fc", "conv0", options => new WideResNet((depth - 4) / 6, factor, options));
    }
}

/// <summary>Twice normalise, activate, convolve 3x3; the shortcut is the input, or where the width changes a 1x1 convolution of the activated input.</summary>
internal sealed class WideBlock : Module
{
    private readonly Tensor _conv0;
    private readonly Tensor _conv1;
    private readonly Tensor? _widen;
    private readonly BatchNorm2d _bn0;
    private readonly BatchNorm2d _bn1;
    private readonly ActivationLayer _act0;
    private readonly ActivationLayer _act1;
    private readonly DropPath? _dropPath;
    private readonly int _stride;

    public WideBlock(int inChannels, int outChannels, int stride, float dropPathRate)
    {
        _stride = stride;
        _conv0 = Parameter("conv0", [outChannels, inChannels, 3, 3], ConvInit);
        _conv1 = Parameter("conv1", [outChannels, outChannels, 3, 3], ConvInit);
        _widen = inChannels == outChannels ? null : Parameter("convdim", [outChannels, inChannels, 1, 1], ConvInit);
        _bn0 = Child("bn0", new BatchNorm2d(inChannels));
        _act0 = Child("act0", new ActivationLayer(ActivationKind.Relu));
        _bn1 = Child("bn1", new BatchNorm2d(outChannels));
        _act1 = Child("act1", new ActivationLayer(ActivationKind.Relu));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    public static Initialiser ConvInit { get; } = Init.KaimingNormal(fanOut: false);

    protected override Tensor OnForward(Tensor x)
    {
        var active = _bn0.Forward(x, _act0);
        var shortcut = _widen is null ? x : active.Conv2d(_widen, stride: _stride);
        var y = _bn1.Forward(active.Conv2d(_conv0, stride: _stride, padding: 1), _act1).Conv2d(_conv1, padding: 1);
        return (_dropPath?.Forward(y) ?? y) + shortcut;
    }
}
