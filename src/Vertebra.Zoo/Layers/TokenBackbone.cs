namespace Vertebra.Zoo.Layers;

/// <summary>What networks that are an even row of blocks over tokens have in common.</summary>
public abstract class TokenBackbone : Backbone
{
    private const int UsualLevels = 3;

    /// <param name="options">Resolved options.</param>
    /// <param name="width">Channels of a token after the last block.</param>
    /// <param name="levels">The maps that the blocks return, first to last; a pyramid takes the last three unless told otherwise.</param>
    /// <exception cref="VertebraException">An output stride is asked for: such networks have only one.</exception>
    protected TokenBackbone(ModelOptions options, int width, IEnumerable<FeatureInfo> levels) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for networks of tokens: they have no strides that could become dilations");
        NumFeatures = width;
        AllFeatureInfo = [.. levels];
        FeatureInfo = [.. AllFeatureInfo.TakeLast(UsualLevels)];
    }

    public override int NumFeatures { get; }

    public override IReadOnlyList<FeatureInfo> FeatureInfo { get; }

    public override IReadOnlyList<FeatureInfo> AllFeatureInfo { get; }

    public override string Classifier => "head";

    public override string FirstConv => "patch_embed.proj";

    /// <summary>Levels of a row of equal blocks: <c>blocks.0</c>, <c>blocks.1</c>, ...</summary>
    /// <param name="count">Blocks.</param>
    /// <param name="width">Channels.</param>
    /// <param name="reduction">Pixels of a patch's side.</param>
    /// <param name="prefix">Tokens before the patches.</param>
    /// <param name="name">Name of the row.</param>
    protected static IEnumerable<FeatureInfo> Levels(int count, int width, int reduction, int prefix, string name = "blocks") =>
        Enumerable.Range(0, count).Select(i => new FeatureInfo(i, width, reduction, $"{name}.{i}", prefix));

    /// <summary>The grid of patches of images [N, H, W, C].</summary>
    /// <exception cref="VertebraException">The images are not of the size the network is built for, and do not divide into patches.</exception>
    protected static Size2d GridOf(Tensor images, int patch, int imgSize)
    {
        var (height, width) = (images.Shape[1], images.Shape[2]);
        var isBuiltFor = height == imgSize && width == imgSize;
        if (!isBuiltFor && (height % patch != 0 || width % patch != 0))
            throw new VertebraException($"images of {height}x{width} do not divide into patches of {patch}x{patch} pixels; take a multiple, or the size the network is built for, {imgSize}x{imgSize}");
        return new(height / patch, width / patch);
    }

    /// <summary>One vector [N, C] per row of tokens [N, L, C]; the tokens themselves without a pool.</summary>
    /// <param name="x">The tokens.</param>
    /// <param name="pool">How; the class token is the first.</param>
    /// <param name="prefix">Tokens before those that are pooled.</param>
    protected static Tensor PoolTokens(Tensor x, GlobalPool pool, int prefix)
    {
        if (pool == GlobalPool.None)
            return x;
        if (pool == GlobalPool.Token)
            return x.TokenAt(0);
        if (prefix > 0)
            x = x.Slice(1, prefix);
        return pool switch
        {
            GlobalPool.Avg => x.Mean([1]),
            GlobalPool.Max => x.Max([1]),
            GlobalPool.AvgMax => (x.Mean([1]) + x.Max([1])) * 0.5f,
            _ => throw new VertebraException($"global_pool '{pool.NameOf()}' is not for networks of tokens; use token, avg, max, avgmax or none"),
        };
    }

    /// <summary>A pool that <see cref="PoolTokens"/> knows.</summary>
    /// <exception cref="VertebraException">It is none.</exception>
    protected static GlobalPool CheckedPool(GlobalPool pool) => pool is GlobalPool.None or GlobalPool.Token or GlobalPool.Avg or GlobalPool.Max or GlobalPool.AvgMax ? pool
        : throw new VertebraException($"global_pool '{pool.NameOf()}' is not for this network of tokens; use token, avg, max, avgmax or none");

    /// <summary>Resamples a published <c>pos_embed</c> to the grid of the network's own.</summary>
    internal static void AdaptPositions(string name, Tensor own, Size2d grid, int prefix, IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        if (!state.TryGetValue(name, out var published) || published.Shape == own.Shape || PositionEmbedding.SquareOf(published, prefix) is not { } from)
            return;
        state[name] = PositionEmbedding.Resample(published.To(DType.Float32), from, grid, prefix);
        notes.Add($"{name}: resampled from {from.H}x{from.W} to {grid.H}x{grid.W} patches");
    }
}

/// <summary>Attention of one learned query, <c>latent</c>, over all tokens, then an MLP beside a shortcut (Zhai et al. 2022; timm's AttentionPoolLatent).</summary>
public sealed class AttentionPool : Module
{
    private readonly int _heads;
    private readonly Tensor _latent;
    private readonly Linear _q;
    private readonly Linear _kv;
    private readonly Linear _proj;
    private readonly Module _norm;
    private readonly TokenMlp _mlp;

    /// <param name="width">Channels of a token.</param>
    /// <param name="heads">Heads, a divisor of the channels.</param>
    /// <param name="hidden">Hidden channels of the MLP.</param>
    /// <param name="norm">Before the MLP.</param>
    /// <param name="activation">Of the MLP.</param>
    public AttentionPool(int width, int heads, int hidden, Module norm, ActivationKind activation)
    {
        _heads = heads;
        _latent = Parameter("latent", [1, 1, width], Init.TruncatedNormal(1 / MathF.Sqrt(width)));
        _q = Child("q", TokenLinear.Create(width, width));
        _kv = Child("kv", TokenLinear.Create(width, width * 2));
        _proj = Child("proj", TokenLinear.Create(width, width));
        _norm = Child("norm", norm);
        _mlp = Child("mlp", new TokenMlp(width, hidden, activation: activation));
    }

    /// <summary>Tokens [N, L, C] as one vector [N, C].</summary>
    protected override Tensor OnForward(Tensor x)
    {
        var query = _q.Forward(_latent.Expand([x.Shape[0], 1, x.Shape[2]]));
        var keysAndValues = Heads.Split(_kv.Forward(x), _heads, 2);
        var pooled = _proj.Forward(Heads.Split(query, _heads).Attention(keysAndValues[0], keysAndValues[1]).Join());
        return (pooled + _mlp.Forward(_norm.Forward(pooled))).TokenAt(0);
    }
}
