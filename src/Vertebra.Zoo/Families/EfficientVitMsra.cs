using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// EfficientViT of Liu et al. 2023: attention whose heads see a slice of the channels each and what the head before made of its own,
/// between depthwise convolutions and MLPs. Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class EfficientVitMsra : Backbone
{
    private const int StemStride = 16;
    private readonly float _dropRate;
    private readonly Sequential _embed;
    private readonly Sequential _stages;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _head;

    internal EfficientVitMsra(CascadeSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for EfficientViT: its attention is laid out for the strides it has");
        _dropRate = options.DropRate;
        _embed = Child("patch_embed", new Sequential(CascadeBlocks.Stem(InChans, spec.Widths[0])));
        var (map, former, stages) = ((options.ImgSize ?? 224) / StemStride, spec.Widths[0], new List<Module>());
        for (var i = 0; i < spec.Widths.Count; i++)
        {
            map = i == 0 ? map : (map + 1) / 2;
            stages.Add(new Sequential(CascadeBlocks.Stage(spec, i, former, map)));
            former = spec.Widths[i];
            _features.Add(new(i, former, StemStride << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _pool = Child("global_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg));
        _head = Child("head", MakeHead(NumClasses));
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.linear";

    public override string FirstConv => "patch_embed.conv1.conv";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => OffsetBiases.Adapt(this, state, notes);

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_embed.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _pool.Forward(features);
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _head = Replace("head", MakeHead(numClasses));
    }

    private static GlobalPool2d MakePool(GlobalPool pool) => pool.Width() == 1 ? new(pool)
        : throw new VertebraException($"global_pool cannot be {pool.NameOf()} here: the classifier's normaliser takes as many features as the map has channels");

    private Module MakeHead(int numClasses) => numClasses == 0 ? new Identity() : new FoldingNormLinear(NumFeatures, numClasses, _dropRate);

    private static Family MakeFamily()
    {
        IntList evenKernels = [5, 5, 5, 5];
        IntList mixedKernels = [7, 5, 3, 3];
        (string Name, CascadeSpec Spec)[] rows =
        [
            ("efficientvit_m0", new([64, 128, 192], [1, 2, 3], [4, 4, 4], evenKernels)),
            ("efficientvit_m1", new([128, 144, 192], [1, 2, 3], [2, 3, 3], mixedKernels)),
            ("efficientvit_m2", new([128, 192, 224], [1, 2, 3], [4, 3, 2], mixedKernels)),
            ("efficientvit_m3", new([128, 240, 320], [1, 2, 3], [4, 3, 4], evenKernels)),
            ("efficientvit_m4", new([128, 256, 384], [1, 2, 3], [4, 4, 4], mixedKernels)),
            ("efficientvit_m5", new([192, 288, 384], [1, 3, 4], [3, 3, 4], mixedKernels)),
        ];
        var config = new PretrainedConfig { FixedInputSize = true, PoolSize = [4, 4], License = "mit" };
        return new(
            "efficientvit_msra",
            "Liu et al.: EfficientViT: memory efficient vision transformer with cascaded group attention, CVPR 2023, arXiv:2305.07027",
            [.. rows.Select(r => ModelInfo.Row(
                r.Name, "efficientvit_msra", [("r224_in1k", config)], "head.linear", "patch_embed.conv1.conv", options => new EfficientVitMsra(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Most of a small transformer's time goes into moving memory, so one attention layer stands between several feed-forward ones. Heads take different parts of the channels, one after another, and each builds on what the last has found.",
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Heads">Attention heads by stage.</param>
/// <param name="Kernels">Side of the convolution of a head's queries, by head.</param>
internal sealed record CascadeSpec(IntList Widths, IntList Depths, IntList Heads, IntList Kernels);

/// <summary>Stem, stages and their parts.</summary>
internal static class CascadeBlocks
{
    private const int Window = 7;

    public static IEnumerable<(string Name, Module Module)> Stem(int inChannels, int width)
    {
        for (var i = 1; i <= 4; i++)
        {
            var next = width >> (4 - i);
            if (i > 1)
                yield return ($"relu{i - 1}", new ActivationLayer(ActivationKind.Relu));
            yield return ($"conv{i}", new FoldingConvNorm(inChannels, next, 3, 2));
            inChannels = next;
        }
    }

    public static IEnumerable<(string Name, Module Module)> Stage(CascadeSpec spec, int stage, int inChannels, int map)
    {
        var width = spec.Widths[stage];
        yield return ("downsample", stage == 0 ? new Identity()
            : new Sequential([("res1", Mixing(inChannels)), ("patchmerge", new CascadeMerging(inChannels, width)), ("res2", Mixing(width))]));
        yield return ("blocks", new Sequential(Enumerable.Range(0, spec.Depths[stage]).Select(_ => Block(spec, width, spec.Heads[stage], map))));
    }

    private static Sequential Mixing(int width) => new(Depthwise(width, null), Mlp(width));

    private static Sequential Block(CascadeSpec spec, int width, int heads, int map) => new(
    [
        ("dw0", Depthwise(width, Init.Zeros)), ("ffn0", Mlp(width)),
        ("mixer", new CascadeResidual(new CascadeWindows(spec, width, heads, map, Math.Min(map, Window)))),
        ("dw1", Depthwise(width, Init.Zeros)), ("ffn1", Mlp(width)),
    ]);

    private static CascadeResidual Depthwise(int width, Initialiser? normInitialiser) => new(new FoldingConvNorm(width, width, 3, groups: width, normInitialiser: normInitialiser));

    private static CascadeResidual Mlp(int width) => new(new Sequential(
    [
        ("pw1", new FoldingConvNorm(width, 2 * width)), ("act", new ActivationLayer(ActivationKind.Relu)),
        ("pw2", new FoldingConvNorm(2 * width, width, normInitialiser: Init.Zeros)),
    ]));
}

/// <summary>A branch <c>m</c> beside a shortcut.</summary>
internal sealed class CascadeResidual : Module
{
    private readonly Module _branch;

    public CascadeResidual(Module branch) => _branch = Child("m", branch);

    protected override Tensor OnForward(Tensor x) => x + _branch.Forward(x);
}

/// <summary>Halving: an inverted residual four times as wide inside, with squeeze-and-excitation and no shortcut.</summary>
internal sealed class CascadeMerging : Module
{
    private readonly FoldingConvNorm _conv1;
    private readonly ActivationLayer _act;
    private readonly FoldingConvNorm _conv2;
    private readonly SqueezeExcite _excite;
    private readonly FoldingConvNorm _conv3;

    public CascadeMerging(int inChannels, int outChannels)
    {
        var middle = 4 * inChannels;
        _conv1 = Child("conv1", new FoldingConvNorm(inChannels, middle));
        _act = Child("act", new ActivationLayer(ActivationKind.Relu));
        _conv2 = Child("conv2", new FoldingConvNorm(middle, middle, 3, 2, middle));
        _excite = Child("se", new SqueezeExcite(middle, Widths.Divisible(middle * 0.25, limit: 0)));
        _conv3 = Child("conv3", new FoldingConvNorm(middle, outChannels));
    }

    protected override Tensor OnForward(Tensor x) => _conv3.Forward(_excite.Forward(_act.Forward(_conv2.Forward(_act.Forward(_conv1.Forward(x))))));
}

/// <summary>Cascaded attention inside windows, which are padded by zeros at the right and below.</summary>
internal sealed class CascadeWindows : Module
{
    private readonly Size2d _map;
    private readonly Size2d _window;
    private readonly CascadedAttention _attn;

    public CascadeWindows(CascadeSpec spec, int width, int heads, Size2d map, Size2d window)
    {
        (_map, _window) = (map, window);
        _attn = Child("attn", new CascadedAttention(width, heads, window, spec.Kernels));
    }

    protected override Tensor OnForward(Tensor x)
    {
        OffsetBiases.CheckMap(x, _map);
        if (_window == _map)
            return _attn.Forward(x);
        var padded = x.PadToWindows(_window);
        var windows = _attn.Forward(padded.ToWindows(_window).ToMap(_window.H, _window.W));
        return windows.ToTokens().FromWindows(_window, padded.Shape[1], padded.Shape[2]).Crop(_map.H, _map.W);
    }
}

/// <summary>Attention head by head: each takes its slice of the channels and adds to it what the head before returned.</summary>
internal sealed class CascadedAttention : Module
{
    private const int KeyWidth = 16;
    private readonly int _valueWidth;
    private readonly Tensor _biases;
    private readonly Tensor _index;
    private readonly FoldingConvNorm[] _qkvs;
    private readonly FoldingConvNorm[] _convs;
    private readonly Sequential _proj;

    public CascadedAttention(int width, int heads, Size2d map, IntList kernels)
    {
        _valueWidth = width / heads;
        _biases = Parameter("attention_biases", [heads, map.H * map.W], Init.Zeros);
        _index = Buffer("attention_bias_idxs", OffsetBiases.Index(map), persistent: false);
        _qkvs = [.. Enumerable.Range(0, heads).Select(_ => new FoldingConvNorm(width / heads, (2 * KeyWidth) + _valueWidth))];
        _convs = [.. Enumerable.Range(0, heads).Select(i => new FoldingConvNorm(KeyWidth, KeyWidth, kernels[i], groups: KeyWidth))];
        Child("qkvs", new ModuleList<FoldingConvNorm>(_qkvs));
        Child("dws", new ModuleList<FoldingConvNorm>(_convs));
        _proj = Child("proj", new Sequential(new ActivationLayer(ActivationKind.Relu), new FoldingConvNorm(_valueWidth * heads, width, normInitialiser: Init.Zeros)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (height, width) = (x.Shape[1], x.Shape[2]);
        var slices = x.Chunk(_qkvs.Length, -1);
        var biases = OffsetBiases.Of(_biases, _index);
        var results = new Tensor[slices.Length];
        for (var i = 0; i < slices.Length; i++)
        {
            var seen = i == 0 ? slices[0] : results[i - 1] + slices[i];
            var parts = _qkvs[i].Forward(seen).Split([KeyWidth, KeyWidth, _valueWidth], -1);
            var (q, k, v) = (Row(_convs[i].Forward(parts[0])), Row(parts[1]), Row(parts[2]));
            results[i] = q.Attention(k, v, mask: biases.Slice(1, i, i + 1)).Reshape([x.Shape[0], height, width, _valueWidth]);
        }
        return _proj.Forward(Tensor.Concat(results, -1));

        static Tensor Row(Tensor map) => map.Reshape([map.Shape[0], 1, map.Shape[1] * map.Shape[2], map.Shape[3]]);
    }
}
