using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// CoaT: attention in factors, of linear cost, with convolutions for positions, at four resolutions one after another, and in the larger
/// networks then at the three coarser ones side by side (Xu et al. 2021). Names, state-dict keys and defaults follow timm. Where blocks
/// stand side by side, the features are the tokens of the three resolutions, each with its class token first, one after another.
/// </summary>
public sealed class Coat : TokenBackbone
{
    private readonly Tensor[] _classTokens = new Tensor[4];
    private readonly PatchEmbed[] _embeds = new PatchEmbed[4];
    private readonly ConvolutionalPositions[] _positions = new ConvolutionalPositions[4];
    private readonly ModuleList<CoatBlock>[] _serial = new ModuleList<CoatBlock>[4];
    private readonly ModuleList<CoatParallelBlock>? _parallel;
    private readonly NormLayer[] _norms;
    private readonly TokenSum? _aggregate;
    private readonly Dropout _drop;
    private Module _head;
    private GlobalPool _pool;

    internal Coat(CoatSpec spec, ModelOptions options) : base(options, spec.Widths[^1], [])
    {
        for (var i = 0; i < 4; i++)
            _classTokens[i] = Parameter($"cls_token{i + 1}", [1, 1, spec.Widths[i]], Init.TruncatedNormal(0.02f));
        for (var i = 0; i < 4; i++)
            _embeds[i] = Child($"patch_embed{i + 1}", new PatchEmbed(i == 0 ? InChans : spec.Widths[i - 1], spec.Widths[i], i == 0 ? 4 : 2, norm: new LayerNorm(spec.Widths[i])));
        for (var i = 0; i < 4; i++)
            _positions[i] = Child($"cpe{i + 1}", new ConvolutionalPositions(spec.Widths[i]));
        var relative = new ConvolutionalRelativePositions[4];
        for (var i = 0; i < 4; i++)
            relative[i] = Child($"crpe{i + 1}", new ConvolutionalRelativePositions(spec.Widths[i]));
        for (var i = 0; i < 4; i++)
        {
            var blocks = Enumerable.Range(0, spec.Depths[i]).Select(_ => new CoatBlock(spec.Widths[i], spec.Ratios[i], _positions[i], relative[i], options.DropPathRate));
            _serial[i] = Child($"serial_blocks{i + 1}", new ModuleList<CoatBlock>(blocks));
        }
        if (spec.ParallelDepth > 0)
        {
            var blocks = Enumerable.Range(0, spec.ParallelDepth).Select(_ => new CoatParallelBlock(spec.Widths[^1], spec.Ratios[^1], relative, options.DropPathRate));
            _parallel = Child("parallel_blocks", new ModuleList<CoatParallelBlock>(blocks));
        }
        _norms = [.. Enumerable.Range(_parallel is null ? 3 : 1, _parallel is null ? 1 : 3).Select(i => Child($"norm{i + 1}", new LayerNorm(spec.Widths[i], CoatSpec.Epsilon)))];
        _aggregate = _parallel is null ? null : Child("aggregate", new TokenSum(3));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", TokenLinear.Classifier(NumFeatures, NumClasses));
        _pool = Checked(options.GlobalPool ?? GlobalPool.Token);
    }

    public static Family Family { get; } = new(
        "coat",
        "Xu et al.: Co-scale conv-attentional image transformers, ICCV 2021, arXiv:2104.06399",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "coat", [("in1k", r.Config)], "head", "patch_embed1.proj", options => new Coat(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Transformers at several scales run in series and then in parallel, exchanging features across scales. Attention is factorised to linear cost, and convolutions give it relative positions.",
    };

    public override string FirstConv => "patch_embed1.proj";

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        var (height, width) = (x.Shape[1], x.Shape[2]);
        if (height % 32 != 0 || width % 32 != 0)
            throw new VertebraException($"images of {height}x{width} do not fit CoaT, which halves its map exactly: both sides must be multiples of 32");
        var rows = new TokenRow[4];
        for (var i = 0; i < 4; i++)
        {
            var size = new Size2d(height / (4 << i), width / (4 << i));
            var tokens = _embeds[i].Forward(i == 0 ? x : rows[i - 1].Map).Prepend(_classTokens[i]);
            rows[i] = new(tokens, size);
            foreach (var block in _serial[i].Modules)
                rows[i] = block.Forward(rows[i]);
        }
        if (_parallel is null)
            return _norms[0].Forward(rows[3].Tokens);
        rows = rows[1..];
        foreach (var block in _parallel.Modules)
        {
            for (var i = 0; i < 3; i++)
                rows[i] = _positions[i + 1].Forward(rows[i]);
            rows = block.Forward(rows);
        }
        return Tensor.Concat([.. rows.Select((row, i) => _norms[i].Forward(row.Tokens))], 1);
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _aggregate is null ? Pool(features) : _aggregate.Forward(Tensor.Concat([.. Rows(features).Select(row => Pool(row).Unsqueeze(1))], 1)).Squeeze(1);
        x = _drop.Forward(x);
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        _pool = pool is { } changed ? Checked(changed) : _pool;
        _head = Replace("head", TokenLinear.Classifier(NumFeatures, numClasses));
    }

    private Tensor Pool(Tensor tokens) => PoolTokens(tokens, _pool, prefix: 1);

    // The maps have 16 : 4 : 1 pixels, and each has a token before it.
    private static IEnumerable<Tensor> Rows(Tensor features)
    {
        var pixels = (features.Shape[1] - 3) / 21;
        var start = 0;
        for (var share = 16; share >= 1; share /= 4)
        {
            var end = start + (share * pixels) + 1;
            yield return features.Slice(1, start, end);
            start = end;
        }
    }

    private static GlobalPool Checked(GlobalPool pool) => pool is GlobalPool.Token or GlobalPool.Avg ? pool
        : throw new VertebraException($"global_pool '{pool.NameOf()}' is not for CoaT; use token or avg");

    private static (string Name, CoatSpec Spec, PretrainedConfig Config)[] Rows()
    {
        var config = TransformerConfigs.ImageNet;
        IntList even = [2, 2, 2, 2], lite = [8, 8, 4, 4];
        var medium = new CoatSpec([128, 256, 320, 512], [3, 6, 10, 8]);
        return
        [
            ("coat_tiny", new([152, 152, 152, 152], even) { ParallelDepth = 6 }, config),
            ("coat_mini", new([152, 216, 216, 216], even) { ParallelDepth = 6 }, config),
            ("coat_small", new([152, 320, 320, 320], even) { ParallelDepth = 6 }, config),
            ("coat_lite_tiny", new([64, 128, 256, 320], even) { Ratios = lite }, config),
            ("coat_lite_mini", new([64, 128, 320, 512], even) { Ratios = lite }, config),
            ("coat_lite_small", new([64, 128, 320, 512], [3, 4, 6, 3]) { Ratios = lite }, config),
            ("coat_lite_medium", medium, config),
            ("coat_lite_medium_384", medium, config.Square(384).Crop(1).Squash()),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by resolution; the three last are equal where blocks stand side by side.</param>
/// <param name="Depths">Blocks by resolution.</param>
internal sealed record CoatSpec(IntList Widths, IntList Depths)
{
    public const int Heads = 8;
    public const float Epsilon = 1e-6f;

    /// <summary>Blocks over three resolutions at once.</summary>
    public int ParallelDepth { get; init; }

    /// <summary>Hidden width of the MLPs relative to the stage's, by resolution.</summary>
    public IntList Ratios { get; init; } = [4, 4, 4, 4];
}

/// <summary>Tokens [N, 1 + height · width, C]: a class token, then a map.</summary>
internal readonly record struct TokenRow(Tensor Tokens, Size2d Size)
{
    /// <summary>The map [N, height, width, C] without the class token.</summary>
    public Tensor Map => Tokens.Slice(1, 1).ToMap(Size.H, Size.W);

    /// <summary>The class token and another map.</summary>
    public TokenRow With(Tensor map) => new(Tensor.Concat([Tokens.Slice(1, 0, 1), map.ToTokens()], 1), new(map.Shape[1], map.Shape[2]));

    /// <summary>The class token and the map at another size.</summary>
    public Tensor Resized(Size2d size) => With(Map.Interpolate(size, Kernels.InterpolationMode.Bilinear)).Tokens;
}

/// <summary>A depthwise convolution of the map, added to it: positions by way of the neighbours.</summary>
internal sealed class ConvolutionalPositions : Module
{
    private readonly Conv2d _proj;

    public ConvolutionalPositions(int width) => _proj = Child("proj", new Conv2d(width, width, 3, 1, 1, groups: width));

    /// <summary>The row with positions in its map.</summary>
    public TokenRow Forward(TokenRow row)
    {
        using var scope = Enter();
        return row.With(OnForward(row.Map));
    }

    protected override Tensor OnForward(Tensor x) => _proj.Forward(x) + x;
}

/// <summary>Depthwise convolutions of the values, their kernels growing from group to group of heads, that scale the queries: relative positions.</summary>
internal sealed class ConvolutionalRelativePositions : Module
{
    private static readonly (int Kernel, int Heads)[] s_windows = [(3, 2), (5, 3), (7, 3)];
    private readonly ModuleList<Conv2d> _convolutions;
    private readonly IntList _splits;

    public ConvolutionalRelativePositions(int width)
    {
        _splits = [.. s_windows.Select(w => w.Heads * (width / CoatSpec.Heads))];
        _convolutions = Child("conv_list", new ModuleList<Conv2d>(s_windows.Select((w, i) => new Conv2d(_splits[i], _splits[i], w.Kernel, 1, w.Kernel / 2, groups: _splits[i]))));
    }

    /// <summary>Products [N, 1 + height · width, C] of queries and convolved values; zero for the class token.</summary>
    public Tensor Forward(TokenRow queries, TokenRow values)
    {
        using var scope = Enter();
        var parts = values.Map.Split(_splits, -1);
        var map = Tensor.Concat([.. _convolutions.Modules.Select((conv, i) => conv.Forward(parts[i]))], -1);
        return (queries.Map * map).ToTokens().Pad([0, 1, 0], [0, 0, 0]);
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("relative positions need queries and values");
}

/// <summary>Attention in factors: keys and values make a matrix of a head's channels, which the queries read; relative positions are added.</summary>
internal sealed class FactorAttention : Module
{
    private readonly Linear _qkv;
    private readonly Linear _proj;
    private readonly ConvolutionalRelativePositions _relative;

    /// <param name="width">Channels, a multiple of the eight heads.</param>
    /// <param name="relative">Positions, shared with the other blocks of the resolution.</param>
    public FactorAttention(int width, ConvolutionalRelativePositions relative)
    {
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
        _relative = Child("crpe", relative);
    }

    /// <summary>Attention over tokens that hold a map of a size.</summary>
    public Tensor Forward(Tensor tokens, Size2d size)
    {
        using var scope = Enter();
        var parts = _qkv.Forward(tokens).Chunk(3, -1);
        var (q, k, v) = (parts[0], parts[1], parts[2]);
        var factor = Heads.Split(k.Softmax(1), CoatSpec.Heads).MatMul(Heads.Split(v, CoatSpec.Heads), transposeA: true);
        var scale = 1 / MathF.Sqrt(tokens.Shape[2] / CoatSpec.Heads);
        var read = Heads.Split(q, CoatSpec.Heads).MatMul(factor).Join() * scale;
        return _proj.Forward(read + _relative.Forward(new(q, size), new(v, size)));
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("attention with convolutional positions needs the size of the map");
}

/// <summary>Positions, attention and MLP at one resolution, attention and MLP normalised before and added to a shortcut.</summary>
internal sealed class CoatBlock : Module
{
    private readonly ConvolutionalPositions _positions;
    private readonly NormLayer _norm1;
    private readonly FactorAttention _attn;
    private readonly DropPath? _dropPath;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;

    public CoatBlock(int width, int ratio, ConvolutionalPositions positions, ConvolutionalRelativePositions relative, float dropPathRate)
    {
        _positions = Child("cpe", positions);
        _norm1 = Child("norm1", new LayerNorm(width, CoatSpec.Epsilon));
        _attn = Child("factoratt_crpe", new FactorAttention(width, relative));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width, CoatSpec.Epsilon));
        _mlp = Child("mlp", new TokenMlp(width, ratio * width));
    }

    /// <summary>The block on a class token and a map.</summary>
    public TokenRow Forward(TokenRow row)
    {
        using var scope = Enter();
        var x = _positions.Forward(row).Tokens;
        var branch = _attn.Forward(_norm1.Forward(x), row.Size);
        x += _dropPath?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        return row with { Tokens = x + (_dropPath?.Forward(branch) ?? branch) };
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a block of CoaT needs the size of the map");
}

/// <summary>Attention at three resolutions, the results exchanged between them by resampling, then one MLP for all.</summary>
internal sealed class CoatParallelBlock : Module
{
    private readonly NormLayer[] _norm1;
    private readonly FactorAttention[] _attn;
    private readonly DropPath? _dropPath;
    private readonly NormLayer[] _norm2;
    private readonly TokenMlp _mlp;

    /// <param name="width">Channels at all three.</param>
    /// <param name="ratio">Hidden width of the MLP relative to them.</param>
    /// <param name="relative">Positions of the four resolutions, of which the first is not used.</param>
    /// <param name="dropPathRate">Stochastic depth.</param>
    public CoatParallelBlock(int width, int ratio, ConvolutionalRelativePositions[] relative, float dropPathRate)
    {
        _norm1 = Three(i => Child($"norm1{i}", new LayerNorm(width, CoatSpec.Epsilon)));
        _attn = Three(i => Child($"factoratt_crpe{i}", new FactorAttention(width, relative[i - 1])));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _norm2 = Three(i => Child($"norm2{i}", new LayerNorm(width, CoatSpec.Epsilon)));
        var mlp = new TokenMlp(width, ratio * width);
        _mlp = Three(i => Child($"mlp{i}", mlp))[0];

        static T[] Three<T>(Func<int, T> make) => [make(2), make(3), make(4)];
    }

    /// <summary>The block on the rows of the three coarser resolutions.</summary>
    public TokenRow[] Forward(TokenRow[] rows)
    {
        using var scope = Enter();
        var own = rows.Select((row, i) => row with { Tokens = _attn[i].Forward(_norm1[i].Forward(row.Tokens), row.Size) }).ToArray();
        var results = new TokenRow[3];
        for (var i = 0; i < 3; i++)
        {
            var branch = own[i].Tokens;
            // In the reference's order of summation.
            foreach (var other in (int[])(i == 1 ? [2, 0] : i == 0 ? [1, 2] : [1, 0]))
                branch += own[other].Resized(rows[i].Size);
            var x = rows[i].Tokens + (_dropPath?.Forward(branch) ?? branch);
            branch = _mlp.Forward(_norm2[i].Forward(x));
            results[i] = rows[i] with { Tokens = x + (_dropPath?.Forward(branch) ?? branch) };
        }
        return results;
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a parallel block of CoaT needs the rows of three resolutions");
}

/// <summary>A learned sum of a few tokens, the same for all channels: [N, L, C] becomes [N, 1, C]. Weights as those of a one-dimensional convolution.</summary>
internal sealed class TokenSum : Module
{
    private readonly Tensor _weight;
    private readonly Tensor _bias;

    public TokenSum(int tokens)
    {
        _weight = Parameter("weight", [1, tokens, 1], Init.TorchDefault);
        _bias = Parameter("bias", [1], Init.Uniform(1 / MathF.Sqrt(tokens)));
    }

    protected override Tensor OnForward(Tensor x) => x.Transpose(1, 2).Linear(_weight.Reshape([1, x.Shape[1]]), _bias).Transpose(1, 2);
}
