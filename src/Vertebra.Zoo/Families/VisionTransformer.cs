using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Vision transformers over one grid of patches: ViT (Dosovitskiy et al. 2021) and what became of it in DeiT, DeiT-3, CLIP, SigLIP,
/// DINOv2, TIPS, AIMv2 and BEiT-3, and hybrids that cut patches of a convolutional network's map. Names, state-dict keys and defaults
/// follow timm's vision_transformer, its hybrids and deit; the variants are the rows of VisionTransformerVariants.cs and its neighbours. Images of other sizes than the network is built for have its positions resampled.
/// </summary>
public sealed class VisionTransformer : TokenBackbone
{
    private readonly VitSpec _spec;
    private readonly int _imgSize;
    private readonly Size2d _grid;
    private readonly Tensor? _classToken;
    private readonly Tensor? _registers;
    private readonly Tensor _positions;
    private readonly Tensor? _distillationToken;
    private readonly Module _patchEmbed;
    private readonly Module? _normPre;
    private readonly Sequential _blocks;
    private readonly Module? _norm;
    private readonly Module? _fcNorm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module? _attentionPool;
    private Module _head;
    private Module? _distillationHead;

    internal VisionTransformer(VitSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec.Depth, spec.Width, spec.Patch, spec.PrefixTokens))
    {
        Parameterisations = spec is { BlockKind: VitBlockKind.PreNorm, LayerScale: null } ? [Parameterisation.ReZero, Parameterisation.DepthMuP, Parameterisation.LayerScale] : [];
        if (options.Parameterisation == Parameterisation.LayerScale && Parameterisations.Count > 0)
            spec = spec with { LayerScale = Parameterisation.FirstLayerScale(spec.Depth) };
        else
            spec = spec with { Parameterisation = options.Parameterisation };
        (_spec, _pool) = (spec, options.GlobalPool ?? spec.Pool);
        CheckPool(_pool);
        _imgSize = options.ImgSize!.Value;
        _grid = _imgSize / spec.Patch;
        var (width, prefix) = (spec.Width, spec.HasPlacedPrefix ? spec.PrefixTokens : 0);
        _classToken = spec.HasClassToken ? Parameter("cls_token", [1, 1, width], Init.Normal(1e-6f)) : null;
        _registers = spec.Registers > 0 ? Parameter("reg_token", [1, spec.Registers, width], Init.Normal(1e-6f)) : null;
        _positions = Parameter("pos_embed", [1, (_grid.H * _grid.W) + prefix, width], Init.TruncatedNormal(0.02f));
        _distillationToken = spec.IsDistilled ? Parameter("dist_token", [1, 1, width], Init.TruncatedNormal(0.02f)) : null;
        _patchEmbed = Child("patch_embed", spec.PatchEmbed(InChans));
        _normPre = spec.HasPreNorm ? Child("norm_pre", spec.Norm(width)) : null;
        _blocks = Child("blocks", new Sequential(Enumerable.Range(0, spec.Depth).Select(i => spec.Block(i, Widths.DropPathRate(options.DropPathRate, i, spec.Depth)))));
        var normsPooled = spec.NormsPooled ?? _pool is GlobalPool.Avg or GlobalPool.AvgMax or GlobalPool.Max;
        _norm = spec.HasFinalNorm && !normsPooled ? Child("norm", spec.Norm(width)) : null;
        _attentionPool = _pool == GlobalPool.Map
            ? Child("attn_pool", new AttentionPool(width, spec.Heads, spec.Hidden, spec.Norm(width), spec.Activation)) : null;
        _fcNorm = spec.HasFinalNorm && normsPooled ? Child("fc_norm", spec.Norm(width)) : null;
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(width, NumClasses));
        _distillationHead = spec.IsDistilled ? Child("head_dist", TokenLinear.Classifier(width, NumClasses)) : null;
    }

    public static Family Family { get; } = VisionTransformerVariants.Family();

    public override string Classifier => _spec.Classifier;

    public override string FirstConv => _spec.FirstConv;

    internal override IReadOnlyList<string> Parameterisations { get; }

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        var grid = GridOf(x, _spec.Patch, _imgSize);
        x = _patchEmbed.Forward(x);
        if (_spec.IsDynamic)
            x = x.ToTokens();
        var positions = PositionEmbedding.Resample(_positions, _grid, grid, _spec.HasPlacedPrefix ? _spec.PrefixTokens : 0);
        x = _spec.HasPlacedPrefix ? WithPrefix(x) + positions : WithPrefix(x + positions);
        x = _normPre?.Forward(x) ?? x;
        x = _blocks.Forward(x);
        return _norm?.Forward(x) ?? x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        if (_distillationHead is not null)
            return Distilled(features, preLogits);
        var x = _attentionPool is null
            ? PoolTokens(features, _pool, _spec.PoolsPrefix ? 0 : _spec.PrefixTokens)
            : _attentionPool.Forward(_spec.PoolsPrefix || _spec.PrefixTokens == 0 ? features : features.Slice(1, _spec.PrefixTokens));
        x = _drop.Forward(_fcNorm?.Forward(x) ?? x);
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed && changed != _pool)
        {
            CheckPool(changed);
            if (changed == GlobalPool.Map)
                throw new VertebraException("global_pool 'map' has weights of its own and can only be chosen when the network is built");
            if (_attentionPool is not null)
                Replace("attn_pool", new Identity());
            (_pool, _attentionPool) = (changed, null);
        }
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
        if (_distillationHead is not null)
            _distillationHead = Replace("head_dist", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) =>
        AdaptPositions("pos_embed", _positions, _grid, _spec.HasPlacedPrefix ? _spec.PrefixTokens : 0, state, notes);

    // Class token, then distillation token or registers, then the patches.
    private Tensor WithPrefix(Tensor patches)
    {
        foreach (var token in new[] { _distillationToken, _registers, _classToken })
            patches = token is null ? patches : patches.Prepend(token);
        return patches;
    }

    // Both heads answer, and their mean counts (Touvron et al. 2021).
    private Tensor Distilled(Tensor features, bool preLogits)
    {
        var (x, distilled) = (features.TokenAt(0), features.TokenAt(1));
        if (!preLogits)
            (x, distilled) = (_head.Forward(_drop.Forward(x)), _distillationHead!.Forward(_drop.Forward(distilled)));
        return (x + distilled) * 0.5f;
    }

    private void CheckPool(GlobalPool pool)
    {
        if (pool == GlobalPool.Token && !_spec.HasClassToken)
            throw new VertebraException("global_pool 'token' needs a class token, which this network has not; use avg, max, avgmax, map or none");
        if (_spec.IsDistilled && pool != GlobalPool.Token)
            throw new VertebraException("global_pool of a distilled network is 'token': its two heads read its first two tokens");
        if (pool == GlobalPool.CatAvgMax)
            throw new VertebraException("global_pool 'catavgmax' is not for networks of tokens; use token, avg, max, avgmax, map or none");
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Patch">Side of a patch in pixels.</param>
/// <param name="Width">Channels of a token.</param>
/// <param name="Depth">Blocks.</param>
/// <param name="Heads">Heads of their attention.</param>
internal sealed record VitSpec(int Patch, int Width, int Depth, int Heads)
{
    /// <summary>Hidden channels of the MLPs per channel of a token.</summary>
    public double MlpRatio { get; init; } = 4;

    public VitBlockKind BlockKind { get; init; }

    public VitMlpKind MlpKind { get; init; }

    /// <summary>Attention as the difference of two.</summary>
    public bool IsDifferential { get; init; }

    public bool HasQkvBias { get; init; } = true;

    /// <summary>Biases of the attention's last layer and of the MLP.</summary>
    public bool HasBias { get; init; } = true;

    /// <summary>Normalises queries and keys.</summary>
    public bool NormsHeads { get; init; }

    /// <summary>Normalises within attention and MLP, before their last layers.</summary>
    public bool NormsInside { get; init; }

    /// <summary>First factor of the layer scale; null: none.</summary>
    public float? LayerScale { get; init; }

    /// <summary>A name of <see cref="Layers.Parameterisation"/> for the blocks, or null.</summary>
    public string? Parameterisation { get; init; }

    public ActivationKind Activation { get; init; } = ActivationKind.Gelu;

    /// <summary>Root-mean-square normalisers instead of layer normalisation.</summary>
    public bool IsRms { get; init; }

    public float Epsilon { get; init; } = 1e-6f;

    public bool HasClassToken { get; init; } = true;

    /// <summary>A second class token with a head of its own, for distillation.</summary>
    public bool IsDistilled { get; init; }

    /// <summary>Extra tokens that no head reads (Darcet et al. 2024).</summary>
    public int Registers { get; init; }

    /// <summary>Whether positions are added to the tokens before the patches too.</summary>
    public bool HasPlacedPrefix { get; init; } = true;

    /// <summary>A normaliser in the patch embedding.</summary>
    public bool NormsPatches { get; init; }

    /// <summary>A normaliser before the first block; the patch embedding has no bias then.</summary>
    public bool HasPreNorm { get; init; }

    public bool HasFinalNorm { get; init; } = true;

    /// <summary>Whether the final normaliser stands after the pool; null: after mean and maximum, before the others.</summary>
    public bool? NormsPooled { get; init; }

    public GlobalPool Pool { get; init; } = GlobalPool.Token;

    /// <summary>Whether pools take the tokens before the patches too.</summary>
    public bool PoolsPrefix { get; init; }

    /// <summary>The patch embedding returns a map, as it does where weights were trained on images of changing size.</summary>
    public bool IsDynamic { get; init; }

    /// <summary>A network whose map is cut into patches instead of the image; <see cref="Patch"/> counts the image's pixels all the same.</summary>
    public HybridStem? Stem { get; init; }

    /// <summary>Makes what adds to the scores of a block; null: nothing.</summary>
    public Func<RelativePositionBias>? Positions { get; init; }

    public int PrefixTokens => (HasClassToken ? 1 : 0) + (IsDistilled ? 1 : 0) + Registers;

    public int Hidden => (int)(Width * MlpRatio);

    public string Classifier => IsDistilled ? "head,head_dist" : "head";

    public string FirstConv => Stem is null ? "patch_embed.proj" : $"patch_embed.backbone.{Stem.FirstConv}";

    public Module Norm(int channels) => IsRms ? new RmsNorm(channels, Epsilon) : new LayerNorm(channels, Epsilon);

    public Module PatchEmbed(int inChans) => Stem is null
        ? new PatchEmbed(inChans, Width, Patch, !HasPreNorm, NormsPatches ? Norm(Width) : null, flatten: !IsDynamic)
        : new HybridEmbed(Stem, inChans, Width, Patch / Stem.Reduction);

    public Module Block(int index, float dropPathRate) => BlockKind switch
    {
        VitBlockKind.PreNorm => new VitBlock(this, index, dropPathRate),
        VitBlockKind.PostNorm => new PostNormVitBlock(this, index, dropPathRate),
        VitBlockKind.Joint => new JointVitBlock(this, index, dropPathRate),
        VitBlockKind.Twofold => new TwofoldVitBlock(this, index, dropPathRate),
        _ => throw new InvalidOperationException($"no block is {BlockKind}"),
    };

    public Module Attention(int index)
    {
        if (IsDifferential)
            return new DifferentialAttention(Width, Heads, index, HasQkvBias);
        return new TokenAttention(Width, Heads, HasQkvBias, HasBias, NormsHeads ? Norm : null, NormsInside ? Norm(Width) : null, Positions?.Invoke());
    }

    public Module Mlp() => MlpKind switch
    {
        VitMlpKind.Plain => new TokenMlp(Width, Hidden, activation: Activation, norm: NormsInside ? Norm(Hidden) : null, bias: HasBias),
        VitMlpKind.PackedGate => new GluMlp(Width, Hidden, Activation, bias: HasBias),
        VitMlpKind.Gate => new SwiGlu(Width, Hidden, bias: HasBias),
        _ => throw new InvalidOperationException($"no MLP is {MlpKind}"),
    };
}

internal enum VitBlockKind
{
    /// <summary>Normalisers before attention and MLP.</summary>
    PreNorm,

    /// <summary>Normalisers after them, before the sum.</summary>
    PostNorm,

    /// <summary>Attention and MLP side by side, from one layer (Dehghani et al. 2023).</summary>
    Joint,

    /// <summary>Two attentions side by side, then two MLPs (Touvron et al. 2022).</summary>
    Twofold,
}

internal enum VitMlpKind
{
    Plain,

    /// <summary>Gated, gate and values from one layer.</summary>
    PackedGate,

    /// <summary>Gated, each from a layer of its own.</summary>
    Gate,
}
