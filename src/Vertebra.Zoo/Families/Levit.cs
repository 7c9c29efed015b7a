using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// LeViT: a stem of convolutions, then three stages of attention with biases by offset, batch normalisation everywhere (Graham et al.
/// 2021), with linear layers or, as levit_conv, with 1x1 convolutions. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Levit : TwoHeadBackbone
{
    private readonly float _dropRate;
    private readonly Sequential _stem;
    private readonly Sequential _stages;

    internal Levit(LevitSpec spec, ModelOptions options) : base(options, LevitVariants.FirstConv, spec.Classifier)
    {
        _dropRate = options.DropRate;
        _stem = Child("stem", new Sequential(Stem(InChans, spec)));
        var stride = spec.StemStride;
        var map = (options.ImgSize ?? 224) / stride;
        var stages = new Module[spec.Widths.Count];
        for (var i = 0; i < stages.Length; i++)
        {
            var former = map;
            if (i > 0)
                (stride, map) = (2 * stride, (map + 1) / 2);
            stages[i] = new Sequential(LevitBlocks.Stage(spec, i, former, map, options.DropPathRate));
            AddFeature(spec.Widths[i], stride, $"stages.{i}");
        }
        _stages = Child("stages", new Sequential(stages));
        // The classifiers drop by themselves, after their normalisers.
        AddHeads(options, drop: 0, spec.IsDistilled);
    }

    public static Family Family { get; } = LevitVariants.Family();

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Module MakeHead(int numClasses, bool isTeachers) =>
        numClasses == 0 ? new Identity() : new FoldingNormLinear(NumFeatures, numClasses, isTeachers ? 0 : _dropRate);

    private static IEnumerable<(string, Module)> Stem(int inChannels, LevitSpec spec)
    {
        for (var (i, stride) = (1, 2); stride <= spec.StemStride; i++, stride *= 2)
        {
            var width = spec.Widths[0] * stride / spec.StemStride;
            if (i > 1)
                yield return ($"act{i - 1}", new ActivationLayer(spec.Activation));
            yield return ($"conv{i}", new FoldingConvNorm(inChannels, width, 3, 2, name: "linear"));
            inChannels = width;
        }
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="KeyWidth">Channels of a key.</param>
/// <param name="Heads">Heads by stage.</param>
/// <param name="Depths">Blocks by stage.</param>
internal sealed record LevitSpec(IntList Widths, int KeyWidth, IntList Heads, IntList Depths)
{
    public ActivationKind Activation { get; init; } = ActivationKind.HardSwish;

    /// <summary>Input pixels per pixel of the stem's map: 8 or 16.</summary>
    public int StemStride { get; init; } = 16;

    /// <summary>Whether there is a second classifier, for a teacher's labels.</summary>
    public bool IsDistilled { get; init; } = true;

    /// <summary>The weights have the shapes of 1x1 convolutions.</summary>
    public bool UsesConv { get; init; }

    /// <summary>As the published weights name it.</summary>
    public string Classifier { get; init; } = "head.linear,head_dist.linear";

    public Module Affine(int from, int to, Initialiser? normInitialiser = null) =>
        UsesConv ? new FoldingConvNorm(from, to, normInitialiser: normInitialiser, name: "linear") : new FoldingLinearNorm(from, to, normInitialiser);
}

/// <summary>Stages of the network.</summary>
internal static class LevitBlocks
{
    /// <param name="spec">The variant.</param>
    /// <param name="stage">Which stage.</param>
    /// <param name="former">Side of the map that comes in.</param>
    /// <param name="map">Side of the stage's map.</param>
    /// <param name="dropPathRate">Stochastic depth, the same everywhere.</param>
    public static IEnumerable<(string Name, Module Module)> Stage(LevitSpec spec, int stage, int former, int map, float dropPathRate)
    {
        yield return ("downsample", stage == 0 ? new Identity() : new LevitDownsample(spec, stage, former, dropPathRate));
        yield return ("blocks", new Sequential(Enumerable.Range(0, spec.Depths[stage]).Select(_ => new LevitBlock(spec, stage, map, dropPathRate))));
    }

    /// <summary>Attention over all pixels; values are twice as wide as keys.</summary>
    public static OffsetAttention Attention(LevitSpec spec, int width, int heads, int map) => new(
        map, heads, spec.KeyWidth, 2 * spec.KeyWidth, outputs => spec.Affine(width, outputs), Projection(spec, 2 * spec.KeyWidth * heads, width, Init.Zeros));

    public static Sequential Projection(LevitSpec spec, int from, int to, Initialiser? normInitialiser) =>
        new([("act", new ActivationLayer(spec.Activation)), ("ln", spec.Affine(from, to, normInitialiser))]);
}

/// <summary>Two affine layers twice as wide between.</summary>
internal sealed class LevitMlp : Module
{
    private readonly Module _ln1;
    private readonly ActivationLayer _act;
    private readonly Module _ln2;

    public LevitMlp(LevitSpec spec, int width)
    {
        _ln1 = Child("ln1", spec.Affine(width, 2 * width));
        _act = Child("act", new ActivationLayer(spec.Activation));
        _ln2 = Child("ln2", spec.Affine(2 * width, width, Init.Zeros));
    }

    protected override Tensor OnForward(Tensor x) => _ln2.Forward(_act.Forward(_ln1.Forward(x)));
}

/// <summary>Attention and MLP, each beside a shortcut.</summary>
internal sealed class LevitBlock : Module
{
    private readonly OffsetAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly LevitMlp _mlp;
    private readonly DropPath? _dropPath2;

    public LevitBlock(LevitSpec spec, int stage, int map, float dropPathRate)
    {
        _attn = Child("attn", LevitBlocks.Attention(spec, spec.Widths[stage], spec.Heads[stage], map));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", new LevitMlp(spec, spec.Widths[stage]));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _attn.Forward(x);
        x += _dropPath1?.Forward(branch) ?? branch;
        branch = _mlp.Forward(x);
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention whose queries are every second pixel of every second row, then an MLP beside a shortcut.</summary>
internal sealed class LevitDownsample : Module
{
    private readonly LevitShrinkingAttention _attn;
    private readonly LevitMlp _mlp;
    private readonly DropPath? _dropPath;

    public LevitDownsample(LevitSpec spec, int stage, int from, float dropPathRate)
    {
        _attn = Child("attn_downsample", new LevitShrinkingAttention(spec, spec.Widths[stage - 1], spec.Widths[stage], from));
        _mlp = Child("mlp", new LevitMlp(spec, spec.Widths[stage]));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _attn.Forward(x);
        var branch = _mlp.Forward(x);
        return x + (_dropPath?.Forward(branch) ?? branch);
    }
}

/// <summary>Attention of every second pixel of every second row to all pixels; values are four times as wide as keys.</summary>
internal sealed class LevitShrinkingAttention : Module
{
    private const int ValueRatio = 4;
    private readonly int _heads;
    private readonly int _keyWidth;
    private readonly Size2d _map;
    private readonly Size2d _result;
    private readonly Tensor _biases;
    private readonly Tensor _index;
    private readonly Module _kv;
    private readonly Sequential _q;
    private readonly Sequential _proj;

    /// <param name="spec">The variant.</param>
    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="from">Side of the input's map.</param>
    public LevitShrinkingAttention(LevitSpec spec, int inChannels, int outChannels, Size2d from)
    {
        (_heads, _keyWidth, _map, _result) = (inChannels / spec.KeyWidth, spec.KeyWidth, from, ((from.H + 1) / 2, (from.W + 1) / 2));
        _biases = Parameter("attention_biases", [_heads, from.H * from.W], Init.Zeros);
        _index = Buffer("attention_bias_idxs", OffsetBiases.Index(from, step: 2), persistent: false);
        _kv = Child("kv", spec.Affine(inChannels, (1 + ValueRatio) * spec.KeyWidth * _heads));
        _q = Child("q", new Sequential([("down", new AvgPool2d(1, 2)), ("ln", spec.Affine(inChannels, spec.KeyWidth * _heads))]));
        _proj = Child("proj", LevitBlocks.Projection(spec, ValueRatio * spec.KeyWidth * _heads, outChannels, null));
    }

    protected override Tensor OnForward(Tensor x)
    {
        OffsetBiases.CheckMap(x, _map);
        var parts = Heads.Split(_kv.Forward(x).ToTokens(), _heads).Split([_keyWidth, ValueRatio * _keyWidth], -1);
        var queries = Heads.Split(_q.Forward(x).ToTokens(), _heads);
        var result = queries.Attention(parts[0], parts[1], mask: OffsetBiases.Of(_biases, _index));
        return _proj.Forward(result.Join().ToMap(_result.H, _result.W));
    }
}
