using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// EfficientFormer V2: MLPs with a depthwise convolution inside, and in the last two stages attention with talking heads (Li et al.
/// 2023). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class EfficientFormerV2 : TwoHeadBackbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormLayer _norm;

    internal EfficientFormerV2(EfficientFormerV2Spec spec, ModelOptions options) : base(options, "stem.conv1.conv", "head,head_dist")
    {
        var (width, side) = (spec.Widths[0], options.ImgSize ?? 224);
        _stem = Child("stem", new Sequential(
        [
            ("conv1", EfficientFormerV2Blocks.Conv(InChans, width / 2, 3, 2, activates: true)), ("conv2", EfficientFormerV2Blocks.Conv(width / 2, width, 3, 2, activates: true)),
        ]));
        var (index, count, stages) = (0, spec.Depths.Sum(), new List<Module>());
        for (var i = 0; i < spec.Widths.Count; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            stages.Add(new Sequential(EfficientFormerV2Blocks.Stage(spec, i, width, side, [.. rates])));
            (width, index) = (spec.Widths[i], index + spec.Depths[i]);
            AddFeature(width, 4 << i, $"stages.{i}");
        }
        _stages = Child("stages", new Sequential(stages));
        _norm = Child("norm", new BatchNorm2d(width));
        AddHeads(options, options.DropRate);
    }

    public static Family Family { get; } = MakeFamily();

    protected override Tensor OnForwardFeatures(Tensor x) => _norm.Forward(_stages.Forward(_stem.Forward(x)));

    private static Family MakeFamily()
    {
        (string Name, EfficientFormerV2Spec Spec)[] rows =
        [
            ("efficientformerv2_s0", new([32, 48, 96, 176], [2, 2, 6, 4], 2, [4, 3, 3, 3, 4, 4], [4, 3, 3, 4])),
            ("efficientformerv2_s1", new([32, 48, 120, 224], [3, 3, 9, 6], 2, [4, 4, 3, 3, 3, 3, 4, 4, 4], [4, 4, 3, 3, 4, 4])),
            ("efficientformerv2_s2", new([32, 64, 144, 288], [4, 4, 12, 8], 4, [4, 4, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4], [4, 4, 3, 3, 3, 3, 4, 4])),
            ("efficientformerv2_l", new([40, 80, 192, 384], [5, 5, 15, 10], 6, [4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4], [4, 4, 4, 3, 3, 3, 3, 4, 4, 4])),
        ];
        var config = new PretrainedConfig { FixedInputSize = true, PoolSize = [], CropPct = 0.95f, License = "apache-2.0" };
        return new(
            "efficientformer_v2",
            "Li et al.: Rethinking vision transformers for MobileNet size and speed, ICCV 2023, arXiv:2212.08059",
            [.. rows.Select(r => ModelInfo.Row(
                r.Name, "efficientformer_v2", [("snap_dist_in1k", config)], "head,head_dist", "stem.conv1.conv", options => new EfficientFormerV2(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "A supernet is searched for size and speed at once, with local convolution inside the feed-forward part and attention on strided maps. It reaches the size and the latency of MobileNet with the accuracy of larger transformers.",
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Attending">How many blocks attend at the end of each of the last two stages.</param>
/// <param name="ThirdRatios">Hidden channels of the MLPs of the third stage, relative to its own; 4 in the first two.</param>
/// <param name="FourthRatios">Those of the fourth.</param>
internal sealed record EfficientFormerV2Spec(IntList Widths, IntList Depths, int Attending, IntList ThirdRatios, IntList FourthRatios)
{
    public int Ratio(int stage, int block) => stage switch { 2 => ThirdRatios[block], 3 => FourthRatios[block], _ => 4 };
}

/// <summary>Stages and their parts.</summary>
internal static class EfficientFormerV2Blocks
{
    /// <summary>A convolution with bias and a normaliser.</summary>
    public static ConvNormAct Conv(int from, int to, int kernel = 1, int stride = 1, int groups = 1, bool activates = false) =>
        new(from, to, kernel, stride, activates ? ActivationKind.Gelu : ActivationKind.Identity, groups: groups, bias: true);

    public static IEnumerable<(string Name, Module Module)> Stage(EfficientFormerV2Spec spec, int stage, int inChannels, int side, IReadOnlyList<float> dropPathRates)
    {
        var (width, from, to) = (spec.Widths[stage], MapOf(Math.Max(stage - 1, 0)), MapOf(stage));
        yield return ("downsample", stage == 0 ? new Identity() : new TwoWayDownsample(inChannels, width, stage == 3 ? from : null));
        var attending = stage >= 2 ? spec.Attending : 0;
        yield return ("blocks", new Sequential(dropPathRates.Select((rate, i) => new EfficientFormerV2Block(
            width, spec.Ratio(stage, i), i >= dropPathRates.Count - attending ? new TalkingMapAttention(width, to, halves: stage == 2) : null, rate))));

        int MapOf(int index) => (side + (4 << index) - 1) / (4 << index);
    }
}

/// <summary>Attention if there is any, and an MLP with a depthwise convolution, each scaled and beside a shortcut.</summary>
internal sealed class EfficientFormerV2Block : Module
{
    private readonly TalkingMapAttention? _mixer;
    private readonly LayerScale? _scale1;
    private readonly DropPath? _dropPath1;
    private readonly Sequential _mlp;
    private readonly LayerScale _scale2;
    private readonly DropPath? _dropPath2;

    public EfficientFormerV2Block(int width, int ratio, TalkingMapAttention? mixer, float dropPathRate)
    {
        if (mixer is not null)
        {
            _mixer = Child("token_mixer", mixer);
            _scale1 = Child("ls1", new LayerScale(width));
            _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        }
        var hidden = ratio * width;
        _mlp = Child("mlp", new Sequential(
        [
            ("fc1", EfficientFormerV2Blocks.Conv(width, hidden, activates: true)), ("mid", EfficientFormerV2Blocks.Conv(hidden, hidden, 3, groups: hidden, activates: true)),
            ("fc2", EfficientFormerV2Blocks.Conv(hidden, width)),
        ]));
        _scale2 = Child("ls2", new LayerScale(width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        if (_mixer is not null)
        {
            var mixed = _scale1!.Forward(_mixer.Forward(x));
            x += _dropPath1?.Forward(mixed) ?? mixed;
        }
        var branch = _scale2.Forward(_mlp.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }
}

/// <summary>
/// Attention between the pixels of a map, or of one half as high and wide, whose heads are mixed before and after the softmax, plus a
/// depthwise convolution of the values.
/// </summary>
internal sealed class TalkingMapAttention : Module
{
    private const int HeadCount = 8;
    private const int KeyWidth = 32;
    private const int Inner = 4 * KeyWidth * HeadCount;
    private readonly Size2d _from;
    private readonly Size2d _map;
    private readonly Tensor _biases;
    private readonly Tensor _index;
    private readonly ConvNormAct? _halve;
    private readonly ConvNormAct _q;
    private readonly ConvNormAct _k;
    private readonly ConvNormAct _v;
    private readonly ConvNormAct _local;
    private readonly Conv2d _talk1;
    private readonly Conv2d _talk2;
    private readonly ActivationLayer _act;
    private readonly ConvNormAct _proj;

    /// <param name="width">Channels of the map.</param>
    /// <param name="map">Size of the map.</param>
    /// <param name="halves">Whether attention works on a map half as high and wide.</param>
    public TalkingMapAttention(int width, Size2d map, bool halves)
    {
        if (halves && (map.H % 2 != 0 || map.W % 2 != 0))
            throw new VertebraException($"attention halves a map of {map.H}x{map.W} pixels and doubles it again, so they must be even numbers; choose an image size (img_size) that is a multiple of 32");
        (_from, _map) = (map, halves ? (map.H / 2, map.W / 2) : map);
        _biases = Parameter("attention_biases", [HeadCount, _map.H * _map.W], Init.Zeros);
        _index = Buffer("attention_bias_idxs", OffsetBiases.Index(_map), persistent: false);
        _halve = halves ? Child("stride_conv", EfficientFormerV2Blocks.Conv(width, width, 3, 2, width)) : null;
        _q = Child("q", EfficientFormerV2Blocks.Conv(width, KeyWidth * HeadCount));
        _k = Child("k", EfficientFormerV2Blocks.Conv(width, KeyWidth * HeadCount));
        _v = Child("v", EfficientFormerV2Blocks.Conv(width, Inner));
        _local = Child("v_local", EfficientFormerV2Blocks.Conv(Inner, Inner, 3, groups: Inner));
        _talk1 = Child("talking_head1", new Conv2d(HeadCount, HeadCount, 1));
        _talk2 = Child("talking_head2", new Conv2d(HeadCount, HeadCount, 1));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _proj = Child("proj", EfficientFormerV2Blocks.Conv(Inner, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        OffsetBiases.CheckMap(x, _from);
        x = _halve?.Forward(x) ?? x;
        var (q, k, v) = (Split(_q.Forward(x)), Split(_k.Forward(x)), _v.Forward(x));
        var scores = (q.MatMul(k, transposeB: true) * (1 / MathF.Sqrt(KeyWidth))) + OffsetBiases.Of(_biases, _index);
        // Heads last, where the convolutions look for their channels.
        var weights = _talk2.Forward(_talk1.Forward(scores.Permute([0, 2, 3, 1])).Softmax(2)).Permute([0, 3, 1, 2]);
        x = weights.MatMul(Split(v)).Join().ToMap(_map.H, _map.W) + _local.Forward(v);
        if (_halve is not null)
            x = x.Interpolate(_from, Kernels.InterpolationMode.Bilinear);
        return _proj.Forward(_act.Forward(x));

        static Tensor Split(Tensor map) => Heads.Split(map.ToTokens(), HeadCount);
    }
}

/// <summary>A striding 3x3 convolution and, where a map's size is given, attention from every second pixel of every second row beside it.</summary>
internal sealed class TwoWayDownsample : Module
{
    private readonly ConvNormAct _conv;
    private readonly ShrinkingMapAttention? _attn;

    public TwoWayDownsample(int inChannels, int outChannels, Size2d? map)
    {
        _conv = Child("conv", EfficientFormerV2Blocks.Conv(inChannels, outChannels, 3, 2));
        _attn = map is { } size ? Child("attn", new ShrinkingMapAttention(inChannels, outChannels, size)) : null;
    }

    protected override Tensor OnForward(Tensor x) => _attn is null ? _conv.Forward(x) : _attn.Forward(x) + _conv.Forward(x);
}

/// <summary>Attention whose queries come from a map half as high and wide, plus a striding depthwise convolution of the values.</summary>
internal sealed class ShrinkingMapAttention : Module
{
    private const int HeadCount = 8;
    private const int KeyWidth = 16;
    private const int Inner = 4 * KeyWidth * HeadCount;
    private readonly Size2d _map;
    private readonly Tensor _biases;
    private readonly Tensor _index;
    private readonly HalvedQueries _q;
    private readonly ConvNormAct _k;
    private readonly ConvNormAct _v;
    private readonly ConvNormAct _local;
    private readonly ActivationLayer _act;
    private readonly ConvNormAct _proj;

    public ShrinkingMapAttention(int inChannels, int outChannels, Size2d map)
    {
        _map = map;
        _biases = Parameter("attention_biases", [HeadCount, map.H * map.W], Init.Zeros);
        _index = Buffer("attention_bias_idxs", OffsetBiases.Index(map, step: 2), persistent: false);
        _q = Child("q", new HalvedQueries(inChannels, KeyWidth * HeadCount));
        _k = Child("k", EfficientFormerV2Blocks.Conv(inChannels, KeyWidth * HeadCount));
        _v = Child("v", EfficientFormerV2Blocks.Conv(inChannels, Inner));
        _local = Child("v_local", EfficientFormerV2Blocks.Conv(Inner, Inner, 3, 2, Inner));
        _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
        _proj = Child("proj", EfficientFormerV2Blocks.Conv(Inner, outChannels));
    }

    protected override Tensor OnForward(Tensor x)
    {
        OffsetBiases.CheckMap(x, _map);
        var v = _v.Forward(x);
        var result = Split(_q.Forward(x)).Attention(Split(_k.Forward(x)), Split(v), mask: OffsetBiases.Of(_biases, _index));
        return _proj.Forward(_act.Forward(result.Join().ToMap((_map.H + 1) / 2, (_map.W + 1) / 2) + _local.Forward(v)));

        static Tensor Split(Tensor map) => Heads.Split(map.ToTokens(), HeadCount);
    }

    /// <summary>Every second pixel of every second row and a striding depthwise convolution, summed, then a 1x1 convolution.</summary>
    private sealed class HalvedQueries : Module
    {
        private readonly AvgPool2d _pool;
        private readonly Conv2d _local;
        private readonly ConvNormAct _proj;

        public HalvedQueries(int inChannels, int outChannels)
        {
            _pool = Child("pool", new AvgPool2d(1, 2));
            _local = Child("local", new Conv2d(inChannels, inChannels, 3, 2, 1, groups: inChannels));
            _proj = Child("proj", EfficientFormerV2Blocks.Conv(inChannels, outChannels));
        }

        protected override Tensor OnForward(Tensor x) => _proj.Forward(_local.Forward(x) + _pool.Forward(x));
    }
}
