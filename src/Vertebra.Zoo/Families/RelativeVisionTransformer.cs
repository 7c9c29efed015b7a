using Vertebra.Zoo.Layers;
using static Vertebra.Zoo.Families.TransformerConfigs;
using static Vertebra.Zoo.Families.VitSpecs;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Vision transformers whose positions are biases of the attention, computed by an MLP from the logarithms of displacements (after
/// Liu et al. 2022, Swin V2), in every block or once for all. Names, state-dict keys and defaults follow timm's
/// vision_transformer_relpos. The biases belong to the image size that a network is built for; published weights fit any.
/// </summary>
public sealed class RelativeVisionTransformer : TokenBackbone
{
    private readonly VitSpec _spec;
    private readonly int _imgSize;
    private readonly Tensor? _classToken;
    private readonly Module _patchEmbed;
    private readonly RelativeMlp? _sharedPositions;
    private readonly Module[] _blocks;
    private readonly Module? _norm;
    private readonly Module? _fcNorm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module _head;

    private RelativeVisionTransformer(RelativeSpec relative, ModelOptions options)
        : base(options, relative.Vit.Width, Levels(relative.Vit.Depth, relative.Vit.Width, relative.Vit.Patch, relative.Vit.PrefixTokens))
    {
        (_spec, _imgSize) = (relative.Vit, options.ImgSize!.Value);
        _pool = Checked(options.GlobalPool ?? _spec.Pool);
        _classToken = _spec.HasClassToken ? Parameter("cls_token", [1, 1, _spec.Width], Init.Normal(1e-6f)) : null;
        _patchEmbed = Child("patch_embed", _spec.PatchEmbed(InChans));
        if (relative.IsShared)
            _sharedPositions = Child("shared_rel_pos", Positions());
        else
            _spec = _spec with { Positions = Positions };
        _blocks = [.. Enumerable.Range(0, _spec.Depth).Select(i => _spec.Block(i, Widths.DropPathRate(options.DropPathRate, i, _spec.Depth)))];
        Child("blocks", new ModuleList<Module>(_blocks));
        _norm = relative.NormsPooled ? null : Child("norm", _spec.Norm(_spec.Width));
        _fcNorm = relative.NormsPooled ? Child("fc_norm", _spec.Norm(_spec.Width)) : null;
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(_spec.Width, NumClasses));

        RelativeMlp Positions() => new(_imgSize / _spec.Patch, _spec.Heads, relative.Hidden, _spec.PrefixTokens);
    }

    public static Family Family { get; } = new(
        "vit_relpos",
        "Dosovitskiy et al.: An image is worth 16x16 words, ICLR 2021, arXiv:2010.11929; Liu et al.: Swin transformer V2, CVPR 2022, arXiv:2111.09883",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "vit_relpos", r.Tags, "head", "patch_embed.proj", options => new RelativeVisionTransformer(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "A plain vision transformer without absolute position embeddings: each layer adds a bias by relative position to its attention. The bias is a table, or comes from a small network over logarithmic offsets as in Swin V2.",
    };

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize)
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its position biases belong to that size; build it with img_size");
        x = _patchEmbed.Forward(x);
        x = _classToken is null ? x : x.Prepend(_classToken);
        var bias = _sharedPositions?.Bias();
        foreach (var block in _blocks)
            x = bias is null ? block.Forward(x) : ((VitBlock)block).Forward(x, bias);
        return _norm?.Forward(x) ?? x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = PoolTokens(features, _pool, _spec.PrefixTokens);
        x = _drop.Forward(_fcNorm?.Forward(x) ?? x);
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = Checked(pool ?? _pool);
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    private GlobalPool Checked(GlobalPool pool) => pool == GlobalPool.Token && !_spec.HasClassToken
        ? throw new VertebraException("global_pool 'token' needs a class token, which this network has not; use avg, max, avgmax or none")
        : CheckedPool(pool);

    private static (string Name, RelativeSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var (small, medium, basic) = (Bare(Small(16)), Bare(Vit(16, 512, 12, 8)), Bare(Base(16)));
        (string, PretrainedConfig)[] trained = [("sw_in1k", Inception)];
        (string, PretrainedConfig)[] untrained = [("untrained", Inception)];
        return
        [
            ("vit_relpos_base_patch32_plus_rpn_256", new(After(Biased(Vit(32, 896, 12, 14)))), [("sw_in1k", Inception.Square(256))]),
            ("vit_relpos_base_patch16_plus_240", new(Biased(Vit(16, 896, 12, 14))), [("untrained", Inception.Square(240))]),
            ("vit_relpos_small_patch16_224", new(small) { NormsPooled = true }, trained),
            ("vit_relpos_medium_patch16_224", new(medium) { NormsPooled = true }, trained),
            ("vit_relpos_base_patch16_224", new(basic) { NormsPooled = true }, trained),
            ("vit_srelpos_small_patch16_224", new(small) { Hidden = 384, IsShared = true }, trained),
            ("vit_srelpos_medium_patch16_224", new(medium) { Hidden = 512, IsShared = true }, trained),
            ("vit_relpos_medium_patch16_cls_224", new(Token(medium)) { Hidden = 256 }, trained),
            ("vit_relpos_base_patch16_cls_224", new(Token(basic)), untrained),
            ("vit_relpos_base_patch16_clsgap_224", new(basic with { HasClassToken = true }) { NormsPooled = true }, trained),
            ("vit_relpos_small_patch16_rpn_224", new(After(small)), untrained),
            ("vit_relpos_medium_patch16_rpn_224", new(After(medium)), trained),
            ("vit_relpos_base_patch16_rpn_224", new(After(basic)), untrained),
        ];

        VitSpec Biased(VitSpec spec) => spec.Mean().Scale(1e-6f);
        VitSpec Bare(VitSpec spec) => Biased(spec).NoQkvBias();
        VitSpec Token(VitSpec spec) => spec with { HasClassToken = true, Pool = GlobalPool.Token };
        VitSpec After(VitSpec spec) => spec with { BlockKind = VitBlockKind.PostNorm };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Vit">The transformer.</param>
internal sealed record RelativeSpec(VitSpec Vit)
{
    /// <summary>Hidden channels of the MLPs that compute the biases.</summary>
    public int Hidden { get; init; } = 128;

    /// <summary>One MLP for all blocks.</summary>
    public bool IsShared { get; init; }

    /// <summary>Whether the pooled tokens are normalised, or all.</summary>
    public bool NormsPooled { get; init; }
}
