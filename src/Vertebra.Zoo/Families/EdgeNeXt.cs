using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// EdgeNeXt: ConvNeXt's blocks, and at the end of the stages blocks that convolve slices of the channels one after another and attend
/// between channels (Maaz et al. 2022). Names, state-dict keys and defaults follow timm.
/// </summary>
public sealed class EdgeNeXt : Backbone
{
    private readonly Sequential _stem;
    private readonly Sequential _stages;
    private readonly NormClassifierHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal EdgeNeXt(EdgeNeXtSpec spec, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException($"output_stride {options.OutputStride} is not to be had from EdgeNeXt: the strides of its stages are fixed; leave it out or use 32");
        var width = spec.Widths[0];
        _stem = Child("stem", new Sequential(EdgeNeXtBlocks.Conv(InChans, width, spec.StemKernel, 4, spec.HasConvBias, overlaps: spec.StemKernel > 4), spec.Norm(width)));
        var (index, count, stages) = (0, spec.Depths.Sum(), new List<Module>());
        for (var i = 0; i < spec.Widths.Count; i++)
        {
            var rates = Enumerable.Range(index, spec.Depths[i]).Select(b => Widths.DropPathRate(options.DropPathRate, b, count));
            stages.Add(new Sequential(EdgeNeXtBlocks.Stage(spec, i, width, [.. rates])));
            (width, index) = (spec.Widths[i], index + spec.Depths[i]);
            _features.Add(new(i, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        _head = Child("head", new NormClassifierHead(
            spec.Norm(width), width, NumClasses, options.GlobalPool ?? GlobalPool.Avg, options.DropRate, initialiser: Init.TruncatedNormal(0.02f)));
    }

    public static Family Family { get; } = MakeFamily();

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "stem.0";

    protected override Tensor OnForwardFeatures(Tensor x) => _stages.Forward(_stem.Forward(x));

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);

    private static Family MakeFamily()
    {
        var config = new PretrainedConfig { CropPct = 0.9f, License = "mit" }.At(256);
        var small = config.TestAt(288, 1);
        var large = config.Crop(0.95f).TestAt(320, 1);
        (string Name, EdgeNeXtSpec Spec, (string, PretrainedConfig)[] Tags)[] rows =
        [
            ("edgenext_xx_small", new([24, 48, 88, 168], [2, 2, 6, 2], 4), [("in1k", small)]),
            ("edgenext_x_small", new([32, 64, 100, 192], [3, 3, 9, 3], 4), [("in1k", small)]),
            ("edgenext_small", new([48, 96, 160, 304], [3, 3, 9, 3], 8), [("usi_in1k", large)]),
            ("edgenext_base", new([80, 160, 288, 584], [3, 3, 9, 3], 8), [("usi_in1k", large), ("in21k_ft_in1k", large)]),
            ("edgenext_small_rw",
                new([48, 96, 192, 384], [3, 3, 9, 3], 8) { BlocksStride = true, HasConvBias = false, StemKernel = 9 }, [("sw_in1k", config.TestAt(320, 1))]),
        ];
        return new(
            "edgenext",
            "Maaz et al.: EdgeNeXt: efficiently amalgamated CNN-transformer architecture for mobile vision applications, ECCV workshops 2022, arXiv:2206.10589",
            [.. rows.Select(r => ModelInfo.Row(r.Name, "edgenext", r.Tags, "head.fc", "stem.0", options => new EdgeNeXt(r.Spec, options)))],
            new Dictionary<string, string>())
        {
            Idea = "Channels are split into groups that pass from one depthwise kernel to the next, and attention across channels follows. Convolution and transformer thus share one encoder that phones can run.",
        };
    }
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">Channels by stage.</param>
/// <param name="Depths">Blocks by stage; the last of each stage but the first is one that attends.</param>
/// <param name="Heads">Attention heads.</param>
internal sealed record EdgeNeXtSpec(IntList Widths, IntList Depths, int Heads)
{
    /// <summary>A stage's first block strides, and there is no layer of its own for that.</summary>
    public bool BlocksStride { get; init; }

    public bool HasConvBias { get; init; } = true;

    /// <summary>Side of the stem's kernel: 4 for patches that do not overlap.</summary>
    public int StemKernel { get; init; } = 4;

    /// <summary>Side of the depthwise kernels of a stage.</summary>
    public static int KernelOf(int stage) => 3 + (2 * stage);

    /// <summary>Slices of the channels in the attending block of a stage.</summary>
    public static int SlicesOf(int stage) => stage + 1;

    public LayerNorm Norm(int width) => new(width, 1e-6f);
}

/// <summary>Stages and their parts.</summary>
internal static class EdgeNeXtBlocks
{
    private static readonly Initialiser s_init = Init.TruncatedNormal(0.02f);

    public static Conv2d Conv(int from, int to, int kernel, int stride, bool bias, bool overlaps = false, int groups = 1) =>
        new(from, to, kernel, stride, overlaps ? kernel / 2 : 0, 1, groups, bias, s_init, Init.Zeros);

    public static IEnumerable<(string Name, Module Module)> Stage(EdgeNeXtSpec spec, int stage, int inChannels, IReadOnlyList<float> dropPathRates)
    {
        var width = spec.Widths[stage];
        var strides = stage > 0 && spec.BlocksStride;
        yield return ("downsample", stage == 0 || spec.BlocksStride ? new Identity() : new Sequential(spec.Norm(inChannels), Conv(inChannels, width, 2, 2, spec.HasConvBias)));
        yield return ("blocks", new Sequential(dropPathRates.Select((rate, i) => stage > 0 && i == dropPathRates.Count - 1
            ? new SlicedAttentionBlock(spec, stage, rate)
            : (Module)new EdgeNeXtConvBlock(spec, strides && i == 0 ? inChannels : width, width, EdgeNeXtSpec.KernelOf(stage), strides && i == 0 ? 2 : 1, rate))));
    }
}

/// <summary>Depthwise convolution, norm, MLP and scale; the shortcut starts after the convolution where that changes the shape.</summary>
internal sealed class EdgeNeXtConvBlock : Module
{
    private readonly bool _startsLate;
    private readonly Tensor _gamma;
    private readonly Conv2d _conv;
    private readonly NormLayer _norm;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath;

    public EdgeNeXtConvBlock(EdgeNeXtSpec spec, int inChannels, int outChannels, int kernel, int stride, float dropPathRate)
    {
        _startsLate = stride > 1 || inChannels != outChannels;
        _gamma = Parameter("gamma", [outChannels], Init.Constant(1e-6f));
        _conv = Child("conv_dw", EdgeNeXtBlocks.Conv(inChannels, outChannels, kernel, stride, spec.HasConvBias, overlaps: true, inChannels));
        _norm = Child("norm", spec.Norm(outChannels));
        _mlp = Child("mlp", new TokenMlp(outChannels, 4 * outChannels));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var y = _conv.Forward(x);
        if (_startsLate)
            x = y;
        y = _mlp.Forward(_norm.Forward(y)) * _gamma;
        return x + (_dropPath?.Forward(y) ?? y);
    }
}

/// <summary>
/// Slices of the channels, each convolved after the former one's result is added; then attention between channels, and an MLP, all
/// beside one shortcut.
/// </summary>
internal sealed class SlicedAttentionBlock : Module
{
    private readonly IntList _slices;
    private readonly Tensor _attentionGamma;
    private readonly Tensor _gamma;
    private readonly Conv2d[] _convs;
    private readonly FourierPositions? _positions;
    private readonly NormLayer _attentionNorm;
    private readonly CrossCovarianceAttention _attention;
    private readonly NormLayer _norm;
    private readonly TokenMlp _mlp;
    private readonly DropPath? _dropPath;

    public SlicedAttentionBlock(EdgeNeXtSpec spec, int stage, float dropPathRate)
    {
        var (width, count) = (spec.Widths[stage], EdgeNeXtSpec.SlicesOf(stage));
        // The last slice, which is not convolved, takes what is left over.
        var slice = (width + count - 1) / count;
        _slices = [.. Enumerable.Repeat(slice, count - 1), width - (slice * (count - 1))];
        _attentionGamma = Parameter("gamma_xca", [width], Init.Constant(1e-6f));
        _gamma = Parameter("gamma", [width], Init.Constant(1e-6f));
        _convs = [.. Enumerable.Range(0, count - 1).Select(_ => EdgeNeXtBlocks.Conv(slice, slice, 3, 1, spec.HasConvBias, overlaps: true, slice))];
        Child("convs", new ModuleList<Conv2d>(_convs));
        _positions = stage == 1 ? Child("pos_embd", new FourierPositions(width)) : null;
        _attentionNorm = Child("norm_xca", spec.Norm(width));
        _attention = Child("xca", new CrossCovarianceAttention(width, spec.Heads));
        _norm = Child("norm", spec.Norm(width));
        _mlp = Child("mlp", new TokenMlp(width, 4 * width));
        _dropPath = dropPathRate > 0 ? Child("drop_path", new DropPath(dropPathRate)) : null;
    }

    protected override Tensor OnForward(Tensor x)
    {
        var (height, width) = (x.Shape[1], x.Shape[2]);
        var y = Convolve(x);
        if (_positions is not null)
            y += _positions.At((height, width));
        var attended = _attention.Forward(_attentionNorm.Forward(y).ToTokens()).ToMap(height, width) * _attentionGamma;
        y += _dropPath?.Forward(attended) ?? attended;
        y = _mlp.Forward(_norm.Forward(y)) * _gamma;
        return x + (_dropPath?.Forward(y) ?? y);
    }

    private Tensor Convolve(Tensor x)
    {
        var slices = x.Split(_slices, -1);
        for (var i = 0; i < _convs.Length; i++)
            slices[i] = _convs[i].Forward(i == 0 ? slices[0] : slices[i - 1] + slices[i]);
        return Tensor.Concat(slices, -1);
    }
}
