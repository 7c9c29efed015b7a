using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// GC ViT: attention inside windows, in every second block with queries that a small convolutional branch makes of the whole map
/// (Hatamizadeh et al. 2023). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class GlobalContextVit : PooledBackbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;

    internal GlobalContextVit(GlobalContextVitSpec spec, ModelOptions options) : base(options, "stem.conv1", "head.fc")
    {
        RefuseOutputStride(options, "GC ViT");
        var side = options.ImgSize ?? 224;
        if (side % 32 != 0)
            throw new VertebraException($"img_size is {side}; for GC ViT it must be a multiple of 32: its windows are a 32nd of the image's side");
        _stem = Child("stem", new Sequential(
        [
            ("conv1", new Conv2d(InChans, spec.Width, 3, 2, 1)), ("down", GlobalContextParts.Downsample(spec.Width, spec.Width)),
        ]));
        var (index, count) = (0, spec.Depths.Sum());
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            stages[i] = new GlobalContextStage(spec, i, side, [.. rates]);
            index += spec.Depths[i];
            AddFeature(spec.Width << i, 4 << i, $"stages.{i}");
        }
        _stages = Child("stages", new Sequential(stages));
        AddHead(spec.Width << 3, options);
    }

    public static Family Family { get; } = new(
        "gcvit",
        "Hatamizadeh et al.: Global context vision transformers, ICML 2023, arXiv:2206.09959",
        [.. Rows().Select(r => ModelInfo.Row(
            r.Name, "gcvit", [("in1k", new() { FixedInputSize = true, HubId = "", License = "apache-2.0" })], "head.fc", "stem.conv1", options => new GlobalContextVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Attention within windows alternates with attention in which one set of queries, made from the whole image, is shared by all windows. Far parts meet without shifts, and fused inverted residuals bring locality between the stages.",
    };

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => PositionTables.Adapt(this, state, notes);

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    private static (string Name, GlobalContextVitSpec Spec)[] Rows()
    {
        IntList deep = [3, 4, 19, 5];
        return
        [
            ("gcvit_xxtiny", new(64, 2, [2, 2, 6, 2])),
            ("gcvit_xtiny", new(64, 2, [3, 4, 6, 5])),
            ("gcvit_tiny", new(64, 2, deep)),
            ("gcvit_small", new(96, 3, deep) { Ratio = 2, Scale = 1e-5f }),
            ("gcvit_base", new(128, 4, deep) { Ratio = 2, Scale = 1e-5f }),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage.</param>
/// <param name="Heads">Of the first stage; they double too.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record GlobalContextVitSpec(int Width, int Heads, IntList Depths)
{
    /// <summary>Hidden width of the MLPs relative to the stage's.</summary>
    public int Ratio { get; init; } = 3;

    /// <summary>First value of the scales of the branches; null: no scales.</summary>
    public float? Scale { get; init; }

    /// <summary>How many times smaller than the image's a window's side is, by stage.</summary>
    public IntList WindowRatios { get; } = [32, 32, 16, 32];
}

/// <summary>The convolutional parts.</summary>
internal static class GlobalContextParts
{
    /// <summary>Norm, convolutional block, a convolution that halves the map, norm.</summary>
    public static Sequential Downsample(int inChannels, int outChannels) => new(
    [
        ("norm1", new LayerNorm(inChannels)), ("conv_block", new ContextConvolution(inChannels)),
        ("reduction", new Conv2d(inChannels, outChannels, 3, 2, 1, bias: false)), ("norm2", new LayerNorm(outChannels)),
    ]);

    /// <summary>What makes the global queries: convolutional blocks, each halving the map, until it is of a window's size.</summary>
    public static Sequential QueryBranch(int width, int halvings)
    {
        List<(string, Module)> blocks = [];
        for (var i = 1; i <= Math.Max(1, halvings); i++)
        {
            blocks.Add(($"conv{i}", new ContextConvolution(width)));
            if (i <= halvings)
                blocks.Add(($"pool{i}", new MaxPool2d(3, 2, 1)));
        }
        return new([("blocks", new Sequential(blocks))]);
    }
}

/// <summary>A depthwise convolution, squeeze-and-excitation and a 1x1 convolution beside a shortcut, without norms.</summary>
internal sealed class ContextConvolution : Module
{
    private readonly Conv2d _depthwise;
    private readonly ActivationLayer _act;
    private readonly SqueezeExcite _squeeze;
    private readonly Conv2d _pointwise;

    public ContextConvolution(int width)
    {
        _depthwise = Child("conv_dw", new Conv2d(width, width, 3, 1, 1, groups: width, bias: false));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _squeeze = Child("se", new SqueezeExcite(width, Widths.Divisible(width * 0.25, limit: 0), ActivationKind.Gelu, bias: false));
        _pointwise = Child("conv_pw", new Conv2d(width, width, 1, bias: false));
    }

    protected override Tensor OnForward(Tensor x) => _pointwise.Forward(_squeeze.Forward(_act.Forward(_depthwise.Forward(x)))) + x;
}

/// <summary>Halving, the branch of the global queries, and blocks that attend in windows.</summary>
internal sealed class GlobalContextStage : Module
{
    private readonly Sequential? _downsample;
    private readonly Sequential _queries;
    private readonly ModuleList<GlobalContextBlock> _blocks;
    private readonly NormLayer? _norm;

    public GlobalContextStage(GlobalContextVitSpec spec, int stage, int imageSide, IReadOnlyList<float> dropPathRates)
    {
        var (width, window) = (spec.Width << stage, imageSide / spec.WindowRatios[stage]);
        var halvings = (int)Math.Log2((imageSide >> (stage + 2)) / window);
        _downsample = stage == 0 ? null : Child("downsample", GlobalContextParts.Downsample(width / 2, width));
        _queries = Child("global_block", GlobalContextParts.QueryBranch(width, halvings));
        _blocks = Child("blocks", new ModuleList<GlobalContextBlock>(dropPathRates.Select((rate, i) =>
            new GlobalContextBlock(width, spec.Heads << stage, window, isGlobal: i % 2 == 1, spec.Ratio, spec.Scale, rate))));
        _norm = stage == 3 ? Child("norm", new LayerNorm(width)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _downsample?.Forward(x) ?? x;
        var queries = _queries.Forward(x).ToTokens();
        foreach (var block in _blocks.Modules)
            x = block.Forward(x, queries);
        return _norm?.Forward(x) ?? x;
    }
}

/// <summary>Attention in windows and MLP over a map [N, H, W, C], each normalised before, perhaps scaled after, and added to a shortcut.</summary>
internal sealed class GlobalContextBlock : Module
{
    private readonly int _window;
    private readonly NormLayer _norm1;
    private readonly GlobalWindowAttention _attn;
    private readonly LayerScale? _scale1;
    private readonly DropPath? _dropPath1;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly LayerScale? _scale2;
    private readonly DropPath? _dropPath2;

    public GlobalContextBlock(int width, int heads, int window, bool isGlobal, int ratio, float? scale, float dropPathRate)
    {
        _window = window;
        _norm1 = Child("norm1", new LayerNorm(width));
        _attn = Child("attn", new GlobalWindowAttention(width, heads, window, isGlobal));
        _scale1 = scale is { } first ? Child("ls1", new LayerScale(width, first)) : null;
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _norm2 = Child("norm2", new LayerNorm(width));
        _mlp = Child("mlp", new TokenMlp(width, ratio * width));
        _scale2 = scale is { } second ? Child("ls2", new LayerScale(width, second)) : null;
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    /// <summary>The block on a map, with queries [N, L, C] of a window's size for the whole of each image.</summary>
    public Tensor Forward(Tensor x, Tensor queries) => Forward(() => Apply(x, queries));

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("a block with global context needs the queries of its stage");

    private Tensor Apply(Tensor x, Tensor queries)
    {
        var branch = _attn.Forward(_norm1.Forward(x).ToWindows(_window), queries).FromWindows(_window, x.Shape[1], x.Shape[2]);
        branch = _scale1?.Forward(branch) ?? branch;
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(_norm2.Forward(x));
        branch = _scale2?.Forward(branch) ?? branch;
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention inside windows with biases of relative positions; a global one takes its queries from outside.</summary>
internal sealed class GlobalWindowAttention : Module
{
    private readonly int _heads;
    private readonly bool _isGlobal;
    private readonly RelativeTable _positions;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    public GlobalWindowAttention(int width, int heads, int window, bool isGlobal)
    {
        (_heads, _isGlobal) = (heads, isGlobal);
        _positions = Child("rel_pos", new RelativeTable(window, heads));
        _qkv = Child("qkv", TokenLinear.Create(width, (isGlobal ? 2 : 3) * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    /// <summary>Windows [N · windows, L, C] by queries [N, L, C].</summary>
    public Tensor Forward(Tensor windows, Tensor queries)
    {
        using var scope = Enter();
        var own = Heads.Split(_qkv.Forward(windows), _heads, _isGlobal ? 2 : 3);
        var q = _isGlobal ? Heads.Split(ForEachWindow(queries, windows.Shape[0]), _heads) : own[0];
        return _proj.Forward(q.Attention(own[^2], own[^1], mask: _positions.Bias()).Join());
    }

    protected override Tensor OnForward(Tensor x) => throw new VertebraException("attention with global context needs the queries of its stage");

    // Every window of an image asks with that image's queries. The reference deals them out in turn, which is the same for one image and
    // mixes the images of a larger batch.
    private static Tensor ForEachWindow(Tensor queries, int windows)
    {
        var (n, l, c) = (queries.Shape[0], queries.Shape[1], queries.Shape[2]);
        return queries.Reshape([n, 1, l, c]).Expand([n, windows / n, l, c]).Reshape([windows, l, c]);
    }
}
