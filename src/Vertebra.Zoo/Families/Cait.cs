using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// CaiT (Touvron et al. 2021): deep transformers whose heads talk to each other, scaled layer by layer; the class token enters only
/// the last two blocks, in which nothing but it changes. Names, state-dict keys and defaults follow timm's cait.
/// </summary>
public sealed class Cait : TokenBackbone
{
    private const int Patch = 16;
    private const int ClassBlocks = 2;
    private readonly int _imgSize;
    private readonly Tensor _classToken;
    private readonly Tensor _positions;
    private readonly PatchEmbed _patchEmbed;
    private readonly Sequential _blocks;
    private readonly ModuleList<CaitClassBlock> _classBlocks;
    private readonly LayerNorm _norm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _head;

    private Cait(CaitSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec.Depth, spec.Width, Patch, prefix: 0))
    {
        (_imgSize, _pool) = (options.ImgSize!.Value, CheckedPool(options.GlobalPool ?? GlobalPool.Token));
        _classToken = Parameter("cls_token", [1, 1, spec.Width], Init.TruncatedNormal(0.02f));
        _positions = Parameter("pos_embed", [1, _imgSize / Patch * (_imgSize / Patch), spec.Width], Init.TruncatedNormal(0.02f));
        _patchEmbed = Child("patch_embed", new PatchEmbed(InChans, spec.Width, Patch));
        _blocks = Child("blocks", new Sequential(Enumerable.Range(0, spec.Depth).Select(_ => new CaitBlock(spec, options.DropPathRate))));
        _classBlocks = Child("blocks_token_only", new ModuleList<CaitClassBlock>(Enumerable.Range(0, ClassBlocks).Select(_ => new CaitClassBlock(spec))));
        _norm = Child("norm", new LayerNorm(spec.Width, 1e-6f));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(spec.Width, NumClasses));
    }

    public static Family Family { get; } = new(
        "cait",
        "Touvron, Cord, Sablayrolles, Synnaeve, Jégou: Going deeper with image transformers, ICCV 2021, arXiv:2103.17239",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "cait", r.Tags, "head", "patch_embed.proj", options => new Cait(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Each channel of a residual branch is scaled by a learned factor that starts near zero, which lets transformers of 24 to 48 layers be trained. Patches attend to one another first, and only the last two layers let a class token read from them.",
    };

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        var grid = GridOf(x, Patch, _imgSize);
        x = _patchEmbed.Forward(x) + PositionEmbedding.Resample(_positions, _imgSize / Patch, grid, 0);
        x = _blocks.Forward(x);
        var classToken = _classToken.Expand([x.Shape[0], 1, x.Shape[2]]);
        foreach (var block in _classBlocks.Modules)
            classToken = block.Forward(x, classToken);
        return _norm.Forward(Tensor.Concat([classToken, x], 1));
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(PoolTokens(features, _pool, prefix: 1));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = CheckedPool(pool ?? _pool);
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) =>
        AdaptPositions("pos_embed", _positions, _imgSize / Patch, 0, state, notes);

    private static (string Name, CaitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var plain = ImageNet.Crop(1);
        var at384 = plain.Square(384);
        return
        [
            ("cait_xxs24_224", new(192, 24, 4, 1e-5f), [("fb_dist_in1k", plain)]),
            ("cait_xxs24_384", new(192, 24, 4, 1e-5f), [("fb_dist_in1k", at384)]),
            ("cait_xxs36_224", new(192, 36, 4, 1e-5f), [("fb_dist_in1k", plain)]),
            ("cait_xxs36_384", new(192, 36, 4, 1e-5f), [("fb_dist_in1k", at384)]),
            ("cait_xs24_384", new(288, 24, 6, 1e-5f), [("fb_dist_in1k", at384)]),
            ("cait_s24_224", new(384, 24, 8, 1e-5f), [("fb_dist_in1k", plain)]),
            ("cait_s24_384", new(384, 24, 8, 1e-5f), [("fb_dist_in1k", at384)]),
            ("cait_s36_384", new(384, 36, 8, 1e-6f), [("fb_dist_in1k", at384)]),
            ("cait_m36_384", new(768, 36, 16, 1e-6f), [("fb_dist_in1k", at384)]),
            ("cait_m48_448", new(768, 48, 16, 1e-6f), [("fb_dist_in1k", plain.Square(448))]),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record CaitSpec(int Width, int Depth, int Heads, float LayerScale);

/// <summary>Talking-heads attention and an MLP, each normalised before, scaled after, and beside a shortcut.</summary>
internal sealed class CaitBlock : Module
{
    private readonly Tensor _gamma1;
    private readonly Tensor _gamma2;
    private readonly LayerNorm _norm1;
    private readonly TalkingHeads _attention;
    private readonly DropPath? _dropPath;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;

    public CaitBlock(CaitSpec spec, float dropPathRate)
    {
        _gamma1 = Parameter("gamma_1", [spec.Width], Init.Constant(spec.LayerScale));
        _gamma2 = Parameter("gamma_2", [spec.Width], Init.Constant(spec.LayerScale));
        _norm1 = Child("norm1", new LayerNorm(spec.Width, 1e-6f));
        _attention = Child("attn", new TalkingHeads(spec.Width, spec.Heads));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(spec.Width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(spec.Width, spec.Width * 4));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _attention.Forward(_norm1.Forward(x)) * _gamma1;
        x += _dropPath?.Forward(y) ?? y;
        y = _mlp.Forward(_norm2.Forward(x)) * _gamma2;
        return x + (_dropPath?.Forward(y) ?? y);
    }

    /// <summary>Attention whose scores are mixed across the heads before and after the softmax (Shazeer et al. 2020).</summary>
    private sealed class TalkingHeads : Module
    {
        private readonly int _heads;
        private readonly Linear _qkv;
        private readonly Linear _proj;
        private readonly Linear _mixScores;
        private readonly Linear _mixWeights;

        public TalkingHeads(int width, int heads)
        {
            _heads = heads;
            _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
            _proj = Child("proj", TokenLinear.Create(width, width));
            _mixScores = Child("proj_l", TokenLinear.Create(heads, heads));
            _mixWeights = Child("proj_w", TokenLinear.Create(heads, heads));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var (q, k, v) = Heads.Split3(_qkv.Forward(x), _heads);
            var scores = (q * (1 / MathF.Sqrt(q.Shape[3]))).MatMul(k, transposeB: true).Permute([0, 2, 3, 1]);
            var weights = _mixScores.Forward(scores).Permute([0, 3, 1, 2]).Softmax().Permute([0, 2, 3, 1]);
            return _proj.Forward(_mixWeights.Forward(weights).Permute([0, 3, 1, 2]).MatMul(v).Join());
        }
    }
}

/// <summary>Attention of the class token over itself and the patches, and an MLP; only the class token changes.</summary>
internal sealed class CaitClassBlock : Module
{
    private readonly Tensor _gamma1;
    private readonly Tensor _gamma2;
    private readonly LayerNorm _norm1;
    private readonly ClassAttention _attention;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;

    public CaitClassBlock(CaitSpec spec)
    {
        _gamma1 = Parameter("gamma_1", [spec.Width], Init.Constant(spec.LayerScale));
        _gamma2 = Parameter("gamma_2", [spec.Width], Init.Constant(spec.LayerScale));
        _norm1 = Child("norm1", new LayerNorm(spec.Width, 1e-6f));
        _attention = Child("attn", new ClassAttention(spec.Width, spec.Heads));
        _norm2 = Child("norm2", new LayerNorm(spec.Width, 1e-6f));
        _mlp = Child("mlp", new TokenMlp(spec.Width, spec.Width * 4));
    }

    /// <summary>The class token [N, 1, C] after a look at the patches [N, L, C].</summary>
    public Tensor Forward(Tensor patches, Tensor classToken)
    {
        using var scope = Enter();
        classToken += _attention.Forward(_norm1.Forward(Tensor.Concat([classToken, patches], 1))) * _gamma1;
        classToken += _mlp.Forward(_norm2.Forward(classToken)) * _gamma2;
        Ops.OpRecording.Current?.Returned(this, classToken);
        return classToken;
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a class block takes patches and a class token");
}

/// <summary>Attention of the first token over all of them: tokens [N, L, C] become one, [N, 1, C] (Touvron et al. 2021).</summary>
internal sealed class ClassAttention : Module
{
    private readonly int _heads;
    private readonly Linear _q;
    private readonly Linear _k;
    private readonly Linear _v;
    private readonly Linear _proj;

    /// <param name="width">Channels of a token.</param>
    /// <param name="heads">Heads, a divisor of the channels.</param>
    /// <param name="prefix">Stands before the names q, k and v of the layers.</param>
    public ClassAttention(int width, int heads, string prefix = "")
    {
        _heads = heads;
        _q = Child($"{prefix}q", TokenLinear.Create(width, width));
        _k = Child($"{prefix}k", TokenLinear.Create(width, width));
        _v = Child($"{prefix}v", TokenLinear.Create(width, width));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var query = Heads.Split(_q.Forward(x.Slice(1, 0, 1)), _heads);
        return _proj.Forward(query.Attention(Heads.Split(_k.Forward(x), _heads), Heads.Split(_v.Forward(x), _heads)).Join());
    }
}
