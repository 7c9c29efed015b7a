using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The residual networks for 32x32 images of He et al. 2016, section 4.2: depth 6n + 2, widths 16, 32, 64, shortcuts without
/// parameters. State-dict keys as in the published weights of github.com/akamaster/pytorch_resnet_cifar10.
/// </summary>
public sealed class CifarResNet : Backbone
{
    private const int Width = 16;
    private readonly Conv2d _conv;
    private readonly NormLayer _norm;
    private readonly ActivationLayer _act;
    private readonly Sequential[] _stages;
    private readonly Dropout _drop;
    private readonly ScalarBias? _bias;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal CifarResNet(int blocks, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for the CIFAR networks: their last stage is only 4 times smaller than the image");
        _conv = Child("conv1", Conv3x3(InChans, Width, 1));
        var isFixup = options.Parameterisation == Parameterisation.Fixup;
        _norm = isFixup ? Child("bias1", new ScalarBias()) : Child<NormLayer>("bn1", new BatchNorm2d(Width));
        _act = Child("act1", new ActivationLayer(ActivationKind.Relu));
        _stages = new Sequential[3];
        for (var stage = 0; stage < 3; stage++)
        {
            var modules = new Module[blocks];
            for (var i = 0; i < blocks; i++)
            {
                var opens = stage > 0 && i == 0;
                var rate = Widths.DropPathRate(options.DropPathRate, (stage * blocks) + i, 3 * blocks);
                var (from, to) = (opens ? Width << (stage - 1) : Width << stage, Width << stage);
                modules[i] = isFixup
                    ? new FixupBlock([new(from, to, 3, opens ? 2 : 1), new(to, to, 3)], 3 * blocks, rate, shortcut: opens ? x => CifarBlock.Shrink(x, to - from) : null)
                    : new CifarBlock(from, to, opens ? 2 : 1, rate, Parameterisation.Factor(options.Parameterisation, 3 * blocks));
            }
            _stages[stage] = Child($"layer{stage + 1}", new Sequential(modules));
        }
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", new GlobalPool2d(pool));
        _drop = Child("drop", new Dropout(options.DropRate));
        _bias = isFixup ? Child("bias2", new ScalarBias()) : null;
        _classifier = Child("linear", MakeClassifier(pool, NumClasses));
    }

    public static Family Family { get; } = new(
        "cifar_resnet",
        "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, section 4.2, arXiv:1512.03385",
        [.. new[] { 20, 32, 44, 56, 110 }.Select(Row)],
        new Dictionary<string, string>())
    {
        FollowsTimm = false,
        Idea = "The residual network of the paper's CIFAR experiments: three stages of plain blocks with 16, 32 and 64 channels for images of 32 pixels. Shortcuts have no weights: where the shape changes they subsample and pad with zeros.",
    };

    public override int NumFeatures => Width << 2;

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; } = [.. Enumerable.Range(0, 3).Select(i => new FeatureInfo(i, Width << i, 1 << i, $"layer{i + 1}"))];

    public override string Classifier => "linear";

    internal override IReadOnlyList<string> Parameterisations { get; } = [Parameterisation.ReZero, Parameterisation.Fixup, Parameterisation.DepthMuP];

    public override string FirstConv => "conv1";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _norm.Forward(_conv.Forward(x), _act);
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
        _classifier = Replace("linear", MakeClassifier(_pool.Pool, numClasses));
    }

    private Module MakeClassifier(GlobalPool pool, int numClasses) =>
        numClasses == 0 ? new Identity()
        : _bias is null ? new Linear(NumFeatures * pool.Width(), numClasses, initialiser: Init.KaimingNormal(fanOut: false))
        : new Linear(NumFeatures * pool.Width(), numClasses, initialiser: Init.Zeros, biasInitialiser: Init.Zeros);

    private static ModelInfo Row(int depth)
    {
        var config = new PretrainedConfig
        {
            NumClasses = 10,
            InputSize = new(3, 32, 32),
            PoolSize = [8, 8],
            CropPct = 1,
            Interpolation = "bilinear",
            Classifier = "linear",
            FirstConv = "conv1",
        };
        return new($"resnet{depth}_cifar", "cifar_resnet", [config], options => new CifarResNet((depth - 2) / 6, options));
    }

    internal static Conv2d Conv3x3(int inChannels, int outChannels, int stride) =>
        new(inChannels, outChannels, 3, stride, 1, bias: false, initialiser: Init.KaimingNormal(fanOut: false));

    /// <summary>Two 3x3 convolutions beside a shortcut that, where the shape changes, takes every second pixel and pads the new channels with zeros on both sides (option A).</summary>
    private sealed class CifarBlock : Module
    {
        private readonly Conv2d _conv1;
        private readonly NormLayer _bn1;
        private readonly ActivationLayer _act1;
        private readonly Conv2d _conv2;
        private readonly NormLayer _bn2;
        private readonly ActivationLayer _act2;
        private readonly Module? _factor;
        private readonly DropPath? _dropPath;
        private readonly bool _shrinks;
        private readonly int _newChannels;

        public CifarBlock(int inChannels, int outChannels, int stride, float dropPathRate, Module? factor)
        {
            (_shrinks, _newChannels) = (stride != 1, outChannels - inChannels);
            _conv1 = Child("conv1", Conv3x3(inChannels, outChannels, stride));
            _bn1 = Child("bn1", new BatchNorm2d(outChannels));
            _act1 = Child("act1", new ActivationLayer(ActivationKind.Relu));
            _conv2 = Child("conv2", Conv3x3(outChannels, outChannels, 1));
            _bn2 = Child("bn2", new BatchNorm2d(outChannels));
            _act2 = Child("act2", new ActivationLayer(ActivationKind.Relu));
            _factor = factor is null ? null : Child("factor", factor);
            _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        }

        protected override Tensor OnForward(Tensor x)
        {
            var shortcut = _shrinks ? Shrink(x, _newChannels) : x;
            x = _conv2.Forward(_bn1.Forward(_conv1.Forward(x), _act1));
            if (_factor is null && _dropPath is not { IsInPlace: true })
                return _bn2.Forward(x, _act2, shortcut);
            x = _bn2.Forward(x);
            x = _factor?.Forward(x) ?? x;
            return _act2.Forward((_dropPath?.Forward(x) ?? x) + shortcut);
        }

        public static Tensor Shrink(Tensor x, int newChannels)
        {
            var (before, after) = (newChannels / 2, newChannels - (newChannels / 2));
            return x.Slice(1, 0, x.Shape[1], 2).Slice(2, 0, x.Shape[2], 2).Pad([0, 0, 0, before], [0, 0, 0, after]);
        }
    }
}
