using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// SHViT: attention with a single head over a part of the channels, behind a stem that shrinks the image sixteen times (Yun and Ro 2024).
/// Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class ShVit : Backbone
{
    private readonly Sequential _embed;
    private readonly Sequential _stages;
    private readonly Dropout _drop;
    private readonly List<FeatureInfo> _features = [];
    private GlobalPool2d _pool;
    private Module _head;

    internal ShVit(ShVitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for SHViT: its pyramid is fixed at 16, 32 and 64");
        var width = spec.Widths[0];
        var stem = new List<Module> { ShVitParts.Conv(InChans, width / 8, 3, 2) };
        for (var part = 8; part > 1; part /= 2)
            stem.AddRange([new ActivationLayer(ActivationKind.Relu), ShVitParts.Conv(width / part, width / part * 2, 3, 2)]);
        _embed = Child("patch_embed", new Sequential(stem));
        var stages = new Module[3];
        for (var i = 0; i < 3; i++)
        {
            Module downsample = i == 0 ? new Identity() : ShVitParts.Downsample(spec.Widths[i - 1], spec.Widths[i]);
            var blocks = Enumerable.Range(0, spec.Depths[i]).Select(_ => ShVitParts.Block(spec.Widths[i], i == 0 ? null : spec.Attended[i]));
            stages[i] = new Sequential([("downsample", downsample), ("blocks", new Sequential(blocks))]);
            _features.Add(new(i, spec.Widths[i], 16 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _pool = Child("global_pool", new GlobalPool2d(options.GlobalPool ?? GlobalPool.Avg));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _head = Child("head", Head(NumClasses));
    }

    public static Family Family { get; } = new(
        "shvit",
        "Yun and Ro: SHViT: single-head vision transformer with memory efficient macro design, CVPR 2024, arXiv:2401.16456",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "shvit", [("in1k", r.Config)], "head.l", "patch_embed.0.c", options => new ShVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Several heads of attention prove redundant, so a single one attends on a part of the channels while the rest passes by. A stem with a large stride keeps few tokens from the start.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.l";

    public override string FirstConv => "patch_embed.0.c";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_embed.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _drop.Forward(_pool.Forward(features));
        return preLogits ? x : _head.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", new GlobalPool2d(changed));
        _head = Replace("head", Head(numClasses));
    }

    // The norm belongs to the classifier and goes with it.
    private Module Head(int numClasses)
    {
        var width = NumFeatures * _pool.Pool.Width();
        return numClasses == 0 ? new Identity() : new Sequential([("bn", new BatchNorm2d(width)), ("l", TokenLinear.Create(width, numClasses))]);
    }

    private static (string Name, ShVitSpec Spec, PretrainedConfig Config)[] Rows()
    {
        var config = new PretrainedConfig { PoolSize = [4, 4], License = "mit" };
        return
        [
            ("shvit_s1", new([128, 224, 320], [2, 4, 5], [32, 48, 68]), config),
            ("shvit_s2", new([128, 308, 448], [2, 4, 5], [32, 66, 96]), config),
            ("shvit_s3", new([192, 352, 448], [3, 5, 5], [48, 75, 96]), config),
            ("shvit_s4", new([224, 336, 448], [4, 7, 6], [48, 72, 96]), config with { InputSize = new(3, 256, 256) }),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">By stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Attended">Channels that attention sees, by stage; the first stage has no attention.</param>
internal sealed record ShVitSpec(IntList Widths, IntList Depths, IntList Attended);

/// <summary>Parts, each a convolution <c>c</c> and a norm <c>bn</c>, or made of such.</summary>
internal static class ShVitParts
{
    public static Sequential Conv(int inChannels, int outChannels, int kernel = 1, int stride = 1, int groups = 1, bool startsAtZero = false) => new(
    [
        ("c", new Conv2d(inChannels, outChannels, kernel, stride, kernel / 2, groups: groups, bias: false)),
        ("bn", new BatchNorm2d(outChannels, initialiser: startsAtZero ? Init.Zeros : null)),
    ]);

    /// <summary>A depthwise convolution, attention or none, and an MLP, each added to its input.</summary>
    /// <param name="width">Channels.</param>
    /// <param name="attended">How many of them attention sees; null for no attention.</param>
    public static Sequential Block(int width, int? attended) => new(
    [
        ("conv", Around(width, startsAtZero: true)),
        ("mixer", attended is { } part ? new AddedToInput(new SingleHeadAttention(width, part)) : new Identity()),
        ("ffn", Mlp(width)),
    ]);

    /// <summary>Halves the map between a depthwise convolution with its MLP on either side.</summary>
    public static Sequential Downsample(int inChannels, int outChannels)
    {
        var hidden = 4 * inChannels;
        var merge = new Sequential(
        [
            ("conv1", Conv(inChannels, hidden)), ("act1", new ActivationLayer(ActivationKind.Relu)),
            ("conv2", Conv(hidden, hidden, 3, 2, hidden)), ("act2", new ActivationLayer(ActivationKind.Relu)),
            ("se", new SqueezeExcite(hidden, Widths.Divisible(hidden * 0.25, limit: 0))), ("conv3", Conv(hidden, outChannels)),
        ]);
        return new(Around(inChannels), Mlp(inChannels), merge, Around(outChannels), Mlp(outChannels));
    }

    private static AddedToInput Around(int width, bool startsAtZero = false) => new(Conv(width, width, 3, 1, width, startsAtZero));

    private static AddedToInput Mlp(int width) => new(new Sequential(
    [
        ("pw1", Conv(width, 2 * width)), ("act", new ActivationLayer(ActivationKind.Relu)), ("pw2", Conv(2 * width, width, startsAtZero: true)),
    ]));
}

/// <summary>A module <c>m</c> whose result is added to its input.</summary>
internal sealed class AddedToInput : Module
{
    private readonly Module _module;

    public AddedToInput(Module module) => _module = Child("m", module);

    protected override Tensor OnForward(Tensor x) => x + _module.Forward(x);
}

/// <summary>Attention with one head over the first channels of a map; the others join its result before the last layer.</summary>
internal sealed class SingleHeadAttention : Module
{
    private const int KeyWidth = 16;
    private readonly int _attended;
    private readonly NormLayer _norm;
    private readonly Sequential _qkv;
    private readonly Sequential _proj;

    public SingleHeadAttention(int width, int attended)
    {
        _attended = attended;
        _norm = Child("pre_norm", new GroupNorm(1, attended));
        _qkv = Child("qkv", ShVitParts.Conv(attended, (2 * KeyWidth) + attended));
        _proj = Child("proj", new Sequential(new ActivationLayer(ActivationKind.Relu), ShVitParts.Conv(width, width, startsAtZero: true)));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (n, h, w) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        var parts = x.Split([_attended, x.Shape[3] - _attended], -1);
        var qkv = _qkv.Forward(_norm.Forward(parts[0])).Split([KeyWidth, KeyWidth, _attended], -1);
        var attended = OneHead(qkv[0]).Attention(OneHead(qkv[1]), OneHead(qkv[2])).Reshape([n, h, w, _attended]);
        return _proj.Forward(Tensor.Concat([attended, parts[1]], -1));

        Tensor OneHead(Tensor map) => map.Reshape([n, 1, h * w, map.Shape[3]]);
    }
}
