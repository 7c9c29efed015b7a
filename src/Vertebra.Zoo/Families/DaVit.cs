using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// DaViT: attention between the pixels of a window, then attention between channels over the whole map (Ding et al. 2022). Names,
/// state-dict keys and defaults follow timm.
/// </summary>
public sealed class DaVit : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal DaVit(DaVitSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for DaViT: its pyramid is fixed at 32");
        _stem = Child("stem", new Sequential(
        [
            ("pad", new WindowPad(4)), ("conv", Conv(InChans, spec.Width, 7, 4, 3)), ("norm", new LayerNorm(spec.Width)),
        ]));
        var (index, count) = (0, spec.Depths.Sum());
        var stages = new Module[4];
        for (var i = 0; i < 4; i++)
        {
            var width = spec.Width << i;
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
                blocks[b] = MakePair(spec, width, Widths.DropPathRate(options.DropPathRate, index, count));
            stages[i] = new Sequential([("downsample", i == 0 ? new Identity() : Downsample(spec, width / 2)), ("blocks", new Sequential(blocks))]);
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _head = Child("head", new NormClassifierHead(
            new LayerNorm(NumFeatures), NumFeatures, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, initialiser: Init.TruncatedNormal(0.02f)));
    }

    public static Family Family { get; } = new(
        "davit",
        "Ding et al.: DaViT: dual attention vision transformers, ECCV 2022, arXiv:2204.03645",
        [.. Rows().Select(r => ModelInfo.Row(r.Name, "davit", r.Tags, "head.fc", "stem.conv", options => new DaVit(r.Spec, options)))],
        new Dictionary<string, string>())
    {
        Idea = "Blocks alternate attention among the tokens of a window with attention among groups of channels, of which each sees the whole image. Both are linear in the number of pixels.",
    };

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "stem.conv";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static Sequential MakePair(DaVitSpec spec, int width, float dropPathRate)
    {
        var spatial = new DaVitBlock(width, new LocalAttention(width, width / 32, spec.Window, projectsWindows: true), dropPathRate);
        var channel = new DaVitBlock(width, new ChannelAttention(width, width / 32, spec.IsLater), dropPathRate);
        return spec.IsLater ? new([("spatial_block", spatial), ("channel_block", channel)]) : new(spatial, channel);
    }

    private static Sequential Downsample(DaVitSpec spec, int width)
    {
        var norm = ("norm", (Module)new LayerNorm(width));
        return spec.IsLater
            ? new([norm, ("conv", Conv(width, 2 * width, 3, 2, 1))])
            : new([norm, ("pad", new WindowPad(2)), ("conv", Conv(width, 2 * width, 2, 2, 0))]);
    }

    private static Conv2d Conv(int inChannels, int outChannels, int kernel, int stride, int padding) =>
        new(inChannels, outChannels, kernel, stride, padding, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros);

    private static (string Name, DaVitSpec Spec, (string Tag, PretrainedConfig Config)[] Tags)[] Rows()
    {
        var config = new PretrainedConfig { CropPct = 0.95f, License = "apache-2.0" };
        var florence = config with { InputSize = new(3, 768, 768), NumClasses = 0 };
        (string, PretrainedConfig)[] own = [("msft_in1k", config)], none = [("", config)];
        return
        [
            ("davit_tiny", new(96, [1, 1, 3, 1]), own),
            ("davit_small", new(96, [1, 1, 9, 1]), own),
            ("davit_base", new(128, [1, 1, 9, 1]), own),
            ("davit_large", new(192, [1, 1, 9, 1]), none),
            ("davit_huge", new(256, [1, 1, 9, 1]), none),
            ("davit_giant", new(384, [1, 1, 12, 3]), none),
            ("davit_base_fl", new(128, [1, 1, 9, 1]) { IsLater = true, Window = 12 }, [("msft_florence2", florence with { HubId = "microsoft/Florence-2-base" })]),
            ("davit_huge_fl", new(256, [1, 1, 9, 1]) { IsLater = true, Window = 12 }, [("msft_florence2", florence with { HubId = "microsoft/Florence-2-large" })]),
        ];
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Width">Channels of the first stage; they double from stage to stage, and a head has 32.</param>
/// <param name="Depths">Pairs of blocks by stage.</param>
internal sealed record DaVitSpec(int Width, IntList Depths)
{
    public int Window { get; init; } = 7;

    /// <summary>Florence-2's form: overlapping downsampling, channel attention scaled by the number of pixels.</summary>
    public bool IsLater { get; init; }
}

/// <summary>Adds zeros at the right and below up to a multiple of a number of pixels.</summary>
internal sealed class WindowPad(int side) : Module
{
    protected override Tensor OnForward(Tensor x) => x.PadToWindows(side);
}

/// <summary>A depthwise convolution for positions, attention, again a convolution, MLP; each added to its input.</summary>
internal sealed class DaVitBlock : Module
{
    private readonly ConvolutionPosition _position1;
    private readonly NormLayer _norm1;
    private readonly Module _attn;
    private readonly DropPath? _dropPath1;
    private readonly ConvolutionPosition _position2;
    private readonly NormLayer _norm2;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath2;

    public DaVitBlock(int width, Module attention, float dropPathRate)
    {
        _position1 = Child("cpe1", new ConvolutionPosition(width));
        _norm1 = Child("norm1", new LayerNorm(width));
        _attn = Child("attn", attention);
        _dropPath1 = dropPathRate > 0 ? Child("drop_path1", new DropPath(dropPathRate)) : null;
        _position2 = Child("cpe2", new ConvolutionPosition(width));
        _norm2 = Child("norm2", new LayerNorm(width));
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _dropPath2 = dropPathRate > 0 ? Child("drop_path2", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        x = _position1.Forward(x);
        var branch = _attn.Forward(_norm1.Forward(x));
        x = _position2.Forward(x + (_dropPath1?.Forward(branch) ?? branch));
        branch = _mlp.Forward(_norm2.Forward(x));
        return x + (_dropPath2?.Forward(branch) ?? branch);
    }

    private sealed class ConvolutionPosition : Module
    {
        private readonly Conv2d _proj;

        public ConvolutionPosition(int width) =>
            _proj = Child("proj", new Conv2d(width, width, 3, 1, 1, groups: width, initialiser: Init.TruncatedNormal(0.02f), biasInitialiser: Init.Zeros));

        protected override Tensor OnForward(Tensor x) => x + _proj.Forward(x);
    }
}

/// <summary>Attention between the channels of a head: tokens and channels have changed places.</summary>
internal sealed class ChannelAttention : Module
{
    private readonly int _heads;
    private readonly bool _scalesByPixels;
    private readonly Linear _qkv;
    private readonly Linear _proj;

    public ChannelAttention(int width, int heads, bool scalesByPixels)
    {
        (_heads, _scalesByPixels) = (heads, scalesByPixels);
        _qkv = Child("qkv", TokenLinear.Create(width, 3 * width));
        _proj = Child("proj", TokenLinear.Create(width, width));
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (q, k, v) = Heads.Split3(_qkv.Forward(x.ToTokens()), _heads);
        // The first design asks with the keys, and reads the queries.
        var (asks, answers, read) = _scalesByPixels ? (q, k, v) : (k, v, q);
        var scale = 1 / MathF.Sqrt(_scalesByPixels ? q.Shape[2] : q.Shape[3]);
        var result = asks.Transpose(2, 3).Attention(answers.Transpose(2, 3), read.Transpose(2, 3), scale).Transpose(2, 3);
        return _proj.Forward(result.Join()).ToMap(x.Shape[1], x.Shape[2]);
    }
}
