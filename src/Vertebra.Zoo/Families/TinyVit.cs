using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// TinyViT: inverted residuals, then attention in windows with a depthwise convolution between attention and MLP (Wu et al. 2022).
/// Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class TinyVit : Backbone
{
    private readonly Sequential _embed;
    private readonly Sequential _stages;
    private readonly NormClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal TinyVit(TinyVitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from TinyViT: the strides of its stages are fixed; leave it out or use 32");
        var width = spec.Widths[0];
        _embed = Child("patch_embed", new Sequential(
        [
            ("conv1", new FoldingConvNorm(InChans, width / 2, 3, 2)), ("act", new ActivationLayer(ActivationKind.Gelu)), ("conv2", new FoldingConvNorm(width / 2, width, 3, 2)),
        ]));
        var (index, count, stages) = (0, spec.Depths.Sum(), new List<Module>());
        for (var i = 0; i < spec.Widths.Count; i++)
        {
            var (stage, rates) = (i, Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count)).ToArray());
            stages.Add(i == 0
                ? new Sequential([("blocks", new Sequential(rates.Select(rate => new TinyVitConvBlock(width, rate))))])
                : new Sequential([("downsample", Halve(width, spec.Widths[i])), ("blocks", new Sequential(rates.Select(rate => new TinyVitBlock(spec, stage, rate))))]));
            (width, index) = (spec.Widths[i], index + spec.Depths[i]);
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _head = Child("head", new NormClassifierHead(
            new LayerNorm(width), width, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, initialiser: Init.TruncatedNormal(0.02f)));
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "patch_embed.conv1.conv";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => OffsetBiases.Adapt(this, state, notes);

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_embed.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static Sequential Halve(int inChannels, int outChannels) => new(
    [
        ("conv1", new FoldingConvNorm(inChannels, outChannels)), ("act1", new ActivationLayer(ActivationKind.Gelu)),
        ("conv2", new FoldingConvNorm(outChannels, outChannels, 3, 2, outChannels)), ("act2", new ActivationLayer(ActivationKind.Gelu)),
        ("conv3", new FoldingConvNorm(outChannels, outChannels)),
    ]);

    private static Family MakeFamily()
    {
        IntList big = [96, 192, 384, 576];
        IntList bigHeads = [3, 6, 12, 18];
        var config = new PretrainedConfig { CropPct = 0.95f, License = "apache-2.0" };
        (string, PretrainedConfig)[] usual = [("dist_in22k", config.Classes(21841)), ("dist_in22k_ft_in1k", config), ("in1k", config)];
        (string Name, TinyVitSpec Spec, (string, PretrainedConfig)[] Tags)[] rows =
        [
            ("tiny_vit_5m_224", new([64, 128, 160, 320], [2, 4, 5, 10], 7), usual),
            ("tiny_vit_11m_224", new([64, 128, 256, 448], [2, 4, 8, 14], 7), usual),
            ("tiny_vit_21m_224", new(big, bigHeads, 7), usual),
            ("tiny_vit_21m_384", new(big, bigHeads, 12), [("dist_in22k_ft_in1k", config.At(384).Crop(1))]),
            ("tiny_vit_21m_512", new(big, bigHeads, 16), [("dist_in22k_ft_in1k", config.At(512).Crop(1).Squash())]),
        ];
        return new(
            "tiny_vit",
            "Wu et al.: TinyViT: fast pretraining distillation for small vision transformers, ECCV 2022, arXiv:2207.10666",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "tiny_vit", r.Tags, "head.fc", "patch_embed.conv1.conv", options => new TinyVit(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Small hierarchical transformers are pre-trained on a large data set by distillation, with the teacher's logits stored once and sparsely. Convolutional blocks come first, then attention within windows with a depthwise convolution after it.",
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="Heads">Attention heads by stage; the first has none.</param>
/// <param name="Window">Side of the windows in the second and the fourth stage; twice as large in the third.</param>
internal sealed record TinyVitSpec(IntList Widths, IntList Heads, int Window)
{
    public IntList Depths { get; } = [2, 2, 6, 2];

    public int WindowOf(int stage) => stage == 2 ? 2 * Window : Window;
}

/// <summary>MobileNetV2's block, four times as wide inside, with GELU after the sum.</summary>
internal sealed class TinyVitConvBlock : Module
{
    private readonly Module[] _layers;
    private readonly DropPath? _dropPath;
    private readonly ActivationLayer _act;

    public TinyVitConvBlock(int width, float dropPathRate)
    {
        var middle = 4 * width;
        (string Name, Module Module)[] layers =
        [
            ("conv1", new FoldingConvNorm(width, middle)), ("act1", new ActivationLayer(ActivationKind.Gelu)),
            ("conv2", new FoldingConvNorm(middle, middle, 3, groups: middle)), ("act2", new ActivationLayer(ActivationKind.Gelu)),
            ("conv3", new FoldingConvNorm(middle, width, normInitialiser: Init.Zeros)),
        ];
        _layers = [.. layers.Select(l => Child(l.Name, l.Module))];
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
        _act = Child("act3", new ActivationLayer(ActivationKind.Gelu));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = x;
        foreach (var layer in _layers)
            branch = layer.Forward(branch);
        return _act.Forward((_dropPath?.Forward(branch) ?? branch) + x);
    }
}

/// <summary>Attention in windows beside a shortcut, a depthwise convolution, and an MLP beside a shortcut.</summary>
internal sealed class TinyVitBlock : Module
{
    private readonly Size2d _window;
    private readonly OffsetAttention _attn;
    private readonly DropPath? _dropPath1;
    private readonly Mlp _mlp;
    private readonly DropPath? _dropPath2;
    private readonly FoldingConvNorm _local;

    public TinyVitBlock(TinyVitSpec spec, int stage, float dropPathRate)
    {
        var (width, heads) = (spec.Widths[stage], spec.Heads[stage]);
        _window = spec.WindowOf(stage);
        _attn = Child("attn", new OffsetAttention(
            _window, heads, width / heads, width / heads, outputs => TokenLinear.Create(width, outputs), TokenLinear.Create(width, width), new LayerNorm(width)));
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _mlp = Child("mlp", new Mlp(width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
        _local = Child("local_conv", new FoldingConvNorm(width, width, 3, groups: width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var branch = Attend(x);
        x = _local.Forward(x + (_dropPath1?.Forward(branch) ?? branch));
        branch = _mlp.Forward(x);
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }

    private Tensor Attend(Tensor x)
    {
        var padded = x.PadToWindows(_window);
        var windows = _attn.Forward(padded.ToWindows(_window).ToMap(_window.H, _window.W)).ToTokens();
        return windows.FromWindows(_window, padded.Shape[1], padded.Shape[2]).Crop(x.Shape[1], x.Shape[2]);
    }

    /// <summary>An MLP with a norm before it.</summary>
    private sealed class Mlp : Module
    {
        private readonly NormLayer _norm;
        private readonly Linear _fc1;
        private readonly ActivationLayer _act;
        private readonly Linear _fc2;

        public Mlp(int width)
        {
            _norm = Child("norm", new LayerNorm(width));
            _fc1 = Child("fc1", TokenLinear.Create(width, 4 * width));
            _act = Child("act", new ActivationLayer(ActivationKind.Gelu));
            _fc2 = Child("fc2", TokenLinear.Create(4 * width, width));
        }

        protected override Tensor OnForward(Tensor x) => _fc2.Forward(_act.Forward(_fc1.Forward(_norm.Forward(x))));
    }
}
