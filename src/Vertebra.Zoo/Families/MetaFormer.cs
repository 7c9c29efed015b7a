using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// MetaFormers: blocks of a token mixer and an MLP, where the mixer may be as plain as pooling. PoolFormer (Yu et al. 2022) and
/// the baselines PoolFormerV2, ConvFormer and CAFormer (Yu et al. 2023). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class MetaFormer : Backbone
{
    private readonly MetaFormerSpec _spec;
    private readonly MetaFormerStem _stem;
    private readonly Sequential _stages;
    private readonly MetaFormerHead _head;

    internal MetaFormer(MetaFormerSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for MetaFormers: their pyramid is fixed at 32");
        _spec = spec;
        _stem = Child("stem", new MetaFormerStem(InChans, spec));
        var stages = new MetaFormerStage[spec.Depths.Count];
        var (width, index) = (spec.Widths[0], 0);
        for (var i = 0; i < stages.Length; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, spec.Depths.Sum()));
            stages[i] = new MetaFormerStage(spec, i, width, [.. rates]);
            (width, index) = (spec.Widths[i], index + spec.Depths[i]);
        }
        _stages = Child("stages", new Sequential(stages));
        FeatureInfo = [.. spec.Widths.Select((w, i) => new FeatureInfo(i, w, 4 << i, $"stages.{i}"))];
        _head = Child("head", new MetaFormerHead(spec, NumClasses, options));
    }

    public static Family Family { get; } = new(
        "metaformer",
        "Yu et al.: MetaFormer is actually what you need for vision, CVPR 2022, arXiv:2111.11418; MetaFormer baselines for vision, TPAMI 2023, arXiv:2210.13452",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "metaformer", r.Tags, r.Spec.Classifier, "stem.conv", options => new MetaFormer(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "What makes transformers work is the frame of token mixer and channel MLP, each normalised and residual, rather than attention. Even mean pooling as the mixer does well, and convolution in the early stages with attention in the late ones better.",
    };

    public override int NumFeatures => _spec.Widths[^1];

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override string Classifier => _spec.Classifier;

    public override string FirstConv => "stem.conv";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    // ---------------------------------------------------------------- variants

    private static IEnumerable<(string Name, MetaFormerSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)> Rows()
    {
        var plain = new PretrainedConfig { CropPct = 1, License = "apache-2.0" };
        IntList small = [64, 128, 320, 512], medium = [96, 192, 384, 768];
        MetaFormerSpec Pool(IntList widths, IntList depths) => new(widths, depths) { Norm = MetaFormerNorm.Image, MlpHead = false };
        (string Size, MetaFormerSpec Spec)[] pools =
        [
            ("s12", Pool(small, [2, 2, 6, 2])), ("s24", Pool(small, [4, 4, 12, 4])), ("s36", Pool(small, [6, 6, 18, 6])),
            ("m36", Pool(medium, [6, 6, 18, 6])), ("m48", Pool(medium, [8, 8, 24, 8])),
        ];
        foreach (var (size, spec) in pools)
        {
            var first = spec with { IsFirstVersion = true, LayerScale = size is "s12" or "s24" ? 1e-5f : 1e-6f };
            yield return ($"poolformer_{size}", first, [("sail_in1k", plain with { CropPct = size[0] == 's' ? 0.9f : 0.95f })]);
            yield return ($"poolformerv2_{size}", spec, [("sail_in1k", plain)]);
        }

        MetaFormerSpec Mixed(IntList widths, IntList depths) => new(widths, depths) { Mixers = [TokenMixer.SeparableConvolution] };
        (string Size, MetaFormerSpec Spec)[] mixed =
        [
            ("s18", Mixed(small, [3, 3, 9, 3])), ("s36", Mixed(small, [3, 12, 18, 3])),
            ("m36", Mixed([96, 192, 384, 576], [3, 12, 18, 3])), ("b36", Mixed([128, 256, 512, 768], [3, 12, 18, 3])),
        ];
        (string, PretrainedConfig)[] tags =
        [
            ("sail_in1k", plain), ("sail_in1k_384", plain.At(384)), ("sail_in22k_ft_in1k", plain), ("sail_in22k_ft_in1k_384", plain.At(384)),
            ("sail_in22k", plain with { NumClasses = 21841 }),
        ];
        TokenMixer[] attentive = [TokenMixer.SeparableConvolution, TokenMixer.SeparableConvolution, TokenMixer.Attention, TokenMixer.Attention];
        foreach (var (size, spec) in mixed)
        {
            yield return ($"convformer_{size}", spec, tags);
            yield return ($"caformer_{size}", spec with { Mixers = attentive }, tags);
        }
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">By stage.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record MetaFormerSpec(IntList Widths, IntList Depths)
{
    /// <summary>By stage; one for all of them.</summary>
    public IReadOnlyList<TokenMixer> Mixers { get; init; } = [TokenMixer.Pooling];

    public MetaFormerNorm Norm { get; init; } = MetaFormerNorm.Pixel;

    /// <summary>PoolFormer of the first paper: GELU and biases in the MLP, shifts in the norms, none before convolutions, unscaled shortcuts.</summary>
    public bool IsFirstVersion { get; init; }

    /// <summary>Start of a branch's scale per channel; null: branches are not scaled.</summary>
    public float? LayerScale { get; init; }

    /// <summary>The classifier is an MLP rather than one linear layer.</summary>
    public bool MlpHead { get; init; } = true;

    public string Classifier => MlpHead ? "head.fc.fc2" : "head.fc";

    public TokenMixer MixerOf(int stage) => Mixers[Math.Min(stage, Mixers.Count - 1)];

    public NormLayer MakeNorm(int channels) =>
        Norm == MetaFormerNorm.Pixel ? new LayerNorm(channels, 1e-6f, bias: false)
        : IsFirstVersion ? new GroupNorm(1, channels) : new ShiftlessImageNorm(channels);

    public Module MakeActivation() => IsFirstVersion ? new ActivationLayer(ActivationKind.Gelu) : new StarRelu();

    /// <summary>The norm beside a convolution that changes resolution.</summary>
    public Module MakeResamplingNorm(int channels) => IsFirstVersion ? new Identity() : new LayerNorm(channels, 1e-6f, bias: false);
}

/// <summary>What mixes the tokens of a block.</summary>
internal enum TokenMixer
{
    /// <summary>3x3 average minus the pixel itself.</summary>
    Pooling,

    /// <summary>MobileNetV2's inverted separable convolution, 7x7.</summary>
    SeparableConvolution,

    /// <summary>Self-attention over all pixels, heads of 32.</summary>
    Attention,
}

internal enum MetaFormerNorm
{
    /// <summary>Each pixel over its channels.</summary>
    Pixel,

    /// <summary>The whole image.</summary>
    Image,
}
