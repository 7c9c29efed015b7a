using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Networks of MLPs alone, over tokens and over channels in turn: MLP-Mixer (Tolstikhin et al. 2021), its gated form, ResMLP (Touvron et
/// al. 2021) and gMLP (Liu et al. 2021). Names, state-dict keys and defaults follow timm's mlp_mixer. Layers over tokens
/// belong to one number of patches, so the images have one size.
/// </summary>
public sealed class MlpMixer : TokenBackbone
{
    private readonly int _imgSize;
    private readonly PatchEmbed _stem;
    private readonly Sequential _blocks;
    private readonly Module _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _head;

    private MlpMixer(MixerSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec.Depth, spec.Width, spec.Patch, prefix: 0))
    {
        (_imgSize, _pool) = (options.ImgSize!.Value, CheckedPool(options.GlobalPool ?? GlobalPool.Avg));
        var tokens = _imgSize / spec.Patch * (_imgSize / spec.Patch);
        _stem = Child("stem", new PatchEmbed(InChans, spec.Width, spec.Patch));
        _blocks = Child("blocks", new Sequential(Enumerable.Range(0, spec.Depth).Select(_ => spec.Block(tokens, options.DropPathRate))));
        _norm = Child("norm", spec.Norm());
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", Head(NumClasses));
    }

    public static Family Family { get; } = new(
        "mlp_mixer",
        "Tolstikhin, Houlsby, Kolesnikov et al.: MLP-Mixer, NeurIPS 2021, arXiv:2105.01601; Touvron et al.: ResMLP, arXiv:2105.03404; Liu et al.: Pay attention to MLPs, arXiv:2105.08050",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "mlp_mixer", r.Tags, "head", "stem.proj", options => new MlpMixer(r.Spec, options)))],
        new Dictionary<string, string>
        {
            ["mixer_b16_224_in21k"] = "mixer_b16_224.goog_in21k_ft_in1k",
            ["mixer_l16_224_in21k"] = "mixer_l16_224.goog_in21k_ft_in1k",
            ["mixer_b16_224_miil"] = "mixer_b16_224.miil_in21k_ft_in1k",
            ["mixer_b16_224_miil_in21k"] = "mixer_b16_224.miil_in21k",
            ["resmlp_12_distilled_224"] = "resmlp_12_224.fb_distilled_in1k",
            ["resmlp_24_distilled_224"] = "resmlp_24_224.fb_distilled_in1k",
            ["resmlp_36_distilled_224"] = "resmlp_36_224.fb_distilled_in1k",
            ["resmlp_big_24_distilled_224"] = "resmlp_big_24_224.fb_distilled_in1k",
            ["resmlp_big_24_224_in22ft1k"] = "resmlp_big_24_224.fb_in22k_ft_in1k",
            ["resmlp_12_224_dino"] = "resmlp_12_224",
            ["resmlp_24_224_dino"] = "resmlp_24_224",
        })
    {
        Idea = "One multilayer perceptron mixes the patches of each channel and another the channels of each patch; there is neither convolution nor attention. Variants gate the spatial mixing (gMLP) or replace norms by affine maps (ResMLP).",
    };

    public override string FirstConv => "stem.proj";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its layers over tokens belong to that size; build it with img_size");
        return _norm.Forward(_blocks.Forward(_stem.Forward(x)));
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(PoolTokens(features, _pool, prefix: 0));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = CheckedPool(pool ?? _pool);
        _head = Replace("head", Head(numClasses));
    }

    private Module Head(int numClasses) => numClasses == 0 ? new Identity() : new Linear(NumFeatures, numClasses, initialiser: Init.Zeros, biasInitialiser: Init.Zeros);

    private static (string Name, MixerSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var (photo, half, raw) = (ImageNet.Crop(0.875f), Inception.Crop(0.875f), Raw.Crop(0.875f).Bilinear());
        var res = new MixerSpec(MixerKind.Residual, 16, 12, 384);
        return
        [
            ("mixer_s32_224", new(MixerKind.Plain, 32, 8, 512), [("untrained", half)]),
            ("mixer_s16_224", new(MixerKind.Plain, 16, 8, 512), [("untrained", half)]),
            ("mixer_b32_224", new(MixerKind.Plain, 32, 12, 768), [("untrained", half)]),
            ("mixer_b16_224", new(MixerKind.Plain, 16, 12, 768),
            [
                ("goog_in21k_ft_in1k", half), ("goog_in21k", half.Classes(21843)), ("miil_in21k", raw.Classes(11221)), ("miil_in21k_ft_in1k", raw),
            ]),
            ("mixer_l32_224", new(MixerKind.Plain, 32, 24, 1024), [("untrained", half)]),
            ("mixer_l16_224", new(MixerKind.Plain, 16, 24, 1024), [("goog_in21k_ft_in1k", half), ("goog_in21k", half.Classes(21843))]),
            ("gmixer_12_224", new(MixerKind.Gated, 16, 12, 384), [("untrained", photo)]),
            ("gmixer_24_224", new(MixerKind.Gated, 16, 24, 384), [("ra3_in1k", photo)]),
            ("resmlp_12_224", res with { LayerScale = 1e-4f }, [("fb_in1k", photo), ("fb_distilled_in1k", photo), ("fb_dino", photo)]),
            ("resmlp_24_224", res with { Depth = 24, LayerScale = 1e-5f }, [("fb_in1k", photo), ("fb_distilled_in1k", photo), ("fb_dino", photo)]),
            ("resmlp_36_224", res with { Depth = 36, LayerScale = 1e-6f }, [("fb_in1k", photo), ("fb_distilled_in1k", photo)]),
            ("resmlp_big_24_224", new(MixerKind.Residual, 8, 24, 768) { LayerScale = 1e-6f }, [("fb_in1k", photo), ("fb_distilled_in1k", photo), ("fb_in22k_ft_in1k", photo)]),
            ("gmlp_ti16_224", new(MixerKind.SpatialGate, 16, 30, 128), [("untrained", half)]),
            ("gmlp_s16_224", new(MixerKind.SpatialGate, 16, 30, 256), [("ra3_in1k", half)]),
            ("gmlp_b16_224", new(MixerKind.SpatialGate, 16, 30, 512), [("untrained", half)]),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record MixerSpec(MixerKind Kind, int Patch, int Depth, int Width)
{
    /// <summary>First factor of the residual form's scales.</summary>
    public float LayerScale { get; init; }

    public Module Norm() => Kind == MixerKind.Residual ? new Affine(Width) : new LayerNorm(Width, 1e-6f);

    public Module Block(int tokens, float dropPathRate) => Kind switch
    {
        MixerKind.Plain or MixerKind.Gated => new MixerBlock(this, tokens, dropPathRate),
        MixerKind.Residual => new ResMlpBlock(this, tokens, dropPathRate),
        MixerKind.SpatialGate => new SpatialGateBlock(this, tokens, dropPathRate),
        _ => throw new InvalidOperationException($"no block is {Kind}"),
    };

    /// <summary>Linear layers of these networks.</summary>
    public static Linear Layer(int from, int to) => new(from, to, initialiser: Init.XavierUniform, biasInitialiser: Init.Normal(1e-6f));
}

internal enum MixerKind
{
    Plain,
    Gated,
    Residual,
    SpatialGate,
}

/// <summary>An MLP over the tokens of each channel, then one over the channels of each token.</summary>
internal sealed class MixerBlock : Module
{
    private readonly LayerNorm _norm1;
    private readonly Module _overTokens;
    private readonly DropPath? _dropPath;
    private readonly LayerNorm _norm2;
    private readonly Module _overChannels;

    public MixerBlock(MixerSpec spec, int tokens, float dropPathRate)
    {
        var gated = spec.Kind == MixerKind.Gated;
        _norm1 = Child("norm1", new LayerNorm(spec.Width, 1e-6f));
        _overTokens = Child("mlp_tokens", Mlp(tokens, gated ? spec.Width : spec.Width / 2, gated));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(spec.Width, 1e-6f));
        _overChannels = Child("mlp_channels", Mlp(spec.Width, spec.Width * 4, gated));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _overTokens.Forward(_norm1.Forward(x).Transpose(1, 2)).Transpose(1, 2);
        x += _dropPath?.Forward(y) ?? y;
        y = _overChannels.Forward(_norm2.Forward(x));
        return x + (_dropPath?.Forward(y) ?? y);
    }

    private static Module Mlp(int features, int hidden, bool gated) => gated ? new GluMlp(features, hidden, gateLast: true) : new TokenMlp(features, hidden);
}

/// <summary>One layer over the tokens, then an MLP over the channels, scaled, with an affine map in place of normalisers.</summary>
internal sealed class ResMlpBlock : Module
{
    private readonly Tensor _scale1;
    private readonly Tensor _scale2;
    private readonly Affine _norm1;
    private readonly Linear _overTokens;
    private readonly DropPath? _dropPath;
    private readonly Affine _norm2;
    private readonly TokenMlp _overChannels;

    public ResMlpBlock(MixerSpec spec, int tokens, float dropPathRate)
    {
        _scale1 = Parameter("ls1", [spec.Width], Init.Constant(spec.LayerScale));
        _scale2 = Parameter("ls2", [spec.Width], Init.Constant(spec.LayerScale));
        _norm1 = Child("norm1", new Affine(spec.Width));
        _overTokens = Child("linear_tokens", MixerSpec.Layer(tokens, tokens));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new Affine(spec.Width));
        _overChannels = Child("mlp_channels", new TokenMlp(spec.Width, spec.Width * 4));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _overTokens.Forward(_norm1.Forward(x).Transpose(1, 2)).Transpose(1, 2) * _scale1;
        x += _dropPath?.Forward(y) ?? y;
        y = _overChannels.Forward(_norm2.Forward(x)) * _scale2;
        return x + (_dropPath?.Forward(y) ?? y);
    }
}

/// <summary>Factor <c>alpha</c> and shift <c>beta</c> for each channel.</summary>
internal sealed class Affine : Module
{
    private readonly Tensor _alpha;
    private readonly Tensor _beta;

    public Affine(int channels)
    {
        _alpha = Parameter("alpha", [1, 1, channels], Init.Ones);
        _beta = Parameter("beta", [1, 1, channels], Init.Zeros);
    }

    protected override Tensor OnForward(Tensor x) => (x * _alpha) + _beta;
}

/// <summary>An MLP over the channels, half of whose hidden channels gate the other half after a layer over the tokens.</summary>
internal sealed class SpatialGateBlock : Module
{
    private readonly LayerNorm _norm;
    private readonly GatedMlp _mlp;
    private readonly DropPath? _dropPath;

    public SpatialGateBlock(MixerSpec spec, int tokens, float dropPathRate)
    {
        _norm = Child("norm", new LayerNorm(spec.Width, 1e-6f));
        _mlp = Child("mlp_channels", new GatedMlp(spec.Width, spec.Width * 6, tokens));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _mlp.Forward(_norm.Forward(x));
        return x + (_dropPath?.Forward(y) ?? y);
    }

    private sealed class GatedMlp : Module
    {
        private readonly Linear _fc1;
        private readonly ActivationLayer _act;
        private readonly SpatialGate _gate;
        private readonly Linear _fc2;

        public GatedMlp(int width, int hidden, int tokens)
        {
            _fc1 = Child("fc1", MixerSpec.Layer(width, hidden));
            _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
            _gate = Child("gate", new SpatialGate(hidden, tokens));
            _fc2 = Child("fc2", MixerSpec.Layer(hidden / 2, width));
        }

        protected override Tensor OnForward(Tensor x) => _fc2.Forward(_gate.Forward(_act.Forward(_fc1.Forward(x))));
    }

    /// <summary>At first the gate is open: weights near zero, biases one.</summary>
    private sealed class SpatialGate : Module
    {
        private readonly LayerNorm _norm;
        private readonly Linear _proj;

        public SpatialGate(int hidden, int tokens)
        {
            _norm = Child("norm", new LayerNorm(hidden / 2));
            _proj = Child("proj", new Linear(tokens, tokens, initialiser: Init.Normal(1e-6f), biasInitialiser: Init.Ones));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var halves = x.Chunk(2, -1);
            return halves[0] * _proj.Forward(_norm.Forward(halves[1]).Transpose(1, 2)).Transpose(1, 2);
        }
    }
}
