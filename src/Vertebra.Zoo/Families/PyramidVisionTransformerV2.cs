using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// PVT V2: a pyramid of transformers whose keys and values come from a smaller map (Wang et al. 2022). Names, state-dict keys and
/// defaults follow timm.
/// </summary>
public sealed class PyramidVisionTransformerV2 : Backbone
{
    private readonly OverlapPatchEmbed _embed;
    private readonly Sequential _stages;
    private readonly Dropout _drop;
    private readonly PvtV2Spec _spec;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal PyramidVisionTransformerV2(PvtV2Spec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for PVT V2: its pyramid is fixed at 32");
        _spec = spec;
        _embed = Child("patch_embed", new OverlapPatchEmbed(InChans, spec.Widths[0], 7, 4));
        var (index, count) = (0, spec.Depths.Sum());
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            stages[i] = new PvtV2Stage(spec, i, [.. rates]);
            index += spec.Depths[i];
        }
        _stages = Child("stages", new Sequential(stages));
        FeatureInfo = [.. spec.Widths.Select((w, i) => new FeatureInfo(i, w, 4 << i, $"stages.{i}"))];
        _pool = new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg);
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _classifier = Child("head", TokenLinear.Classifier(NumFeatures * _pool.Pool.Width(), NumClasses));
    }

    public static Family Family { get; } = new(
        "pvt_v2",
        "Wang et al.: PVT v2: improved baselines with pyramid vision transformer, CVMJ 2022, arXiv:2106.13797",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "pvt_v2", [("in1k", new() { CropPct = 0.9f, License = "apache-2.0" })], "head", "patch_embed.proj", options => new PyramidVisionTransformerV2(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "A pyramid of transformer stages attends from all tokens to a map that was reduced by convolution, which makes high resolution affordable. Overlapping patches and a depthwise convolution in the MLP bring locality and positions.",
    };

    public override int NumFeatures => _spec.Widths[^1];

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override string Classifier => "head";

    public override string FirstConv => "patch_embed.proj";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_embed.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = new GlobalPool2d(changed);
        _classifier = Replace("head", TokenLinear.Classifier(NumFeatures * _pool.Pool.Width(), numClasses));
    }

    private static (string Name, PvtV2Spec Spec)[] Rows()
    {
        IntList usual = [64, 128, 320, 512];
        return
        [
            ("pvt_v2_b0", new([32, 64, 160, 256], [2, 2, 2, 2])),
            ("pvt_v2_b1", new(usual, [2, 2, 2, 2])),
            ("pvt_v2_b2", new(usual, [3, 4, 6, 3])),
            ("pvt_v2_b3", new(usual, [3, 4, 18, 3])),
            ("pvt_v2_b4", new(usual, [3, 8, 27, 3])),
            ("pvt_v2_b5", new(usual, [3, 6, 40, 3]) { Ratios = [4, 4, 4, 4] }),
            ("pvt_v2_b2_li", new(usual, [3, 4, 6, 3]) { PoolsKeys = true }),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">By stage.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record PvtV2Spec(IntList Widths, IntList Depths)
{
    /// <summary>Hidden width of the MLPs relative to the stage's, by stage.</summary>
    public IntList Ratios { get; init; } = [8, 8, 4, 4];

    public IntList Heads { get; } = [1, 2, 5, 8];

    /// <summary>How many times smaller the map of the keys is along a side, by stage.</summary>
    public IntList Reductions { get; } = [8, 4, 2, 1];

    /// <summary>Keys come from 7x7 means whatever the size of the map: the "linear" variant.</summary>
    public bool PoolsKeys { get; init; }
}

/// <summary>A convolution with overlapping windows, and a norm.</summary>
internal sealed class OverlapPatchEmbed : Module
{
    private readonly Conv2d _proj;
    private readonly NormLayer _norm;

    public OverlapPatchEmbed(int inChannels, int outChannels, int kernel, int stride)
    {
        var start = Init.Normal(MathF.Sqrt(2f / (kernel * kernel * outChannels)));
        _proj = Child("proj", new Conv2d(inChannels, outChannels, kernel, stride, kernel / 2, initialiser: start, biasInitialiser: Init.Zeros));
        _norm = Child("norm", new LayerNorm(outChannels));
    }

    protected override Tensor OnForward(Tensor x) => _norm.Forward(_proj.Forward(x));
}

/// <summary>Halving, blocks and a norm.</summary>
internal sealed class PvtV2Stage : Module
{
    private readonly OverlapPatchEmbed? _downsample;
    private readonly ModuleList<PvtV2Block> _blocks;
    private readonly NormLayer _norm;

    public PvtV2Stage(PvtV2Spec spec, int stage, IReadOnlyList<float> dropPathRates)
    {
        var width = spec.Widths[stage];
        _downsample = stage == 0 ? null : Child("downsample", new OverlapPatchEmbed(spec.Widths[stage - 1], width, 3, 2));
        _blocks = Child("blocks", new ModuleList<PvtV2Block>(dropPathRates.Select(rate => new PvtV2Block(spec, stage, rate))));
        _norm = Child("norm", new LayerNorm(width, 1e-6f));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _downsample?.Forward(x) ?? x;
        foreach (var block in _blocks.Modules)
            x = block.Forward(x);
        return _norm.Forward(x.ToTokens()).ToMap(x.Shape[1], x.Shape[2]);
    }
}

/// <summary>Attention and MLP over a map [N, H, W, C], each normalised before and added to a shortcut.</summary>
internal sealed class PvtV2Block : Module
{
    private readonly NormLayer _norm1;
    private readonly ReducedAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly DepthwiseMlp _mlp;
    private readonly DropPath? _dropPath2;

    public PvtV2Block(PvtV2Spec spec, int stage, float dropPathRate)
    {
        var width = spec.Widths[stage];
        _norm1 = Child("norm1", new LayerNorm(width, 1e-6f));
        _attn = Child("attn", new ReducedAttention(width, spec.Heads[stage], spec.Reductions[stage], spec.PoolsKeys));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, 1e-6f));
        _mlp = Child("mlp", new DepthwiseMlp(width, spec.Ratios[stage] * width, spec.PoolsKeys));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _attn.Forward(_norm1.Forward(x));
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention of all pixels to those of a smaller map, which a striding convolution (or pooling to 7x7) makes.</summary>
internal sealed class ReducedAttention : Module
{
    private readonly int _heads;
    private readonly Linear _q;
    private readonly Linear _kv;
    private readonly Linear _proj;
    private readonly bool _pools;
    private readonly Conv2d? _reduce;
    private readonly NormLayer? _norm;
    private readonly ActivationLayer? _act;

    /// <param name="width">Channels.</param>
    /// <param name="heads">A divisor of them.</param>
    /// <param name="reduction">How many times smaller the map of the keys is along a side.</param>
    /// <param name="pools">Whether it has 7x7 pixels instead.</param>
    public ReducedAttention(int width, int heads, int reduction, bool pools = false)
    {
        (_heads, _pools) = (heads, pools);
        _q = Child("q", TokenLinear.Create(width, width));
        _kv = Child("kv", TokenLinear.Create(width, 2 * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
        if (reduction == 1 && !pools)
            return;
        var kernel = pools ? 1 : reduction;
        var start = Init.Normal(MathF.Sqrt(2f / (kernel * kernel * width)));
        _reduce = Child("sr", new Conv2d(width, width, kernel, kernel, initialiser: start, biasInitialiser: Init.Zeros));
        _norm = Child("norm", new LayerNorm(width));
        _act = pools ? Child("act", new ActivationLayer(ActivationKind.Gelu)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (h, w) = (x.Shape[1], x.Shape[2]);
        var q = Heads.Split(_q.Forward(x.ToTokens()), _heads);
        if (_reduce is not null)
            x = _norm!.Forward(_reduce.Forward(_pools ? x.AdaptiveAvgPool2d(7) : x));
        x = _act?.Forward(x) ?? x;
        var kv = Heads.Split(_kv.Forward(x.ToTokens()), _heads, 2);
        return _proj.Forward(q.Attention(kv[0], kv[1]).Join()).ToMap(h, w);
    }
}

/// <summary>An MLP with a depthwise 3x3 convolution between its layers.</summary>
internal sealed class DepthwiseMlp : Module
{
    private readonly Linear _fc1;
    private readonly ActivationLayer? _relu;
    private readonly Conv2d _conv;
    private readonly ActivationLayer _act;
    private readonly Linear _fc2;

    public DepthwiseMlp(int width, int hidden, bool extraRelu)
    {
        _fc1 = Child("fc1", TokenLinear.Create(width, hidden));
        _relu = extraRelu ? Child("relu", new ActivationLayer(ActivationKind.Relu)) : null;
        _conv = Child("dwconv", new Conv2d(hidden, hidden, 3, 1, 1, groups: hidden, initialiser: Init.Normal(MathF.Sqrt(2f / 9)), biasInitialiser: Init.Zeros));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _fc2 = Child("fc2", TokenLinear.Create(hidden, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _fc1.Forward(x);
        return _fc2.Forward(_act.Forward(_conv.Forward(_relu?.Forward(x) ?? x)));
    }
}
