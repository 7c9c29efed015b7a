using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// MViTv2: a pyramid of transformers whose queries, keys and values are pooled by convolutions, with relative positions learned for rows
/// and columns apart (Li et al. 2022). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class MultiScaleVit : TokenBackbone
{
    private readonly int _side;
    private readonly int _prefix;
    private readonly Tensor? _classToken;
    private readonly Sequential _embed;
    private readonly ModuleList<MultiScaleStage> _stages;
    private readonly NormLayer _norm;
    private readonly MultiScaleHead _head;
    private GlobalPool _pool;

    internal MultiScaleVit(MultiScaleVitSpec spec, ModelOptions options) : base(options, spec.Width << 3, LevelsOf(spec))
    {
        _side = options.ImgSize ?? 224;
        if (_side % 32 != 0)
            throw new VertebraException($"img_size is {_side}; for MViTv2 it must be a multiple of 32: four-pixel patches that are pooled three times");
        _prefix = spec.HasClassToken ? 1 : 0;
        _classToken = spec.HasClassToken ? Parameter("cls_token", [1, 1, spec.Width], Init.TruncatedNormal(0.02f)) : null;
        _embed = Child("patch_embed", new Sequential([("proj", new Conv2d(InChans, spec.Width, 7, 4, 3))]));
        var (index, count) = (0, spec.Depths.Sum());
        var stages = new MultiScaleStage[4];
        for (var i = 0; i < 4; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            stages[i] = new MultiScaleStage(spec, i, _side / 4, [.. rates]);
            index += spec.Depths[i];
        }
        _stages = Child("stages", new ModuleList<MultiScaleStage>(stages));
        _norm = Child("norm", new LayerNorm(NumFeatures, MultiScaleVitSpec.Epsilon));
        _head = Child("head", new MultiScaleHead(NumFeatures, NumClasses, options.DropRate));
        _pool = Checked(options.GlobalPool ?? (spec.HasClassToken ? GlobalPool.Token : GlobalPool.Avg));
    }

    public static Family Family { get; } = new(
        "mvitv2",
        "Li et al.: MViTv2: improved multiscale vision transformers for classification and detection, CVPR 2022, arXiv:2112.01526",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "mvitv2", [(r.Tag, TransformerConfigs.ImageNet.Classes(r.Classes))], "head.fc", "patch_embed.proj", options => new MultiScaleVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Queries, keys and values are pooled inside attention, so that resolution falls and channels grow as in a pyramid. Version 2 adds relative positions decomposed by axis and a residual connection for the pooled queries.",
    };

    public override IReadOnlyList<FeatureInfo> FeatureInfo => AllFeatureInfo;

    public override string Classifier => "head.fc";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        foreach (var (name, own) in NamedParameters().Where(p => p.Name.Contains(".rel_pos_", StringComparison.Ordinal)))
        {
            if (!state.TryGetValue(name, out var given) || given.Shape == own.Shape || given.Rank != 2)
                continue;
            notes.Add($"{name}: resampled from {given.Shape[0]} to {own.Shape[0]} distances");
            var image = given.To(DType.Float32).Reshape([1, given.Shape[0], 1, given.Shape[1]]);
            state[name] = image.Interpolate((own.Shape[0], 1), Kernels.InterpolationMode.Bilinear).Reshape([own.Shape[0], given.Shape[1]]);
        }
    }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _side || x.Shape[2] != _side)
            throw new VertebraException($"relative positions are laid out for images of {_side}x{_side}, got {x.Shape[1]}x{x.Shape[2]}; build the network for the image size (img_size)");
        x = _embed.Forward(x).ToTokens();
        if (_classToken is not null)
            x = x.Prepend(_classToken);
        foreach (var stage in _stages.Modules)
            x = stage.Forward(x);
        return _norm.Forward(x);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = PoolTokens(features, _pool, _prefix);
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = pool is { } changed ? Checked(changed) : _pool;
        _head.Reset(NumFeatures, numClasses);
    }

    private GlobalPool Checked(GlobalPool pool) => CheckedPool(pool) != GlobalPool.Token || _prefix > 0 ? pool
        : throw new VertebraException("global_pool 'token' needs a class token, which this network does not have; use avg, max, avgmax or none");

    // The reference calls the levels otherwise than the modules that return them.
    private static IEnumerable<FeatureInfo> LevelsOf(MultiScaleVitSpec spec) =>
        Enumerable.Range(0, 4).Select(i => new FeatureInfo(i, spec.OutWidth(i), 4 << i, $"block.{i}", spec.HasClassToken ? 1 : 0) { Path = $"stages.{i}" });

    private static (string Name, string Tag, int Classes, MultiScaleVitSpec Spec)[] Rows() =>
    [
        ("mvitv2_tiny", "fb_in1k", 1000, new(96, 1, [1, 2, 5, 2])),
        ("mvitv2_small", "fb_in1k", 1000, new(96, 1, [1, 2, 11, 2])),
        ("mvitv2_base", "fb_in1k", 1000, new(96, 1, [2, 3, 16, 3])),
        ("mvitv2_large", "fb_in1k", 1000, new(144, 2, [2, 6, 36, 4]) { WidensInMlp = true }),
        ("mvitv2_small_cls", "", 1000, new(96, 1, [1, 2, 11, 2]) { HasClassToken = true }),
        ("mvitv2_base_cls", "fb_inw21k", 19168, new(96, 1, [2, 3, 16, 3]) { HasClassToken = true }),
        ("mvitv2_large_cls", "fb_inw21k", 19168, new(144, 2, [2, 6, 36, 4]) { HasClassToken = true }),
        ("mvitv2_huge_cls", "fb_inw21k", 19168, new(192, 3, [4, 8, 60, 8]) { HasClassToken = true }),
    ];
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage.</param>
/// <param name="Heads">Of the first stage; they double too.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record MultiScaleVitSpec(int Width, int Heads, IntList Depths)
{
    public const float Epsilon = 1e-6f;

    /// <summary>A learned token stands before the pixels and is what is classified.</summary>
    public bool HasClassToken { get; init; }

    /// <summary>The channels double in the MLP that ends a stage, rather than in the attention that begins one.</summary>
    public bool WidensInMlp { get; init; }

    /// <summary>Channels that a stage returns.</summary>
    public int OutWidth(int stage) => Width << (WidensInMlp ? Math.Min(stage + 1, 3) : stage);
}

/// <summary>Dropout and the classifier <c>fc</c>.</summary>
internal sealed class MultiScaleHead : Module
{
    private readonly Dropout _drop;
    private Module _classifier;

    public MultiScaleHead(int features, int numClasses, float dropRate)
    {
        _drop = Child("drop", new Dropout(dropRate));
        _classifier = Child("fc", TokenLinear.Classifier(features, numClasses));
    }

    /// <summary>Puts a fresh classifier in place.</summary>
    public void Reset(int features, int numClasses) => _classifier = Replace("fc", TokenLinear.Classifier(features, numClasses));

    protected override Tensor OnForward(Tensor x) => _classifier.Forward(_drop.Forward(x));
}

/// <summary>The blocks of one resolution, the first of which comes to it.</summary>
internal sealed class MultiScaleStage : Module
{
    private readonly ModuleList<MultiScaleBlock> _blocks;

    /// <param name="spec">The variant.</param>
    /// <param name="stage">From 0 on.</param>
    /// <param name="side">Side of the first stage's map.</param>
    /// <param name="dropPathRates">By block.</param>
    public MultiScaleStage(MultiScaleVitSpec spec, int stage, int side, IReadOnlyList<float> dropPathRates)
    {
        var keyStride = Math.Max(4 >> stage, 1);
        var blocks = new MultiScaleBlock[dropPathRates.Count];
        for (var i = 0; i < blocks.Length; i++)
        {
            var opens = stage > 0 && i == 0;
            var from = opens ? spec.OutWidth(stage - 1) : spec.Width << stage;
            var to = i == blocks.Length - 1 ? spec.OutWidth(stage) : spec.Width << stage;
            var pooling = new QueryPooling(opens ? side >> (stage - 1) : side >> stage, opens ? 2 : 1, keyStride, spec.HasClassToken ? 1 : 0);
            blocks[i] = new MultiScaleBlock(from, to, spec.WidensInMlp ? from : to, spec.Heads << stage, pooling, dropPathRates[i]);
        }
        _blocks = Child("blocks", new ModuleList<MultiScaleBlock>(blocks));
    }

    protected override Tensor OnForward(Tensor x)
    {
        foreach (var block in _blocks.Modules)
            x = block.Forward(x);
        return x;
    }
}

/// <summary>How a block pools.</summary>
/// <param name="Side">Side of the map that comes in.</param>
/// <param name="QueryStride">How many times smaller the map becomes.</param>
/// <param name="KeyStride">How many times smaller the map of keys and values is.</param>
/// <param name="Prefix">Tokens before the map's, which are not pooled.</param>
internal sealed record QueryPooling(int Side, int QueryStride, int KeyStride, int Prefix)
{
    public int QuerySide => Side / QueryStride;

    public int KeySide => Side / KeyStride;
}

/// <summary>Pooling attention and MLP over tokens, each normalised before and added to a shortcut, which is pooled and widened where they are.</summary>
internal sealed class MultiScaleBlock : Module
{
    private readonly QueryPooling _pooling;
    private readonly NormLayer _norm1;
    private readonly Linear? _widenAttn;
    private readonly MaxPool2d? _poolShortcut;
    private readonly PoolingAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly Linear? _widenMlp;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    /// <param name="width">Channels that come in.</param>
    /// <param name="outWidth">Channels that go out.</param>
    /// <param name="innerWidth">Channels between attention and MLP: one or the other.</param>
    /// <param name="heads">A divisor of them.</param>
    /// <param name="pooling">Sizes.</param>
    /// <param name="dropPathRate">Stochastic depth.</param>
    public MultiScaleBlock(int width, int outWidth, int innerWidth, int heads, QueryPooling pooling, float dropPathRate)
    {
        _pooling = pooling;
        _norm1 = Child("norm1", new LayerNorm(width, MultiScaleVitSpec.Epsilon));
        _widenAttn = innerWidth == width ? null : Child("shortcut_proj_attn", TokenLinear.Create(width, innerWidth));
        _poolShortcut = pooling.QueryStride == 1 ? null : Child("shortcut_pool_attn", new MaxPool2d(3, 2, 1));
        _attn = Child("attn", new PoolingAttention(width, innerWidth, heads, pooling));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(innerWidth, MultiScaleVitSpec.Epsilon));
        _widenMlp = innerWidth == outWidth ? null : Child("shortcut_proj_mlp", TokenLinear.Create(innerWidth, outWidth));
        _mlp = Child("mlp", new TokenMlp(innerWidth, 4 * innerWidth, outWidth));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var normed = _norm1.Forward(x);
        var branch = _attn.Forward(normed);
        x = PoolShortcut(_widenAttn?.Forward(normed) ?? x) + (_dropPath1?.Forward(branch) ?? branch);
        normed = _norm2.Forward(x);
        branch = _mlp.Forward(normed);
        return (_widenMlp?.Forward(normed) ?? x) + (_dropPath2?.Forward(branch) ?? branch);
    }

    private Tensor PoolShortcut(Tensor x)
    {
        if (_poolShortcut is null)
            return x;
        var pooled = _poolShortcut.Forward(x.Slice(1, _pooling.Prefix).ToMap(_pooling.Side, _pooling.Side)).ToTokens();
        return _pooling.Prefix == 0 ? pooled : Tensor.Concat([x.Slice(1, 0, _pooling.Prefix), pooled], 1);
    }
}

/// <summary>
/// Attention whose queries, keys and values are pooled head by head by depthwise convolutions and normalised; the scores take numbers that
/// depend on the query and on how many rows and how many columns the key is away. The queries are added to the result.
/// </summary>
internal sealed class PoolingAttention : Module
{
    private readonly int _heads;
    private readonly QueryPooling _pooling;
    private readonly Tensor _rowPositions;
    private readonly Tensor _columnPositions;
    private readonly Tensor _distances;
    private readonly Linear _qkv;
    private readonly Linear _proj;
    private readonly (Conv2d Pool, NormLayer Norm) _q, _k, _v;

    public PoolingAttention(int width, int outWidth, int heads, QueryPooling pooling)
    {
        (_heads, _pooling) = (heads, pooling);
        var (headWidth, distances) = (outWidth / heads, (2 * Math.Max(pooling.QuerySide, pooling.KeySide)) - 1);
        _rowPositions = Parameter("rel_pos_h", [distances, headWidth], Init.TruncatedNormal(0.02f));
        _columnPositions = Parameter("rel_pos_w", [distances, headWidth], Init.TruncatedNormal(0.02f));
        _distances = Buffer("distances", Distances(pooling.QuerySide, pooling.KeySide), persistent: false);
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * outWidth));
        _proj = Child("proj", TokenLinear.Create(outWidth, outWidth));
        _q = Pool("q", pooling.QueryStride);
        _k = Pool("k", pooling.KeyStride);
        _v = Pool("v", pooling.KeyStride);

        (Conv2d, NormLayer) Pool(string name, int stride) => (
            Child($"pool_{name}", new Conv2d(headWidth, headWidth, 3, stride, 1, groups: headWidth, bias: false)),
            Child($"norm_{name}", new LayerNorm(headWidth, MultiScaleVitSpec.Epsilon)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (q, k, v) = Heads.Split3(_qkv.Forward(x), _heads);
        (q, k, v) = (Pooled(q, _q), Pooled(k, _k), Pooled(v, _v));
        return _proj.Forward((q.Attention(k, v, mask: Biases(q)) + q).Join());
    }

    private Tensor Pooled(Tensor heads, (Conv2d Pool, NormLayer Norm) by)
    {
        var (n, side, width) = (heads.Shape[0], _pooling.Side, heads.Shape[3]);
        var maps = heads.Slice(2, _pooling.Prefix).Reshape([n * _heads, side, side, width]);
        var pooled = by.Pool.Forward(maps);
        pooled = pooled.Reshape([n, _heads, pooled.Shape[1] * pooled.Shape[2], width]);
        return by.Norm.Forward(_pooling.Prefix == 0 ? pooled : Tensor.Concat([heads.Slice(2, 0, _pooling.Prefix), pooled], 2));
    }

    // [N, heads, queries, keys]: a query's product with the vector of its distance in rows, plus that in columns.
    private Tensor Biases(Tensor q)
    {
        var (n, side, keys, prefix) = (q.Shape[0], _pooling.QuerySide, _pooling.KeySide, _pooling.Prefix);
        var map = q.Slice(2, prefix).Reshape([n, _heads, side, side, q.Shape[3]]);
        var rows = Tensor.Einsum("nyhwc,hkc->nyhwk", map, Vectors(_rowPositions)).Reshape([n, _heads, side, side, keys, 1]);
        var columns = Tensor.Einsum("nyhwc,wkc->nyhwk", map, Vectors(_columnPositions)).Reshape([n, _heads, side, side, 1, keys]);
        var biases = (rows + columns).Reshape([n, _heads, side * side, keys * keys]);
        return prefix == 0 ? biases : biases.Pad([0, 0, prefix, prefix], [0, 0, 0, 0]);

        Tensor Vectors(Tensor table) => table.IndexSelect(0, _distances).Reshape([side, keys, table.Shape[1]]);
    }

    // Row of the table for each query and key along one axis, in steps of the finer of the two maps.
    private static Tensor Distances(int queries, int keys)
    {
        if (Construction.IsMeta)
            return Tensor.Meta([queries * keys], DType.Int64);
        var (queryStep, keyStep) = (Math.Max(keys / queries, 1), Math.Max(queries / keys, 1));
        var rows = new long[queries * keys];
        for (var i = 0; i < rows.Length; i++)
            rows[i] = (i / keys * queryStep) + ((keys - 1 - (i % keys)) * keyStep);
        return Tensor.From(rows);
    }
}
