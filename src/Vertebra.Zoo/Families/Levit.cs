using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// LeViT: a stem of convolutions, then three stages of attention with biases by offset, batch normalisation everywhere (Graham et al.
/// 2021), with linear layers or, as levit_conv, with 1x1 convolutions. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class Levit : Backbone
{
    private readonly bool _isDistilled;
    private readonly float _dropRate;
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _head;
    private Module? _headDist;

    internal Levit(LevitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for LeViT: its attention is laid out for the strides it has");
        (_isDistilled, _dropRate, Classifier) = (spec.IsDistilled, options.DropRate, spec.Classifier);
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
            _features.Add(new(i, spec.Widths[i], stride, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _pool = new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg);
        CheckWidth(_pool.Pool);
        _head = Child("head", MakeHead(NumClasses, options.DropRate));
        _headDist = spec.IsDistilled ? Child("head_dist", MakeHead(NumClasses, 0)) : null;
    }

    public static Family Family { get; } = LevitVariants.Family();

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier { get; }

    public override string FirstConv => "stem.conv1.linear";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => OffsetBiases.Adapt(this, state, notes);

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    // The classifier that learned from a teacher and the one that learned from labels have the same say.
    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _pool.Forward(features);
        if (preLogits)
            return x;
        return _headDist is null ? _head.Forward(x) : (_head.Forward(x) + _headDist.Forward(x)) * 0.5f;
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
        {
            CheckWidth(changed);
            _pool = new GlobalPool2d(changed);
        }
        _head = Replace("head", MakeHead(numClasses, _dropRate));
        if (_isDistilled)
            _headDist = Replace("head_dist", MakeHead(numClasses, 0));
    }

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

    private static void CheckWidth(GlobalPool pool)
    {
        if (pool.Width() != 1)
            throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: the classifier's normaliser takes as many features as the map has channels");
    }

    private Module MakeHead(int numClasses, float dropRate) => numClasses == 0 ? new Identity() : new FoldingNormLinear(NumFeatures, numClasses, dropRate);
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
    private readonly LevitAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly LevitMlp _mlp;
    private readonly DropPath? _dropPath2;

    public LevitBlock(LevitSpec spec, int stage, int map, float dropPathRate)
    {
        _attn = Child("attn", new LevitAttention(spec, spec.Widths[stage], spec.Heads[stage], map));
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

/// <summary>Attention over all pixels; values are twice as wide as keys.</summary>
internal sealed class LevitAttention : Module
{
    private const int ValueRatio = 2;
    private readonly int _heads;
    private readonly int _keyWidth;
    private readonly Size2d _map;
    private readonly Tensor _biases;
    private readonly Tensor _index;
    private readonly Module _qkv;
    private readonly Sequential _proj;

    public LevitAttention(LevitSpec spec, int width, int heads, Size2d map)
    {
        (_heads, _keyWidth, _map) = (heads, spec.KeyWidth, map);
        _biases = Parameter("attention_biases", [heads, map.H * map.W], Init.Zeros);
        _index = Buffer("attention_bias_idxs", OffsetBiases.Index(map), persistent: false);
        _qkv = Child("qkv", spec.Affine(width, (2 + ValueRatio) * spec.KeyWidth * heads));
        _proj = Child("proj", LevitBlocks.Projection(spec, ValueRatio * spec.KeyWidth * heads, width, Init.Zeros));
    }

    protected override Tensor OnForward(Tensor x)
    {
        OffsetBiases.CheckMap(x, _map);
        var parts = Heads.Split(_qkv.Forward(x).ToTokens(), _heads).Split([_keyWidth, _keyWidth, ValueRatio * _keyWidth], -1);
        var result = parts[0].Attention(parts[1], parts[2], mask: OffsetBiases.Of(_biases, _index));
        return _proj.Forward(result.Join().ToMap(_map.H, _map.W));
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
