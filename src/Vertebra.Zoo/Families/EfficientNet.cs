using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The networks built from block tables that end in a convolution before the pooling: MobileNet V1 and V2, MnasNet, FBNet-C,
/// Single-Path NAS, EfficientNet (B, lite, EdgeTPU, CondConv, V2, X), MixNet and TinyNet. Names, state-dict keys and defaults
/// follow timm's efficientnet family; the variants are the rows of EfficientNetVariants.cs.
/// </summary>
public sealed class EfficientNet : MobileNetwork
{
    private readonly Module _headConv;
    private readonly Module _headNorm;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal EfficientNet(MobileSpec spec, ModelOptions options) : base(spec, options)
    {
        var width = spec.HeadWidth;
        NumFeatures = width > 0 ? width : BodyChannels;
        _headConv = Child<Module>("conv_head", width > 0 ? spec.Style.Conv(BodyChannels, width, 1) : new Identity());
        _headNorm = Child<Module>("bn2", width > 0 ? spec.Style.MakeNorm(width, spec.Style.Act) : new Identity());
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", new GlobalPool2d(pool));
        _drop = Child("drop", new Dropout(options.DropRate));
        _classifier = Child("classifier", MakeClassifier(pool, NumClasses));
    }

    public static Family Family { get; } = EfficientNetVariants.Family();

    public override int NumFeatures { get; }

    protected override Tensor OnForwardFeatures(Tensor x) => _headNorm.Forward(_headConv.Forward(ForwardBody(x)));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _classifier = Replace("classifier", MakeClassifier(_pool.Pool, numClasses));
    }

    private Module MakeClassifier(GlobalPool pool, int numClasses) =>
        numClasses == 0 ? new Identity() : MobileInit.Linear(NumFeatures * pool.Width(), numClasses);
}
