using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// TNT (Han et al. 2021): a transformer over patches, and within every patch a small one over groups of its pixels, whose results are
/// added to the patch's token block by block. Names, state-dict keys and defaults follow timm's tnt.
/// </summary>
public sealed class Tnt : TokenBackbone
{
    private readonly TntSpec _spec;
    private readonly int _imgSize;
    private readonly Size2d _grid;
    private readonly Tensor _classToken;
    private readonly Tensor _patchPositions;
    private readonly TntPixelEmbed _pixelEmbed;
    private readonly LayerNorm _norm1;
    private readonly Linear _proj;
    private readonly LayerNorm _norm2;
    private readonly ModuleList<TntBlock> _blocks;
    private readonly LayerNorm _norm;
    private readonly Dropout _drop;
    private readonly Tensor _pixelPositions;
    private GlobalPool _pool;
    private Module _head;

    private Tnt(TntSpec spec, ModelOptions options) : base(options, spec.Width, Levels(TntSpec.Depth, spec.Width, TntSpec.Patch, prefix: 1))
    {
        (_spec, _imgSize, _pool) = (spec, options.ImgSize!.Value, CheckedPool(options.GlobalPool ?? GlobalPool.Token));
        _grid = _imgSize / TntSpec.Patch;
        var initialiser = Init.TruncatedNormal(0.02f);
        _classToken = Parameter("cls_token", [1, 1, spec.Width], initialiser);
        _patchPositions = Parameter("patch_pos", [1, (_grid.H * _grid.W) + 1, spec.Width], initialiser);
        _pixelPositions = Parameter("pixel_pos", [1, spec.PixelWidth, TntSpec.Side, TntSpec.Side], initialiser);
        _pixelEmbed = Child("pixel_embed", new TntPixelEmbed(spec, InChans));
        _norm1 = Child("norm1_proj", new LayerNorm(spec.PatchOfPixels));
        _proj = Child("proj", TokenLinear.Create(spec.PatchOfPixels, spec.Width));
        _norm2 = Child("norm2_proj", new LayerNorm(spec.Width));
        _blocks = Child("blocks", new ModuleList<TntBlock>(
            Enumerable.Range(0, TntSpec.Depth).Select(i => new TntBlock(spec, Widths.DropPathRate(options.DropPathRate, i, TntSpec.Depth)))));
        _norm = Child("norm", new LayerNorm(spec.Width));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(spec.Width, NumClasses));
    }

    public static Family Family { get; } = new(
        "tnt",
        "Han, Xiao, Wu, Guo, Xu, Wang: Transformer in transformer, NeurIPS 2021, arXiv:2103.00112",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "tnt", [("in1k", Inception)], "head", "pixel_embed.proj", options => new Tnt(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Each patch is a sentence of smaller patches: an inner transformer attends among the pixels of a patch, an outer one among the patches. What the inner one learns is added to the patch's token in every block.",
    };

    public override string FirstConv => "pixel_embed.proj";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its positions belong to that size; build it with img_size");
        var pixels = _pixelEmbed.Forward(x, _pixelPositions);
        var patches = _norm2.Forward(_proj.Forward(_norm1.Forward(pixels.Reshape([-1, _grid.H * _grid.W, _spec.PatchOfPixels]))));
        patches = patches.Prepend(_classToken) + _patchPositions;
        foreach (var block in _blocks.Modules)
            (pixels, patches) = block.Forward(pixels, patches);
        return _norm.Forward(patches);
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
        AdaptPositions("patch_pos", _patchPositions, _grid, 1, state, notes);

    private static (string Name, TntSpec Spec)[] Rows() =>
    [
        ("tnt_s_legacy_patch16_224", new(384, 6, 24) { IsLegacy = true }),
        ("tnt_s_patch16_224", new(384, 6, 24)),
        ("tnt_b_patch16_224", new(640, 10, 40)),
    ];
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of a patch's token.</param>
/// <param name="Heads">Heads of the attention between patches.</param>
/// <param name="PixelWidth">Channels of a token within a patch.</param>
internal sealed record TntSpec(int Width, int Heads, int PixelWidth)
{
    public const int Patch = 16;
    public const int Depth = 12;
    public const int PixelHeads = 4;

    /// <summary>Pixels of the image between tokens within a patch.</summary>
    public const int Stride = 4;

    /// <summary>Tokens along the side of a patch.</summary>
    public const int Side = Patch / Stride;

    /// <summary>As first published: the image is embedded before it is cut into patches, and a patch's tokens are normalised one by one.</summary>
    public bool IsLegacy { get; init; }

    /// <summary>Channels of all tokens of a patch.</summary>
    public int PatchOfPixels => Side * Side * PixelWidth;
}

/// <summary>The tokens [N · patches, 16, C] within the patches of an image, with their positions [1, C, 4, 4].</summary>
internal sealed class TntPixelEmbed : Module
{
    private readonly bool _isLegacy;
    private readonly Conv2d _proj;

    public TntPixelEmbed(TntSpec spec, int inChans)
    {
        _isLegacy = spec.IsLegacy;
        _proj = Child("proj", new Conv2d(inChans, spec.PixelWidth, 7, TntSpec.Stride, 3));
    }

    public Tensor Forward(Tensor x, Tensor positions)
    {
        using var scope = Enter();
        var tokens = OnForward(x) + positions.Permute([0, 2, 3, 1]).ToTokens();
        Ops.OpRecording.Current?.Returned(this, tokens);
        return tokens;
    }

    protected override Tensor OnForward(Tensor x)
    {
        if (_isLegacy)
            return _proj.Forward(x).ToWindows(TntSpec.Side);
        var patches = x.ToWindows(TntSpec.Patch).Reshape([-1, TntSpec.Patch, TntSpec.Patch, x.Shape[3]]);
        return _proj.Forward(patches).ToTokens();
    }
}

/// <summary>A transformer block within the patches, what it adds to their tokens, and a block over these.</summary>
internal sealed class TntBlock : Module
{
    private readonly bool _isLegacy;
    private readonly LayerNorm _normIn;
    private readonly TntAttention _attentionIn;
    private readonly LayerNorm _normMlpIn;
    private readonly TokenMlp _mlpIn;
    private readonly LayerNorm _norm1;
    private readonly Linear _proj;
    private readonly LayerNorm? _norm2;
    private readonly LayerNorm _normOut;
    private readonly TntAttention _attentionOut;
    private readonly DropPath? _dropPath;
    private readonly LayerNorm _normMlp;
    private readonly TokenMlp _mlp;

    public TntBlock(TntSpec spec, float dropPathRate)
    {
        _isLegacy = spec.IsLegacy;
        var (pixel, width) = (spec.PixelWidth, spec.Width);
        _normIn = Child("norm_in", new LayerNorm(pixel));
        _attentionIn = Child("attn_in", new TntAttention(pixel, TntSpec.PixelHeads));
        _normMlpIn = Child("norm_mlp_in", new LayerNorm(pixel));
        _mlpIn = Child("mlp_in", new TokenMlp(pixel, pixel * 4));
        _norm1 = Child("norm1_proj", new LayerNorm(_isLegacy ? pixel : spec.PatchOfPixels));
        _proj = Child("proj", TokenLinear.Create(spec.PatchOfPixels, width, bias: _isLegacy));
        _norm2 = _isLegacy ? null : Child("norm2_proj", new LayerNorm(width));
        _normOut = Child("norm_out", new LayerNorm(width));
        _attentionOut = Child("attn_out", new TntAttention(width, spec.Heads));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _normMlp = Child("norm_mlp", new LayerNorm(width));
        _mlp = Child("mlp", new TokenMlp(width, width * 4));
    }

    /// <summary>Tokens within the patches, and those of the class and the patches.</summary>
    public (Tensor Pixels, Tensor Patches) Forward(Tensor pixels, Tensor patches)
    {
        using var scope = Enter();
        pixels = Add(pixels, _attentionIn.Forward(_normIn.Forward(pixels)));
        pixels = Add(pixels, _mlpIn.Forward(_normMlpIn.Forward(pixels)));
        var (count, width) = (patches.Shape[1] - 1, pixels.Shape[1] * pixels.Shape[2]);
        var inner = _isLegacy
            ? _proj.Forward(_norm1.Forward(pixels).Reshape([-1, count, width]))
            : _norm2!.Forward(_proj.Forward(_norm1.Forward(pixels.Reshape([-1, count, width]))));
        patches = Tensor.Concat([patches.Slice(1, 0, 1), patches.Slice(1, 1) + inner], 1);
        patches = Add(patches, _attentionOut.Forward(_normOut.Forward(patches)));
        patches = Add(patches, _mlp.Forward(_normMlp.Forward(patches)));
        Ops.OpRecording.Current?.Returned(this, patches);
        return (pixels, patches);
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a block of TNT takes the tokens within the patches and those of the patches");

    private Tensor Add(Tensor x, Tensor y) => x + (_dropPath?.Forward(y) ?? y);

    /// <summary>Self-attention without biases, with one layer for queries and keys and one for values.</summary>
    private sealed class TntAttention : Module
    {
        private readonly int _heads;
        private readonly Linear _qk;
        private readonly Linear _v;
        private readonly Linear _proj;

        public TntAttention(int width, int heads)
        {
            _heads = heads;
            _qk = Child("qk", TokenLinear.Create(width, width * 2, bias: false));
            _v = Child("v", TokenLinear.Create(width, width, bias: false));
            _proj = Child("proj", TokenLinear.Create(width, width));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var parts = Heads.Split(_qk.Forward(x), _heads, 2);
            return _proj.Forward(parts[0].Attention(parts[1], Heads.Split(_v.Forward(x), _heads)).Join());
        }
    }
}
