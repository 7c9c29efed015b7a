using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// FastViT: blocks of depthwise convolutions, and of attention in the last stages, whose branches fold into one for use (Vasu et al.
/// 2023), and the image towers of MobileCLIP of the same parts. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class FastVit : Backbone
{
    private const int HeadFactor = 2;
    private const int UsualLevels = 4;
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly MultiBranchBlock _finalConv;
    private readonly ClassifierHead _head;

    internal FastVit(FastVitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from FastViT: the strides of its stages are fixed; leave it out or use 32");
        FirstConv = spec.FirstConv;
        _stem = Child("stem", FastVitBlocks.Stem(InChans, spec.Widths[0], spec.StemScales));
        var (index, count, reduction, former) = (0, spec.Depths.Sum(), 4, spec.Widths[0]);
        var (stages, levels) = (new List<Module>(), new List<FeatureInfo>());
        for (var i = 0; i < spec.Depths.Count; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            stages.Add(new Sequential([.. FastVitBlocks.Stage(spec, i, former, [.. rates])]));
            levels.Add(new(i, spec.Widths[i], reduction <<= i == 0 ? 0 : 1, $"stages.{i}"));
            (index, former) = (index + spec.Depths[i], spec.Widths[i]);
        }
        _stages = Child("stages", new Sequential(stages));
        (AllFeatureInfo, FeatureInfo) = (levels, [.. levels.Take(UsualLevels)]);
        NumFeatures = HeadFactor * former;
        _finalConv = Child("final_conv", new MultiBranchBlock(
            former, NumFeatures, 3, groups: former, branches: 1, activation: ActivationKind.Gelu, excitation: new SqueezeExcite(NumFeatures, NumFeatures / 16)));
        _head = Child("head", new ClassifierHead(NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, Init.TruncatedNormal(0.02f)));
    }

    public static Family Family { get; } = FastVitVariants.Family();

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override IReadOnlyList<FeatureInfo> AllFeatureInfo { get; }

    public override string Classifier => "head.fc";

    public override string FirstConv { get; }

    protected override Tensor OnForwardFeatures(Tensor x) => _finalConv.Forward(_stages.Forward(_stem.Forward(x)));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Widths">Channels by stage.</param>
/// <param name="MlpRatio">Hidden channels of an MLP relative to the stage's.</param>
internal sealed record FastVitSpec(IntList Depths, IntList Widths, int MlpRatio)
{
    /// <summary>The first stage whose blocks attend, with a position encoding before them; the number of stages where none does.</summary>
    public int FirstAttention { get; init; } = int.MaxValue;

    /// <summary>The first stage whose halving has squeeze-and-excitation.</summary>
    public int FirstExcitation { get; init; } = int.MaxValue;

    /// <summary>Whether the halving convolutions activate.</summary>
    public bool HalvingActivates { get; init; }

    /// <summary>Whether the stem's convolutions have 1x1 branches.</summary>
    public bool StemScales { get; init; } = true;

    /// <summary>Layer instead of batch normalisation before attention.</summary>
    public bool UsesLayerNorm { get; init; }

    public string FirstConv => StemScales ? "stem.0.conv_kxk.0.conv,stem.0.conv_scale.conv" : "stem.0.conv_kxk.0.conv";
}

/// <summary>Stem and stages.</summary>
internal static class FastVitBlocks
{
    /// <summary>A striding convolution, a striding depthwise one and a pointwise one.</summary>
    public static Sequential Stem(int inChannels, int width, bool scales) => new(
        new MultiBranchBlock(inChannels, width, 3, 2, branches: 1, activation: ActivationKind.Gelu, hasPointwise: scales),
        new MultiBranchBlock(width, width, 3, 2, groups: width, branches: 1, activation: ActivationKind.Gelu, hasPointwise: scales),
        Pointwise(width));

    public static IEnumerable<(string Name, Module Module)> Stage(FastVitSpec spec, int stage, int inChannels, IReadOnlyList<float> dropPathRates)
    {
        var (width, attends) = (spec.Widths[stage], stage >= spec.FirstAttention);
        yield return ("downsample", stage == 0 ? new Identity() : new Sequential([("proj", new Sequential(new LargeKernelConv(spec, inChannels, width, stage >= spec.FirstExcitation), Pointwise(width)))]));
        yield return ("pos_emb", attends ? new ConvolvedPositions(width) : new Identity());
        yield return ("blocks", new Sequential(dropPathRates.Select(rate => (Module)(attends ? new FastVitAttentionBlock(spec, width, rate) : new RepMixerBlock(spec, width, rate)))));
    }

    private static MultiBranchBlock Pointwise(int width) => new(width, width, 1, branches: 1, hasIdentity: true, activation: ActivationKind.Gelu);
}

/// <summary>A striding 7x7 and a 3x3 convolution of groups, summed; then perhaps squeeze-and-excitation and GELU (after Ding et al. 2022, "RepLKNet").</summary>
internal sealed class LargeKernelConv : Module, IReparameterisable
{
    private readonly SqueezeExcite? _excite;
    private readonly ActivationLayer? _act;
    private ConvNormAct? _large;
    private ConvNormAct? _small;
    private Conv2d? _folded;

    public LargeKernelConv(FastVitSpec spec, int inChannels, int outChannels, bool excites)
    {
        _large = Child("large_conv", Branch(7));
        _small = Child("small_conv", Branch(3));
        _excite = excites ? Child("se", new SqueezeExcite(outChannels, Widths.Divisible(outChannels * 0.25, limit: 0))) : null;
        _act = spec.HalvingActivates ? Child("act", new ActivationLayer(ActivationKind.Gelu)) : null;

        ConvNormAct Branch(int kernel) => new(inChannels, outChannels, kernel, 2, ActivationKind.Identity, groups: inChannels);
    }

    public bool IsReparameterised => _folded is not null;

    public void Reparameterise()
    {
        if (_large is null || _small is null)
            return;
        _folded = Child("reparam_conv", new FoldedKernel(_large.Conv).Add(_large).Add(_small).ToConvolution());
        Remove("large_conv");
        Remove("small_conv");
        (_large, _small) = (null, null);
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _folded?.Forward(x) ?? (_large!.Forward(x) + _small!.Forward(x));
        x = _excite?.Forward(x) ?? x;
        return _act?.Forward(x) ?? x;
    }
}

/// <summary>A map and its 7x7 depthwise convolution, summed: where a pixel stands shows in what is missing around it (Chu et al. 2023).</summary>
internal sealed class ConvolvedPositions : Module, IReparameterisable
{
    private Conv2d? _conv;
    private Conv2d? _folded;

    public ConvolvedPositions(int width) => _conv = Child("pos_enc", new Conv2d(width, width, 7, 1, 3, groups: width));

    public bool IsReparameterised => _folded is not null;

    public void Reparameterise()
    {
        if (_conv is null)
            return;
        _folded = Child("reparam_conv", new FoldedKernel(_conv).Add(_conv, null).AddIdentity(null).ToConvolution());
        Remove("pos_enc");
        _conv = null;
    }

    protected override Tensor OnForward(Tensor x) => _folded?.Forward(x) ?? (_conv!.Forward(x) + x);
}

/// <summary>A learned factor <c>gamma</c> [C, 1, 1] per channel of a map.</summary>
internal sealed class MapScale : Module
{
    /// <param name="channels">Channels of the map.</param>
    /// <param name="initial">First value of the factors.</param>
    public MapScale(int channels, float initial = 1e-5f) => Gamma = Parameter("gamma", [channels, 1, 1], Init.Constant(initial));

    public Tensor Gamma { get; }

    protected override Tensor OnForward(Tensor x) => x * Gamma.Reshape([1, 1, 1, Gamma.Shape[0]]);
}

/// <summary>x + γ · (mixed x - normalised x), which folds into one depthwise convolution.</summary>
internal sealed class RepMixer : Module, IReparameterisable
{
    private BatchNorm2d? _norm;
    private MultiBranchBlock? _mixer;
    private MapScale? _scale;
    private Conv2d? _folded;

    public RepMixer(int width)
    {
        _norm = new BatchNorm2d(width);
        Child("norm", new Sequential([("identity", _norm)]));
        _mixer = Child("mixer", new MultiBranchBlock(width, width, 3, groups: width, branches: 1, hasIdentity: true, activation: ActivationKind.Identity));
        _scale = Child("layer_scale", new MapScale(width));
    }

    public bool IsReparameterised => _folded is not null;

    public void Reparameterise()
    {
        if (_norm is null || _mixer is null || _scale is null)
            return;
        var kernel = _mixer.Fold().AddIdentity(_norm, -1).Scale(_scale.Gamma).AddIdentity(null);
        foreach (var (name, _) in Children.ToArray())
            Remove(name);
        (_norm, _mixer, _scale) = (null, null, null);
        _folded = Child("reparam_conv", kernel.ToConvolution());
    }

    protected override Tensor OnForward(Tensor x) => _folded?.Forward(x) ?? (x + _scale!.Forward(_mixer!.Forward(x) - _norm!.Forward(x)));
}

/// <summary>A depthwise 7x7 convolution and two pointwise ones.</summary>
internal sealed class FastVitMlp : Module
{
    private static readonly Initialiser s_init = Init.TruncatedNormal(0.02f);
    private readonly ConvNormAct _conv;
    private readonly Conv2d _fc1;
    private readonly ActivationLayer _act;
    private readonly Conv2d _fc2;

    public FastVitMlp(int width, int hidden)
    {
        _conv = Child("conv", new ConvNormAct(width, width, 7, 1, ActivationKind.Identity, groups: width, initialiser: s_init));
        _fc1 = Child("fc1", new Conv2d(width, hidden, 1, initialiser: s_init, biasInitialiser: Init.Zeros));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _fc2 = Child("fc2", new Conv2d(hidden, width, 1, initialiser: s_init, biasInitialiser: Init.Zeros));
    }

    protected override Tensor OnForward(Tensor x) => _fc2.Forward(_act.Forward(_fc1.Forward(_conv.Forward(x))));
}

/// <summary>A <see cref="RepMixer"/>, then an MLP beside a shortcut.</summary>
internal sealed class RepMixerBlock : Module
{
    private readonly RepMixer _mixer;
    private readonly FastVitMlp _mlp;
    private readonly MapScale _scale;
    private readonly DropPath? _dropPath;

    public RepMixerBlock(FastVitSpec spec, int width, float dropPathRate)
    {
        _mixer = Child("token_mixer", new RepMixer(width));
        _mlp = Child("mlp", new FastVitMlp(width, spec.MlpRatio * width));
        _scale = Child("layer_scale", new MapScale(width));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _mixer.Forward(x);
        var branch = _scale.Forward(_mlp.Forward(x));
        return x + (_dropPath?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention over all pixels, and an MLP, each beside a shortcut.</summary>
internal sealed class FastVitAttentionBlock : Module
{
    private const int HeadWidth = 32;
    private readonly NormLayer _norm;
    private readonly TokenAttention _attention;
    private readonly MapScale _scale1;
    private readonly DropPath? _dropPath1;
    private readonly FastVitMlp _mlp;
    private readonly MapScale _scale2;
    private readonly DropPath? _dropPath2;

    public FastVitAttentionBlock(FastVitSpec spec, int width, float dropPathRate)
    {
        _norm = Child<NormLayer>("norm", spec.UsesLayerNorm ? new LayerNorm(width) : new BatchNorm2d(width));
        _attention = Child("token_mixer", new TokenAttention(width, width / HeadWidth, qkvBias: false));
        _scale1 = Child("layer_scale_1", new MapScale(width));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", new FastVitMlp(width, spec.MlpRatio * width));
        _scale2 = Child("layer_scale_2", new MapScale(width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (height, width) = (x.Shape[1], x.Shape[2]);
        var branch = _scale1.Forward(_attention.Forward(_norm.Forward(x).ToTokens()).ToMap(height, width));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _scale2.Forward(_mlp.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}
