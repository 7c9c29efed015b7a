using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// FasterNet: 3x3 convolutions over a quarter of the channels, 1x1 convolutions over all (Chen et al. 2023). Names, state-dict keys
/// and defaults follow timm.
/// </summary>
public sealed class FasterNet : Backbone
{
    private readonly Sequential _embed;
    private readonly Sequential _stages;
    private readonly List<FeatureInfo> _features = [];
    private readonly Conv2d _convHead;
    private readonly ActivationLayer _act;
    private readonly Dropout _drop;
    private GlobalPool2d _pool;
    private Module _classifier;

    internal FasterNet(FasterNetSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for FasterNet: its pyramid is fixed at 32");
        _embed = Child("patch_embed", new Sequential([("proj", Conv(InChans, spec.Width, 4, 4)), ("norm", new BatchNorm2d(spec.Width))]));
        var (index, count) = (0, spec.Depths.Sum());
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var width = spec.Width << i;
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
                blocks[b] = new PartialConvBlock(width, spec.Activation, Widths.DropPathRate(options.DropPathRate, index, count));
            Module downsample = i == 0 ? new Identity() : new Sequential([("reduction", Conv(width / 2, width, 2, 2)), ("norm", new BatchNorm2d(width))]);
            // The state has the blocks first.
            stages[i] = new FasterNetStage(new Sequential(blocks), downsample);
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _pool = Child("global_pool", MakePool(options.GlobalPool ?? GlobalPool.Avg));
        _convHead = Child("conv_head", Conv(NumFeatures, FasterNetSpec.HeadWidth, 1, 1));
        _act = Child("act", new ActivationLayer(spec.Activation));
        _drop = Child("head_drop", new Dropout(options.DropRate));
        _classifier = Child("classifier", TokenLinear.Classifier(FasterNetSpec.HeadWidth, NumClasses));
    }

    public static Family Family { get; } = new(
        "fasternet",
        "Chen et al.: Run, don't walk: chasing higher FLOPS for faster neural networks, CVPR 2023, arXiv:2303.03667",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "fasternet", [("in1k", new() { CropPct = 1, TestCropPct = 0.9f, License = "apache-2.0" })], "classifier", "patch_embed.proj", options => new FasterNet(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Only a quarter of the channels is convolved and the rest passes untouched, because depthwise convolutions save arithmetic but are limited by memory. Pointwise convolutions then mix all channels.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "classifier";

    public override string FirstConv => "patch_embed.proj";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_embed.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits)
    {
        var x = _act.Forward(_convHead.Forward(_pool.Forward(features)));
        x = _drop.Forward(_pool.Pool == GlobalPool.None ? x : x.Reshape([x.Shape[0], x.Shape[3]]));
        return preLogits ? x : _classifier.Forward(x);
    }

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool)
    {
        if (pool is { } changed)
            _pool = Replace("global_pool", MakePool(changed));
        _classifier = Replace("classifier", TokenLinear.Classifier(FasterNetSpec.HeadWidth, numClasses));
    }

    internal static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride, WindowPadding? padding = null) =>
        new(inChannels, outChannels, kernel, stride, padding, bias: false, initialiser: Init.TruncatedNormal(0.02f));

    // A convolution of the map's width follows the pool.
    private static GlobalPool2d MakePool(GlobalPool pool) => pool != GlobalPool.CatAvgMax ? new(pool, flatten: false)
        : throw new VertebraException("global_pool catavgmax doubles the channels, which FasterNet's head cannot take; use avg, max, avgmax or none");

    private static (string Name, FasterNetSpec Spec)[] Rows() =>
    [
        ("fasternet_t0", new(40, [1, 2, 8, 2], ActivationKind.Gelu)),
        ("fasternet_t1", new(64, [1, 2, 8, 2], ActivationKind.Gelu)),
        ("fasternet_t2", new(96, [1, 2, 8, 2], ActivationKind.Relu)),
        ("fasternet_s", new(128, [1, 2, 13, 2], ActivationKind.Relu)),
        ("fasternet_m", new(144, [3, 4, 18, 3], ActivationKind.Relu)),
        ("fasternet_l", new(192, [3, 4, 18, 3], ActivationKind.Relu)),
    ];
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="Activation">Of blocks and head.</param>
internal sealed record FasterNetSpec(int Width, IntList Depths, ActivationKind Activation)
{
    public const int HeadWidth = 1280;
}

/// <summary>Halving, then blocks.</summary>
internal sealed class FasterNetStage : Module
{
    private readonly Sequential _blocks;
    private readonly Module _downsample;

    public FasterNetStage(Sequential blocks, Module downsample)
    {
        _blocks = Child("blocks", blocks);
        _downsample = Child("downsample", downsample);
    }

    protected override Tensor OnForward(Tensor x) => _blocks.Forward(_downsample.Forward(x));
}

/// <summary>A 3x3 convolution of the first quarter of the channels, then an MLP of 1x1 convolutions, beside a shortcut.</summary>
internal sealed class PartialConvBlock : Module
{
    private readonly Sequential _mlp;
    private readonly PartialConv _mix;
    private readonly DropPath? _dropPath;

    public PartialConvBlock(int width, ActivationKind activation, float dropPathRate)
    {
        _mlp = Child("mlp", new Sequential(
            FasterNet.Conv(width, 2 * width, 1, 1), new BatchNorm2d(2 * width), new ActivationLayer(activation), FasterNet.Conv(2 * width, width, 1, 1)));
        _mix = Child("spatial_mixing", new PartialConv(width));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = _mlp.Forward(_mix.Forward(x));
        return x + (_dropPath?.Forward(branch) ?? branch);
    }

    private sealed class PartialConv : Module
    {
        private readonly int _mixed;
        private readonly Conv2d _conv;

        public PartialConv(int width)
        {
            _mixed = width / 4;
            _conv = Child("partial_conv3", FasterNet.Conv(_mixed, _mixed, 3, 1, 1));
        }

        protected override Tensor OnForward(Tensor x)
        {
            var parts = x.Split([_mixed, x.Shape[3] - _mixed], -1);
            return Tensor.Concat([_conv.Forward(parts[0]), parts[1]], -1);
        }
    }
}
