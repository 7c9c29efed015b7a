using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Next-ViT: convolutional blocks whose groups take the place of heads, and at the end of each stage blocks of attention and convolution
/// side by side (Li et al. 2022). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class NextVit : PooledBackbone
{
    private const int TransformerPeriod = 5;
    private static readonly IntList s_widths = [96, 192, 384, 768];
    private static readonly IntList s_lastWidths = [96, 256, 512, 1024];
    private static readonly IntList s_reductions = [8, 4, 2, 1];
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormLayer _norm;

    internal NextVit(int depth, ModelOptions options) : base(options, "stem.0.conv", "head.fc")
    {
        RefuseOutputStride(options, "Next-ViT");
        IntList depths = [3, 4, depth, 3];
        _stem = Child("stem", new Sequential(NextVitParts.Stem(InChans, 64, 2), NextVitParts.Stem(64, 32, 1), NextVitParts.Stem(32, 64, 1), NextVitParts.Stem(64, 64, 2)));
        var (index, count, inChannels) = (0, depths.Sum(), 64);
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var blocks = new Module[depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
            {
                var attends = i == 2 ? b % TransformerPeriod == TransformerPeriod - 1 : i > 0 && b == blocks.Length - 1;
                var (width, stride) = (attends ? s_lastWidths[i] : s_widths[i], i > 0 && b == 0 ? 2 : 1);
                var rate = Widths.DropPathRate(options.DropPathRate, index, count);
                blocks[b] = attends ? new NextTransformerBlock(inChannels, width, stride, s_reductions[i], rate) : new NextConvBlock(inChannels, width, stride, rate);
                inChannels = width;
            }
            stages[i] = new Sequential([("blocks", new Sequential(blocks))]);
            AddFeature(inChannels, 4 << i, $"stages.{i}");
        }
        _stages = Child("stages", new Sequential(stages));
        _norm = Child("norm", new BatchNorm2d(inChannels));
        AddHead(inChannels, options, initialiser: NextVitParts.Start);
    }

    public static Family Family { get; } = new(
        "nextvit",
        "Li et al.: Next-ViT: next generation vision transformer for efficient deployment in realistic industrial scenarios, 2022, arXiv:2207.05501",
        [Row("nextvit_small", 10), Row("nextvit_base", 20), Row("nextvit_large", 30)],
        new Dictionary<string, string>())
    {
        Idea = "Convolutional blocks with attention-like multi-head structure make up most of each stage, and one transformer block at its end sees globally. The mix was found for fast inference in deployed engines rather than for few operations.",
    };

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    private static ModelInfo Row(string name, int depth)
    {
        var config = new PretrainedConfig { CropPct = 0.95f, License = "apache-2.0" };
        var wide = config.At(384).Crop(1);
        return ModelInfo.Row(
            name, "nextvit", [("bd_in1k", config), ("bd_in1k_384", wide), ("bd_ssld_6m_in1k", config), ("bd_ssld_6m_in1k_384", wide)], "head.fc", "stem.0.conv",
            options => new NextVit(depth, options));
    }
}

/// <summary>Parts of both kinds of block.</summary>
internal static class NextVitParts
{
    public const int HeadWidth = 32;

    public static Initialiser Start { get; } = Init.TruncatedNormal(0.02f);

    /// <summary>A 3x3 convolution of the stem with its norm and activation.</summary>
    public static Sequential Stem(int inChannels, int outChannels, int stride) => new(
    [
        ("conv", Conv(inChannels, outChannels, 3, stride)), ("norm", new BatchNorm2d(outChannels)), ("act", new ActivationLayer(ActivationKind.Relu)),
    ]);

    /// <summary>Halves the map and changes the channels where that is wanted.</summary>
    public static Module Embed(int inChannels, int outChannels, int stride)
    {
        if (stride == 1 && inChannels == outChannels)
            return new Identity();
        Module pool = stride == 1 ? new Identity() : new AvgPool2d(2, 2, ceilMode: true, countIncludePad: false);
        return new Sequential([("pool", pool), ("conv", Conv(inChannels, outChannels, 1)), ("norm", new BatchNorm2d(outChannels))]);
    }

    /// <summary>"Multi-head convolutional attention": a convolution in groups of a head's width, then a 1x1 convolution.</summary>
    public static Sequential ConvolutionalAttention(int width) => new(
    [
        ("group_conv3x3", Conv(width, width, 3, groups: width / HeadWidth)), ("norm", new BatchNorm2d(width)),
        ("act", new ActivationLayer(ActivationKind.Relu)), ("projection", Conv(width, width, 1)),
    ]);

    public static TokenMlp Mlp(int width, int ratio) => new(width, ratio * width, activation: ActivationKind.Relu, useConv: true);

    private static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int groups = 1) =>
        new(inChannels, outChannels, kernel, stride, kernel / 2, groups: groups, bias: false, initialiser: Start);
}

/// <summary>Convolution in groups and an MLP, each added to a shortcut.</summary>
internal sealed class NextConvBlock : Module
{
    private readonly Module _embed;
    private readonly Sequential _attn;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public NextConvBlock(int inChannels, int width, int stride, float dropPathRate)
    {
        _embed = Child("patch_embed", NextVitParts.Embed(inChannels, width, stride));
        _attn = Child("mhca", NextVitParts.ConvolutionalAttention(width));
        _dropPath1 = dropPathRate > 0 ? Child("attn_drop_path", new DropPath(dropPathRate)) : null;
        _norm = Child("norm", new BatchNorm2d(width));
        _mlp = Child("mlp", NextVitParts.Mlp(width, 3));
        _dropPath2 = dropPathRate > 0 ? Child("mlp_drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _embed.Forward(x);
        var branch = _attn.Forward(x);
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention over three quarters of the channels; of its result a convolution in groups makes the rest; then an MLP over all.</summary>
internal sealed class NextTransformerBlock : Module
{
    private const float Share = 0.75f;
    private readonly Module _embed;
    private readonly NormLayer _norm1;
    private readonly MeanKeyAttention _attn;
    private readonly DropPath? _dropPathAttention;
    private readonly Module _projection;
    private readonly Sequential _convolution;
    private readonly DropPath? _dropPathConvolution;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPathMlp;

    public NextTransformerBlock(int inChannels, int width, int stride, int reduction, float dropPathRate)
    {
        var attended = Widths.Divisible((int)(width * Share), NextVitParts.HeadWidth);
        _embed = Child("patch_embed", NextVitParts.Embed(inChannels, attended, stride));
        _norm1 = Child("norm1", new BatchNorm2d(attended));
        _attn = Child("e_mhsa", new MeanKeyAttention(attended, reduction));
        _dropPathAttention = Drop("mhsa_drop_path", dropPathRate * Share);
        _projection = Child("projection", NextVitParts.Embed(attended, width - attended, 1));
        _convolution = Child("mhca", NextVitParts.ConvolutionalAttention(width - attended));
        _dropPathConvolution = Drop("mhca_drop_path", dropPathRate * (1 - Share));
        _norm2 = Child("norm2", new BatchNorm2d(width));
        _mlp = Child("mlp", NextVitParts.Mlp(width, 2));
        _dropPathMlp = Drop("mlp_drop_path", dropPathRate);

        DropPath? Drop(string name, float rate) => rate > 0 ? Child(name, new DropPath(rate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _embed.Forward(x);
        var branch = _attn.Forward(_norm1.Forward(x));
        x += _dropPathAttention?.Forward(branch) ?? branch;
        var rest = _projection.Forward(x);
        branch = _convolution.Forward(rest);
        x = Tensor.Concat([x, rest + (_dropPathConvolution?.Forward(branch) ?? branch)], -1);
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPathMlp?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention of all pixels to the means of runs of pixels, which follow one another along the rows.</summary>
internal sealed class MeanKeyAttention : Module
{
    private readonly int _heads;
    private readonly int _run;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _proj;
    private readonly NormLayer? _norm;

    /// <param name="width">Channels.</param>
    /// <param name="reduction">Root of the number of pixels in a run; 1: every pixel is a key.</param>
    public MeanKeyAttention(int width, int reduction)
    {
        (_heads, _run) = (width / NextVitParts.HeadWidth, reduction * reduction);
        _q = Child("q", TokenLinear.Create(width, width));
        _k = Child("k", TokenLinear.Create(width, width));
        _v = Child("v", TokenLinear.Create(width, width));
        _proj = Child("proj", TokenLinear.Create(width, width));
        _norm = reduction > 1 ? Child("norm", new BatchNorm2d(width)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (h, w) = (x.Shape[1], x.Shape[2]);
        var tokens = x.ToTokens();
        var q = Heads.Split(_q.Forward(tokens), _heads);
        if (_norm is not null)
            tokens = _norm.Forward(Means(tokens));
        // Scaled before, as in the reference: its scores can be large, and where two keys tie, rounding decides.
        q *= 1 / MathF.Sqrt(NextVitParts.HeadWidth);
        return _proj.Forward(q.Attention(Heads.Split(_k.Forward(tokens), _heads), Heads.Split(_v.Forward(tokens), _heads), scale: 1).Join()).ToMap(h, w);
    }

    // A run that is not full counts for nothing.
    private Tensor Means(Tensor tokens)
    {
        var runs = tokens.Shape[1] / _run;
        if (runs == 0)
            throw new VertebraException($"a map of {tokens.Shape[1]} pixels is too small for keys that are means of {_run} pixels; take larger images");
        if (runs * _run < tokens.Shape[1])
            tokens = tokens.Slice(1, 0, runs * _run);
        return tokens.Reshape([tokens.Shape[0], runs, _run, tokens.Shape[2]]).Mean([2]);
    }
}
