using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// BEiT and BEiT v2 (Bao et al. 2022, Peng et al. 2022): transformers over patches whose positions are biases of the attention, a table
/// for each block. Names, state-dict keys and defaults follow timm's beit. The biases fit one image size; published tables are
/// resampled to another that the network is built for.
/// </summary>
public sealed class Beit : TokenBackbone
{
    private readonly BeitSpec _spec;
    private readonly int _imgSize;
    private readonly Tensor _classToken;
    private readonly PatchEmbed _patchEmbed;
    private readonly BeitBlock[] _blocks;
    private readonly LayerNorm? _norm;
    private readonly LayerNorm? _fcNorm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _head;

    private Beit(BeitSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec.Depth, spec.Width, BeitSpec.Patch, prefix: 1))
    {
        (_spec, _pool, _imgSize) = (spec, options.GlobalPool ?? GlobalPool.Avg, options.ImgSize!.Value);
        CheckPool(_pool);
        _classToken = Parameter("cls_token", [1, 1, spec.Width], Init.TruncatedNormal(0.02f));
        _patchEmbed = Child("patch_embed", new PatchEmbed(InChans, spec.Width, BeitSpec.Patch));
        Size2d window = _imgSize / BeitSpec.Patch;
        var index = RelativePositions.Index(window, classToken: true);
        _blocks = [.. Enumerable.Range(0, spec.Depth).Select(i => new BeitBlock(spec, window, index, Widths.DropPathRate(options.DropPathRate, i, spec.Depth)))];
        Child("blocks", new ModuleList<BeitBlock>(_blocks));
        if (_pool == GlobalPool.Avg)
            _fcNorm = Child("fc_norm", new LayerNorm(spec.Width, BeitSpec.Epsilon));
        else
            _norm = Child("norm", new LayerNorm(spec.Width, BeitSpec.Epsilon));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(spec.Width, NumClasses));
    }

    public static Family Family { get; } = new(
        "beit",
        "Bao, Dong, Piao, Wei: BEiT: BERT pre-training of image transformers, ICLR 2022, arXiv:2106.08254; Peng et al.: BEiT v2, arXiv:2208.06366",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "beit", r.Tags, "head", "patch_embed.proj", options => new Beit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "A vision transformer is pre-trained by predicting the visual tokens of masked patches, as language models predict masked words. Each block adds a learned bias to the attention by relative position, instead of or besides position embeddings.",
    };

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its position biases belong to that size; build it with img_size");
        x = _patchEmbed.Forward(x).Prepend(_classToken);
        foreach (var block in _blocks)
            x = block.Forward(x);
        return _norm?.Forward(x) ?? x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = PoolTokens(features, _pool, prefix: 1);
        x = _drop.Forward(_fcNorm?.Forward(x) ?? x);
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
        {
            CheckPool(changed);
            _pool = changed;
        }
        _head = Replace("head", TokenLinear.Classifier(_spec.Width, numClasses));
    }

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        Size2d window = _imgSize / BeitSpec.Patch;
        foreach (var name in state.Keys.Where(n => n.EndsWith(".relative_position_bias_table", StringComparison.Ordinal)).ToList())
        {
            if (state[name].Shape[0] == RelativePositions.Distances(window) + 3 || RelativePositions.Resample(state[name].To(DType.Float32), window, classToken: true) is not { } table)
                continue;
            notes.Add($"{name}: resampled from {state[name].Shape[0]} to {table.Shape[0]} rows");
            state[name] = table;
        }
    }

    private static void CheckPool(GlobalPool pool)
    {
        if (pool is GlobalPool.Map or GlobalPool.CatAvgMax)
            throw new VertebraException($"global_pool '{pool.NameOf()}' is not for BEiT; use avg, token, max, avgmax or none");
    }

    private static (string Name, BeitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var (basic, large) = (new BeitSpec(768, 12, 12, 1e-5f), new BeitSpec(1024, 24, 16, 1e-5f));
        return
        [
            ("beit_base_patch16_224", basic with { LayerScale = 0.1f }, [("in22k_ft_in22k_in1k", Inception), ("in22k_ft_in22k", Inception.Classes(21841))]),
            ("beit_base_patch16_384", basic with { LayerScale = 0.1f }, [("in22k_ft_in22k_in1k", Inception.Square(384).Crop(1))]),
            ("beit_large_patch16_224", large, [("in22k_ft_in22k_in1k", Inception), ("in22k_ft_in22k", Inception.Classes(21841))]),
            ("beit_large_patch16_384", large, [("in22k_ft_in22k_in1k", Inception.Square(384).Crop(1))]),
            ("beit_large_patch16_512", large, [("in22k_ft_in22k_in1k", Inception.Square(512).Crop(1))]),
            ("beitv2_base_patch16_224", basic,
            [
                ("in1k_ft_in22k_in1k", ImageNet), ("in1k_ft_in1k", ImageNet), ("in1k_ft_in22k", ImageNet.Classes(21841)),
            ]),
            ("beitv2_large_patch16_224", large,
            [
                ("in1k_ft_in22k_in1k", ImageNet.Crop(0.95f)), ("in1k_ft_in1k", ImageNet.Crop(0.95f)), ("in1k_ft_in22k", ImageNet.Classes(21841)),
            ]),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
internal sealed record BeitSpec(int Width, int Depth, int Heads, float LayerScale)
{
    public const int Patch = 16;
    public const float Epsilon = 1e-6f;
}

/// <summary>Attention with its own table of biases, and an MLP; each normalised before, scaled after, and beside a shortcut.</summary>
internal sealed class BeitBlock : Module
{
    private readonly Tensor _gamma1;
    private readonly Tensor _gamma2;
    private readonly LayerNorm _norm1;
    private readonly BiasedAttention _attention;
    private readonly DropPath? _dropPath1;
    private readonly LayerNorm _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public BeitBlock(BeitSpec spec, Size2d window, Tensor index, float dropPathRate)
    {
        _gamma1 = Parameter("gamma_1", [spec.Width], Init.Constant(spec.LayerScale));
        _gamma2 = Parameter("gamma_2", [spec.Width], Init.Constant(spec.LayerScale));
        _norm1 = Child("norm1", new LayerNorm(spec.Width, BeitSpec.Epsilon));
        _attention = Child("attn", new BiasedAttention(spec.Width, spec.Heads, window, index));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(spec.Width, BeitSpec.Epsilon));
        _mlp = Child("mlp", new TokenMlp(spec.Width, spec.Width * 4));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _attention.Forward(_norm1.Forward(x)) * _gamma1;
        x += _dropPath1?.Forward(y) ?? y;
        y = _mlp.Forward(_norm2.Forward(x)) * _gamma2;
        return x + (_dropPath2?.Forward(y) ?? y);
    }

    /// <summary>Self-attention with biases of relative positions; keys have no bias.</summary>
    private sealed class BiasedAttention : Module
    {
        private readonly int _heads;
        private readonly Tensor _qBias;
        private readonly Tensor _kBias;
        private readonly Tensor _vBias;
        private readonly Tensor _table;
        private readonly Tensor _index;
        private readonly Linear _qkv;
        private readonly Linear _proj;

        public BiasedAttention(int width, int heads, Size2d window, Tensor index)
        {
            _heads = heads;
            _qBias = Parameter("q_bias", [width], Init.Zeros);
            _vBias = Parameter("v_bias", [width], Init.Zeros);
            _table = Parameter("relative_position_bias_table", [RelativePositions.Distances(window) + 3, heads], Init.Zeros);
            _kBias = Buffer("k_bias", Construction.Zeros([width]), persistent: false);
            _index = Buffer("relative_position_index", index, persistent: false);
            _qkv = Child("qkv", TokenLinear.Create(width, width * 3, bias: false));
            _proj = Child("proj", TokenLinear.Create(width, width));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var qkv = x.Linear(_qkv.Weight, Tensor.Concat([_qBias, _kBias, _vBias], 0));
            return _proj.Forward(Heads.Attend(qkv, _heads, RelativePositions.Bias(_table, _index)));
        }
    }
}
