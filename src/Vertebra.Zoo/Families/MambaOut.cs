using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// MambaOut: Mamba's blocks without their state space model, a gated MLP with a depthwise convolution (Yu and Wang 2025). Names,
/// state-dict keys and defaults follow timm.
/// </summary>
public sealed class MambaOut : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly VectorNormHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal MambaOut(MambaOutSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for MambaOut: its pyramid is fixed at 32");
        var width = spec.Widths[0];
        List<(string, Module)> stem = [("conv1", Conv(InChans, width / 2)), ("act", new ActivationLayer(spec.Activation)), ("conv2", Conv(width / 2, width)), ("norm2", Norm(width))];
        if (!spec.IsLater)
            stem.Insert(1, ("norm1", Norm(width / 2)));
        _stem = Child("stem", new Sequential(stem));
        var (index, count) = (0, spec.Depths.Sum());
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            Module downsample = i == 0 ? new Identity() : Downsample(spec, width, spec.Widths[i]);
            width = spec.Widths[i];
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
                blocks[b] = new GatedConvBlock(spec, width, Widths.DropPathRate(options.DropPathRate, index, count));
            stages[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _head = Child("head", new VectorNormHead(
            Norm(width), width, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, 4 * width, spec.IsLater ? null : Norm(4 * width)));
    }

    public static Family Family { get; } = new(
        "mambaout",
        "Yu, Wang: MambaOut: do we really need Mamba for vision?, CVPR 2025, arXiv:2405.07992",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "mambaout", r.Tags, "head.fc", "stem.conv1", options => new MambaOut(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Mamba's block without its state-space model, a gated convolution, classifies images better than with it. The state space pays off for long sequences and causal tasks, which classification is not.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "stem.conv1";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static Sequential Downsample(MambaOutSpec spec, int inChannels, int outChannels) => spec.IsLater
        ? new([("norm", Norm(inChannels)), ("conv", Conv(inChannels, outChannels))])
        : new([("conv", Conv(inChannels, outChannels)), ("norm", Norm(outChannels))]);

    private static Conv2d Conv(int inChannels, int outChannels) => new(inChannels, outChannels, 3, 2, 1, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros);

    internal static LayerNorm Norm(int channels) => new(channels, 1e-6f);

    private static (string Name, MambaOutSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var config = (new PretrainedConfig { CropPct = 1, License = "apache-2.0" }).TestAt(288, null);
        var longer = (config with { CropPct = 0.95f }).TestAt(288, 1);
        IntList narrow = [48, 96, 192, 288], middle = [96, 192, 384, 576], wide = [128, 256, 512, 768];
        (string, PretrainedConfig)[] own = [("in1k", config)], long500 = [("sw_e500_in1k", longer)];
        MambaOutSpec Later(IntList depths, IntList widths) => new(depths, widths) { IsLater = true };
        return
        [
            ("mambaout_femto", new([3, 3, 9, 3], narrow), own),
            ("mambaout_kobe", new([3, 3, 15, 3], narrow), own),
            ("mambaout_tiny", new([3, 3, 9, 3], middle), own),
            ("mambaout_small", new([3, 4, 27, 3], middle), own),
            ("mambaout_base", new([3, 4, 27, 3], wide), own),
            ("mambaout_small_rw", Later([3, 4, 27, 3], middle), [("sw_e450_in1k", config)]),
            ("mambaout_base_short_rw", Later([3, 3, 25, 3], wide) with { Expansion = 3, ConvRatio = 1.25 }, long500),
            ("mambaout_base_tall_rw", Later([3, 4, 30, 3], wide) with { Expansion = 2.5, ConvRatio = 1.25 }, long500),
            ("mambaout_base_wide_rw", Later([3, 4, 27, 3], wide) with { Expansion = 3, ConvRatio = 1.5, Activation = ActivationKind.Silu }, long500),
            ("mambaout_base_plus_rw", Later([3, 4, 30, 3], wide) with { Expansion = 3, ConvRatio = 1.5, Activation = ActivationKind.Silu },
            [
                ("sw_e150_in12k_ft_in1k", config), ("sw_e150_r384_in12k_ft_in1k", config.At(384).TestAt(384, null) with { CropMode = "squash" }),
                ("sw_e150_in12k", config with { NumClasses = 11821 }),
            ]),
            ("test_mambaout", Later([1, 1, 3, 1], [16, 32, 48, 64]) with { Expansion = 3, Activation = ActivationKind.Silu }, [("", config.At(160).TestAt(192, null))]),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Widths">By stage.</param>
internal sealed record MambaOutSpec(IntList Depths, IntList Widths)
{
    /// <summary>timm's later designs: norms before the halving convolutions, none within the stem, scaled branches.</summary>
    public bool IsLater { get; init; }

    /// <summary>Channels beside the gate relative to the block's.</summary>
    public double Expansion { get; init; } = 8.0 / 3;

    /// <summary>Channels of the convolution relative to the block's.</summary>
    public double ConvRatio { get; init; } = 1;

    public ActivationKind Activation { get; init; } = ActivationKind.Gelu;
}

/// <summary>A gated MLP with a depthwise 7x7 convolution over part of its channels, beside a shortcut.</summary>
internal sealed class GatedConvBlock : Module
{
    private readonly IntList _parts;
    private readonly NormLayer _norm;
    private readonly Linear _fc1;
    private readonly ActivationLayer _act;
    private readonly Conv2d _conv;
    private readonly Linear _fc2;
    private readonly LayerScale? _scale;
    private readonly DropPath? _dropPath;

    public GatedConvBlock(MambaOutSpec spec, int width, float dropPathRate)
    {
        var (hidden, mixed) = ((int)(spec.Expansion * width), (int)(spec.ConvRatio * width));
        _parts = [hidden, hidden - mixed, mixed];
        _norm = Child("norm", MambaOut.Norm(width));
        _fc1 = Child("fc1", TokenLinear.Create(width, 2 * hidden));
        _act = Child("act", new ActivationLayer(spec.Activation));
        _conv = Child("conv", new Conv2d(mixed, mixed, 7, 1, 3, groups: mixed, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros));
        _fc2 = Child("fc2", TokenLinear.Create(hidden, width));
        _scale = spec.IsLater ? Child("ls", new LayerScale(width)) : null;
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var parts = _fc1.Forward(_norm.Forward(x)).Split(_parts, -1);
        var branch = _fc2.Forward(_act.Forward(parts[0]) * Tensor.Concat([parts[1], _conv.Forward(parts[2])], -1));
        branch = _scale?.Forward(branch) ?? branch;
        return x + (_dropPath?.Forward(branch) ?? branch);
    }
}
