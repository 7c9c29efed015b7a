using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>A 7x7 convolution that shrinks the image four times.</summary>
internal sealed class MetaFormerStem : Module
{
    private readonly Conv2d _conv;
    private readonly Module _norm;

    public MetaFormerStem(int inChannels, MetaFormerSpec spec)
    {
        _conv = Child("conv", new Conv2d(inChannels, spec.Widths[0], 7, 4, 2, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros));
        _norm = Child("norm", spec.MakeResamplingNorm(spec.Widths[0]));
    }

    protected override Tensor OnForward(Tensor x) => _norm.Forward(_conv.Forward(x));
}

/// <summary>Halving, where the width changes, and blocks.</summary>
internal sealed class MetaFormerStage : Module
{
    private readonly Module _downsample;
    private readonly Sequential _blocks;
    private readonly bool _takesTokens;

    public MetaFormerStage(MetaFormerSpec spec, int stage, int inChannels, IReadOnlyList<float> dropPathRates)
    {
        var width = spec.Widths[stage];
        _takesTokens = spec.MixerOf(stage) == TokenMixer.Attention;
        _downsample = Child<Module>("downsample", inChannels == width ? new Identity() : new Sequential(
        [
            ("norm", spec.MakeResamplingNorm(inChannels)),
            ("conv", new Conv2d(inChannels, width, 3, 2, 1, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros)),
        ]));
        _blocks = Child("blocks", new Sequential(dropPathRates.Select(rate => new MetaFormerBlock(spec, stage, rate))));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _downsample.Forward(x);
        if (!_takesTokens)
            return _blocks.Forward(x);
        var shape = x.Shape;
        return _blocks.Forward(x.Reshape([shape[0], shape[1] * shape[2], shape[3]])).Reshape(shape);
    }
}

/// <summary>Mixer and MLP, each normalised before and added to a shortcut; from stage 2 on the later designs scale the shortcut too.</summary>
internal sealed class MetaFormerBlock : Module
{
    private readonly NormLayer _norm1;
    private readonly Module _mixer;
    private readonly DropPath? _dropPath1;
    private readonly ChannelScale? _layerScale1;
    private readonly ChannelScale? _residualScale1;
    private readonly NormLayer _norm2;
    private readonly Module _mlp;
    private readonly DropPath? _dropPath2;
    private readonly ChannelScale? _layerScale2;
    private readonly ChannelScale? _residualScale2;

    public MetaFormerBlock(MetaFormerSpec spec, int stage, float dropPathRate)
    {
        var (width, mixer) = (spec.Widths[stage], spec.MixerOf(stage));
        _norm1 = Child("norm1", spec.MakeNorm(width));
        _mixer = Child<Module>("token_mixer", mixer switch
        {
            TokenMixer.Pooling => new PoolingMixer(),
            TokenMixer.SeparableConvolution => new SeparableConvolutionMixer(width),
            TokenMixer.Attention => new TokenAttention(width, width / 32, qkvBias: false, projBias: false),
            _ => throw new InvalidOperationException($"mixer {mixer} has no module"),
        });
        _dropPath1 = Drop("drop_path1");
        _layerScale1 = Scale("layer_scale1", spec.LayerScale);
        float? residual = spec.IsFirstVersion || stage < 2 ? null : 1;
        _residualScale1 = Scale("res_scale1", residual);
        _norm2 = Child("norm2", spec.MakeNorm(width));
        _mlp = Child("mlp", MakeMlp(spec, width, ofPixels: mixer != TokenMixer.Attention));
        _dropPath2 = Drop("drop_path2");
        _layerScale2 = Scale("layer_scale2", spec.LayerScale);
        _residualScale2 = Scale("res_scale2", residual);

        DropPath? Drop(string name) => dropPathRate > 0 ? Child(name, new DropPath(dropPathRate)) : null;
        ChannelScale? Scale(string name, float? start) => start is { } value ? Child(name, new ChannelScale(width, value)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = Join(x, _mixer.Forward(_norm1.Forward(x)), _dropPath1, _layerScale1, _residualScale1);
        return Join(x, _mlp.Forward(_norm2.Forward(x)), _dropPath2, _layerScale2, _residualScale2);
    }

    private static Tensor Join(Tensor shortcut, Tensor branch, DropPath? dropPath, ChannelScale? layerScale, ChannelScale? residualScale)
    {
        branch = dropPath?.Forward(branch) ?? branch;
        branch = layerScale?.Forward(branch) ?? branch;
        return (residualScale?.Forward(shortcut) ?? shortcut) + branch;
    }

    private static Sequential MakeMlp(MetaFormerSpec spec, int width, bool ofPixels) => new(
    [
        ("fc1", Affine(width, 4 * width, ofPixels, spec.IsFirstVersion)),
        ("act", spec.MakeActivation()),
        ("fc2", Affine(4 * width, width, ofPixels, spec.IsFirstVersion)),
    ]);

    /// <summary>The same map as a 1x1 convolution or as a linear layer: published weights have it in the one shape or the other.</summary>
    internal static Module Affine(int inChannels, int outChannels, bool ofPixels, bool bias) => ofPixels
        ? new Conv2d(inChannels, outChannels, 1, bias: bias, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros)
        : new Linear(inChannels, outChannels, bias, Init.TruncatedNormal(0.02f), Init.Zeros);
}

/// <summary>The neighbours' average without the pixel itself; pixels outside do not count.</summary>
internal sealed class PoolingMixer : Module
{
    private readonly AvgPool2d _pool;

    public PoolingMixer() => _pool = Child("pool", new AvgPool2d(3, 1, 1, countIncludePad: false));

    protected override Tensor OnForward(Tensor x) => _pool.Forward(x) - x;
}

/// <summary>Expansion to twice the width, StarReLU, a depthwise 7x7 convolution, and back.</summary>
internal sealed class SeparableConvolutionMixer : Module
{
    private readonly Module _expand;
    private readonly StarRelu _act;
    private readonly Conv2d _depthwise;
    private readonly Module _reduce;

    public SeparableConvolutionMixer(int width)
    {
        _expand = Child("pwconv1", MetaFormerBlock.Affine(width, 2 * width, ofPixels: true, bias: false));
        _act = Child("act1", new StarRelu());
        _depthwise = Child("dwconv", new Conv2d(2 * width, 2 * width, 7, padding: 3, groups: 2 * width, bias: false, initialiser: Init.TruncatedNormal(0.02f)));
        _reduce = Child("pwconv2", MetaFormerBlock.Affine(2 * width, width, ofPixels: true, bias: false));
    }

    protected override Tensor OnForward(Tensor x) => _reduce.Forward(_depthwise.Forward(_act.Forward(_expand.Forward(x))));
}

/// <summary><c>scale · relu(x)² + bias</c> with two learned numbers (Yu et al. 2023).</summary>
internal sealed class StarRelu : Module
{
    private readonly Tensor _scale;
    private readonly Tensor _bias;

    public StarRelu()
    {
        _scale = Parameter("scale", [1], Init.Ones);
        _bias = Parameter("bias", [1], Init.Zeros);
    }

    protected override Tensor OnForward(Tensor x) => (x.Relu().Square() * _scale) + _bias;
}

/// <summary>A learned factor per channel, <c>scale</c>.</summary>
internal sealed class ChannelScale : Module
{
    private readonly Tensor _scale;

    public ChannelScale(int channels, float start) => _scale = Parameter("scale", [channels], Init.Constant(start));

    protected override Tensor OnForward(Tensor x) => x * _scale;
}

/// <summary>The whole image to mean 0 and variance 1, then a scale per channel and no shift.</summary>
internal sealed class ShiftlessImageNorm : NormLayer
{
    private readonly Tensor _weight;

    public ShiftlessImageNorm(int channels) : base(1e-6f, ActivationKind.Identity) => _weight = Parameter("weight", [channels], Init.Ones);

    protected override Tensor Normalise(Tensor x) => x.GroupNorm(1, _weight, null, Epsilon);
}

/// <summary>Pool, norm, and a linear classifier or an MLP with squared ReLU as one.</summary>
internal sealed class MetaFormerHead : ClassificationHead
{
    private readonly MetaFormerSpec _spec;
    private readonly NormLayer _norm;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    public MetaFormerHead(MetaFormerSpec spec, int numClasses, ModelOptions options)
    {
        _spec = spec;
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        _pool = Child("global_pool", Pool(pool));
        _norm = Child("norm", new LayerNorm(spec.Widths[^1], 1e-6f));
        _drop = Child("drop", new Dropout(options.DropRate));
        _classifier = Child("fc", MakeClassifier(numClasses));
    }

    public override void Reset(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", Pool(changed));
        _classifier = Replace("fc", MakeClassifier(numClasses));
    }

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(PreLogits(x));

    protected override Tensor PreLogits(Tensor x) => _drop.Forward(_norm.Forward(_pool.Forward(x)));

    // The norm after it has the width of the map, so the pool must keep it.
    private static GlobalPool2d Pool(GlobalPool pool) => pool != GlobalPool.CatAvgMax ? new(pool)
        : throw new VertebraException("global_pool catavgmax doubles the channels, which the norm of a MetaFormer's head cannot take; use avg, max, avgmax or none");

    private Module MakeClassifier(int numClasses)
    {
        var width = _spec.Widths[^1];
        if (numClasses == 0)
            return new Identity();
        if (!_spec.MlpHead)
            return new Linear(width, numClasses, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros);
        return new Sequential(
        [
            ("fc1", new Linear(width, 4 * width, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros)),
            ("act", new SquaredRelu()),
            ("norm", new LayerNorm(4 * width, 1e-6f)),
            ("fc2", new Linear(4 * width, numClasses, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros)),
        ]);
    }

    private sealed class SquaredRelu : Module
    {
        protected override Tensor OnForward(Tensor x) => x.Relu().Square();
    }
}
