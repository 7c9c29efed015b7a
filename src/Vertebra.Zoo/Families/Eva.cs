using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// EVA and EVA-02 (Fang et al. 2022, 2023), and the transformers with rotary positions that share their construction: RoPE-ViT (Heo
/// et al. 2024), the Perception Encoder (Bolya et al. 2025), DINOv3 (Siméoni et al. 2025). Names, state-dict keys and defaults follow
/// timm's eva; the variants are the rows of EvaVariants.cs. DINOv3 takes any image of whole patches, the others the size they are built for.
/// </summary>
public sealed class Eva : TokenBackbone
{
    private readonly EvaSpec _spec;
    private readonly int _imgSize;
    private readonly Size2d _grid;
    private readonly Tensor? _classToken;
    private readonly Tensor? _registers;
    private readonly Tensor? _positions;
    private readonly PatchEmbed _patchEmbed;
    private readonly RotaryPositions? _rotary;
    private readonly Module? _normPre;
    private readonly ModuleList<EvaBlock> _blocks;
    private readonly Module? _norm;
    private readonly Module? _fcNorm;
    private readonly Dropout _drop;
    private GlobalPool _pool;
    private Module? _attentionPool;
    private Module _head;

    internal Eva(EvaSpec spec, ModelOptions options) : base(options, spec.Width, Levels(spec.Depth, spec.Width, spec.Patch, spec.PrefixTokens))
    {
        (_spec, _pool, _imgSize) = (spec, options.GlobalPool ?? spec.Pool, options.ImgSize!.Value);
        CheckPool(_pool);
        _grid = _imgSize / spec.Patch;
        var (width, depth) = (spec.Width, spec.Depth);
        var initialiser = Init.TruncatedNormal(0.02f);
        _classToken = spec.HasClassToken ? Parameter("cls_token", [1, 1, width], initialiser) : null;
        _registers = spec.Registers > 0 ? Parameter("reg_token", [1, spec.Registers, width], initialiser) : null;
        _positions = spec.HasPositions ? Parameter("pos_embed", [1, (_grid.H * _grid.W) + PlacedPrefix, width], initialiser) : null;
        _patchEmbed = Child("patch_embed", new PatchEmbed(InChans, width, spec.Patch, bias: !spec.HasPreNorm, flatten: !spec.IsDynamic));
        _rotary = spec.MakeRotary(_grid);
        if (_rotary is not null)
            Child("rope", _rotary);
        _normPre = spec.HasPreNorm ? Child("norm_pre", spec.Norm(width)) : null;
        _blocks = Child("blocks", new ModuleList<EvaBlock>(Enumerable.Range(0, depth).Select(i => new EvaBlock(spec, Widths.DropPathRate(options.DropPathRate, i, depth)))));
        var normsPooled = spec.NormsPooled ?? _pool == GlobalPool.Avg;
        _norm = spec.NormsTokens ?? !normsPooled ? Child("norm", spec.Norm(width)) : null;
        _attentionPool = _pool == GlobalPool.Map ? Child("attn_pool", new AttentionPool(width, EvaSpec.PoolHeads, width * 4, spec.Norm(width), ActivationKind.Gelu)) : null;
        _fcNorm = normsPooled ? Child("fc_norm", spec.Norm(width)) : null;
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(width, NumClasses));
    }

    public static Family Family { get; } = EvaVariants.Family();

    private int PlacedPrefix => _spec.HasPlacedPrefix ? _spec.PrefixTokens : 0;

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        if (!_spec.IsDynamic && (x.Shape[1] != _imgSize || x.Shape[2] != _imgSize))
            throw new VertebraException($"this network is built for images of {_imgSize}x{_imgSize}, not {x.Shape[1]}x{x.Shape[2]}: its positions belong to that size; build it with img_size");
        var grid = GridOf(x, _spec.Patch, _imgSize);
        x = _patchEmbed.Forward(x);
        if (_spec.IsDynamic)
            x = x.ToTokens();
        if (_positions is null)
            x = WithPrefix(x);
        else
            x = _spec.HasPlacedPrefix ? WithPrefix(x) + _positions : WithPrefix(x + _positions);
        x = _normPre?.Forward(x) ?? x;
        var rotations = _rotary?.For(grid);
        for (var i = 0; i < _blocks.Modules.Count; i++)
            x = _blocks.Modules[i].Forward(x, rotations?[i]);
        return _norm?.Forward(x) ?? x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _attentionPool?.Forward(features) ?? PoolTokens(features, _pool, _spec.PrefixTokens);
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
    }

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        if (_positions is not null)
            AdaptPositions("pos_embed", _positions, _grid, PlacedPrefix, state, notes);
    }

    private Tensor WithPrefix(Tensor patches)
    {
        patches = _registers is null ? patches : patches.Prepend(_registers);
        return _classToken is null ? patches : patches.Prepend(_classToken);
    }

    private void CheckPool(GlobalPool pool)
    {
        if (pool == GlobalPool.Token && !_spec.HasClassToken)
            throw new VertebraException("global_pool 'token' needs a class token, which this network has not; use avg, max, avgmax, map or none");
        if (pool == GlobalPool.CatAvgMax)
            throw new VertebraException("global_pool 'catavgmax' is not for networks of tokens; use token, avg, max, avgmax, map or none");
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Patch">Side of a patch in pixels.</param>
/// <param name="Width">Channels of a token.</param>
/// <param name="Depth">Blocks.</param>
/// <param name="Heads">Heads of their attention.</param>
internal sealed record EvaSpec(int Patch, int Width, int Depth, int Heads)
{
    /// <summary>Heads of the attention pool.</summary>
    public const int PoolHeads = 8;

    /// <summary>Hidden channels of the MLPs per channel of a token.</summary>
    public double MlpRatio { get; init; } = 4;

    /// <summary>MLPs gated by SiLU.</summary>
    public bool IsGated { get; init; }

    /// <summary>The gate has a layer of its own, and the hidden channels are a multiple of this; 0: they are not.</summary>
    public int HiddenMultiple { get; init; }

    /// <summary>Normalises the MLP's hidden channels, and gives its gate a layer of its own.</summary>
    public bool NormsHidden { get; init; }

    /// <summary>Normalises the joined heads.</summary>
    public bool NormsAttention { get; init; }

    public EvaProjections Projections { get; init; }

    /// <summary>First factor of the layer scale; null: none.</summary>
    public float? LayerScale { get; init; }

    /// <summary>Normalises after attention and MLP, before the sum, instead of before them.</summary>
    public bool IsPostNorm { get; init; }

    public float Epsilon { get; init; } = 1e-6f;

    public bool HasClassToken { get; init; } = true;

    /// <summary>Extra tokens that no head reads.</summary>
    public int Registers { get; init; }

    /// <summary>Learned positions, added to the tokens.</summary>
    public bool HasPositions { get; init; } = true;

    /// <summary>Whether they are added to the tokens before the patches too.</summary>
    public bool HasPlacedPrefix { get; init; } = true;

    /// <summary>Rotary positions; null: none.</summary>
    public RotarySpec? Rotary { get; init; }

    /// <summary>Rotary positions with learned frequencies.</summary>
    public bool IsMixed { get; init; }

    /// <summary>Images of other sizes than the network is built for are taken too.</summary>
    public bool IsDynamic { get; init; }

    /// <summary>A normaliser before the first block; the patch embedding has no bias then.</summary>
    public bool HasPreNorm { get; init; }

    /// <summary>Whether the last block's tokens are normalised; null: where the pooled ones are not.</summary>
    public bool? NormsTokens { get; init; }

    /// <summary>Whether the pooled tokens are normalised; null: after the mean.</summary>
    public bool? NormsPooled { get; init; }

    public GlobalPool Pool { get; init; } = GlobalPool.Avg;

    public int PrefixTokens => (HasClassToken ? 1 : 0) + Registers;

    public LayerNorm Norm(int channels) => new(channels, Epsilon);

    public RotaryPositions? MakeRotary(Size2d grid)
    {
        if (Rotary is null)
            return null;
        return IsMixed
            ? new MixedRotaryPositions(Rotary.Temperature, Heads, Width / Heads, grid, PrefixTokens, Depth)
            : new FixedRotaryPositions(Rotary, Width / Heads, grid, PrefixTokens, Depth);
    }

    public Module Mlp()
    {
        var hidden = (int)(Width * MlpRatio);
        if (!IsGated)
            return new TokenMlp(Width, hidden, norm: NormsHidden ? Norm(hidden) : null);
        if (!NormsHidden && HiddenMultiple == 0)
            return new GluMlp(Width, hidden * 2);
        if (HiddenMultiple > 0)
            hidden = (hidden + HiddenMultiple - 1) / HiddenMultiple * HiddenMultiple;
        return new SwiGlu(Width, hidden, NormsHidden ? Norm(hidden) : null);
    }
}

/// <summary>The layers that make queries, keys and values.</summary>
internal enum EvaProjections
{
    /// <summary>One layer; queries and values have biases, apart from it.</summary>
    KeysUnbiased,

    /// <summary>One layer with its bias.</summary>
    Joint,

    /// <summary>One layer without bias.</summary>
    JointUnbiased,

    /// <summary>A layer each; that of the keys has no bias.</summary>
    Separate,
}
