using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// The networks built from block tables that pool before the last convolution: MobileNet V3 and V4, FBNet V3, LCNet and
/// HardCoRe-NAS. Names, state-dict keys and defaults follow timm's mobilenetv3 family; the variants are the rows of
/// MobileNetV3Variants.cs.
/// </summary>
public sealed class MobileNetV3 : MobileNetwork
{
    private readonly Conv2d _headConv;
    private readonly NormLayer? _headNorm;
    private readonly ActivationLayer? _headAct;
    private readonly Dropout _drop;
    private readonly int _headWidth;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal MobileNetV3(MobileSpec spec, ModelOptions options) : base(spec, options)
    {
        _headWidth = spec.HeadWidth;
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", new GlobalPool2d(pool, flatten: false));
        _headConv = Child("conv_head", spec.Style.Conv(BodyChannels * pool.Width(), _headWidth, 1, bias: spec.HasHeadBias && !spec.HasHeadNorm));
        if (spec.HasHeadNorm)
            _headNorm = Child("norm_head", spec.Style.MakeNorm(_headWidth, spec.Style.Act));
        else
            _headAct = Child("act2", new ActivationLayer(spec.Style.Act));
        _drop = Child("drop", new Dropout(options.DropRate));
        _classifier = Child("classifier", MakeClassifier(NumClasses));
    }

    public static Family Family { get; } = MobileNetV3Variants.Family();

    public override int NumFeatures => BodyChannels;

    protected override Tensor OnForwardFeatures(Tensor x) => ForwardBody(x);

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _headConv.Forward(_pool.Forward(features));
        x = _headNorm?.Forward(x) ?? x;
        x = _headAct?.Forward(x) ?? x;
        if (_pool.Pool != GlobalPool.None)
            x = x.Reshape([x.Shape[0], x.Shape[3]]);
        x = _drop.Forward(x);
        return preLogits ? x : _classifier.Forward(x);
    }

    // The head's convolution stands between pooling and classifier and is not part of what is reset.
    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed && changed.Width() != _pool.Pool.Width())
            throw new VertebraException($"global_pool cannot change to '{changed.NameOf()}': the convolution behind the pool takes {_headConv.InChannels} channels");
        if (pool is { } other)
            _pool = Replace("global_pool", new GlobalPool2d(other, flatten: false));
        _classifier = Replace("classifier", MakeClassifier(numClasses));
    }

    private Module MakeClassifier(int numClasses) => numClasses == 0 ? new Identity() : MobileInit.Linear(_headWidth, numClasses);
}
