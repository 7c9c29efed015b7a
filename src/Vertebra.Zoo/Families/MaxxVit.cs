using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// Networks of convolution and attention stages: CoAtNet (Dai et al. 2021), MaxViT (Tu et al. 2022), and timm's variations on both
/// (other norms, position MLPs, ConvNeXt blocks). Names, state-dict keys and defaults follow timm's maxxvit family; the variants are
/// the rows of MaxxVitVariants.cs.
/// </summary>
public sealed class MaxxVit : Backbone
{
    private readonly MaxxVitStem _stem;
    private readonly Sequential _stages;
    private readonly NormLayer? _norm;
    private readonly ClassificationHead _head;
    private readonly List<FeatureInfo> _features = [];

    internal MaxxVit(MaxxVitSpec spec, int side, ModelOptions options) : base(options)
    {
        if (options.OutputStride is not (null or 32))
            throw new VertebraException("output_stride cannot be chosen for CoAtNet and MaxViT: their windows are cut for a pyramid down to 32");
        side = options.ImgSize ?? side;
        _stem = Child("stem", new MaxxVitStem(InChans, spec));
        _features.Add(new(0, spec.StemWidths[1], 2, "stem"));
        var (width, index, map) = (spec.StemWidths[1], 0, side / 2);
        var stages = new Module[spec.Depths.Count];
        for (var i = 0; i < stages.Length; i++)
        {
            map = ((map - 1) / 2) + 1;
            var blocks = new Module[spec.Depths[i]];
            for (var b = 0; b < blocks.Length; b++, index++)
            {
                var place = new MaxxVitPlace(width, spec.Widths[i], b == 0 ? 2 : 1, map, side / 32, Widths.DropPathRate(options.DropPathRate, index, spec.Depths.Sum()));
                blocks[b] = MaxxVitBlocks.Create(spec.BlockAt(i, b), spec, place);
                width = spec.Widths[i];
            }
            stages[i] = new Sequential([("blocks", new Sequential(blocks))]);
            _features.Add(new(i + 1, width, 4 << i, $"stages.{i}"));
        }
        _stages = Child("stages", new Sequential(stages));
        var pool = options.GlobalPool ?? GlobalPool.Avg;
        if (spec.HeadWidth is null)
            _norm = Child("norm", spec.MakeNorm(width));
        _head = Child<ClassificationHead>("head", spec.HeadWidth is { } hidden
            ? new NormClassifierHead(spec.MakeNorm(width), width, NumClasses, pool, options.DropRate, hidden, ActivationKind.Tanh)
            : new ClassifierHead(width, NumClasses, pool, options.DropRate));
    }

    public static Family Family { get; } = MaxxVitVariants.Family();

    public override int NumFeatures => _features[^1].Channels;

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "head.fc";

    public override string FirstConv => "stem.conv1";

    protected internal override void AdaptState(IDictionary<string, Tensor> state, ICollection<string> notes) => PositionTables.Adapt(this, state, notes);

    protected override Tensor OnForwardFeatures(Tensor x)
    {
        x = _stages.Forward(_stem.Forward(x));
        return _norm?.Forward(x) ?? x;
    }

    protected override Tensor OnForwardHead(Tensor features, bool preLogits) => _head.Forward(features, preLogits);

    protected override void OnResetClassifier(int numClasses, GlobalPool? pool) => _head.Reset(numClasses, pool);
}

/// <summary>What distinguishes the variants.</summary>
/// <param name="Widths">By stage.</param>
/// <param name="Depths">Blocks by stage.</param>
/// <param name="StemWidths">Of the stem's two convolutions.</param>
internal sealed record MaxxVitSpec(IntList Widths, IntList Depths, IntList StemWidths)
{
    /// <summary>By stage: the kinds of its blocks, the last of them for all that follow.</summary>
    public IReadOnlyList<MaxxVitBlockKind[]> Blocks { get; init; } =
        [[MaxxVitBlockKind.Convolution], [MaxxVitBlockKind.Convolution], [MaxxVitBlockKind.Transformer], [MaxxVitBlockKind.Transformer]];

    public bool StemBias { get; init; }

    /// <summary>Width of a layer between pool and classifier; null: none.</summary>
    public int? HeadWidth { get; init; }

    public ActivationKind ConvActivation { get; init; } = ActivationKind.Gelu;

    public ActivationKind Activation { get; init; } = ActivationKind.Gelu;

    /// <summary>Convolution blocks as ConvNeXt's rather than MobileNetV2's.</summary>
    public bool IsConvNeXt { get; init; }

    /// <summary>Where a convolution block halves the image.</summary>
    public StrideKind Stride { get; init; } = StrideKind.Depthwise;

    /// <summary>Shortcuts take the maximum of 3x3 pixels rather than the mean of 2x2.</summary>
    public bool MaxPools { get; init; }

    /// <summary>Expansion relative to a block's output rather than its input.</summary>
    public bool ExpandsOutput { get; init; } = true;

    /// <summary>Whether a block's last convolution and its shortcut have biases.</summary>
    public bool OutputBias { get; init; } = true;

    /// <summary>A convolution block activates after its first norm.</summary>
    public bool ActivatesFirst { get; init; }

    /// <summary>Squeeze-and-excitation before the second norm rather than after.</summary>
    public bool ExcitesEarly { get; init; }

    public ActivationKind ExciteActivation { get; init; } = ActivationKind.Silu;

    /// <summary>Width of squeeze-and-excitation relative to what is expanded.</summary>
    public double ExciteRatio { get; init; } = 0.25;

    public float ConvEpsilon { get; init; } = 1e-5f;

    /// <summary>Padding as TensorFlow's, where 3x3 convolutions stride.</summary>
    public bool SamePadding { get; init; }

    /// <summary>First value of the scale of a ConvNeXt block's branch.</summary>
    public float ConvScale { get; init; } = 1e-6f;

    /// <summary>Attention widens in its first layer rather than its last.</summary>
    public bool ExpandsFirst { get; init; } = true;

    public bool ShortcutBias { get; init; } = true;

    /// <summary>Query, key and value lie side by side head by head, rather than all queries first.</summary>
    public bool HeadFirst { get; init; } = true;

    public RelativeKind Relative { get; init; }

    /// <summary>Hidden width of a position MLP.</summary>
    public int RelativeWidth { get; init; } = 512;

    /// <summary>Only the grid attention, not the windows.</summary>
    public bool OnlyGrid { get; init; }

    /// <summary>First value of the scales of transformer branches; null: no scales.</summary>
    public float? Scale { get; init; }

    /// <summary>Transformer blocks normalise by batches.</summary>
    public bool BatchNorms { get; init; }

    public float Epsilon { get; init; } = 1e-6f;

    public MaxxVitBlockKind BlockAt(int stage, int index) => Blocks[stage][Math.Min(index, Blocks[stage].Length - 1)];

    public NormLayer MakeNorm(int channels) => BatchNorms ? new BatchNorm2d(channels, Epsilon) : new LayerNorm(channels, Epsilon);

    /// <summary>The norm of convolution blocks and stem.</summary>
    public NormLayer MakeConvNorm(int channels, bool activates = true)
    {
        var activation = activates ? ConvActivation : ActivationKind.Identity;
        return IsConvNeXt ? new LayerNorm(channels, Epsilon, activation: activation) : new BatchNorm2d(channels, ConvEpsilon, activation: activation);
    }

    /// <summary>A convolution of stem or convolution block.</summary>
    public Conv2d Conv(int inChannels, int outChannels, int kernel, int stride = 1, int groups = 1, bool bias = false)
    {
        var padding = SamePadding ? WindowPadding.Same : WindowPadding.Centred(kernel, stride, 1);
        var start = Init.Normal(MathF.Sqrt(2f * groups / (kernel * kernel * outChannels)));
        return new(inChannels, outChannels, kernel, stride, padding, 1, groups, bias, start, Init.Zeros);
    }

    public RelativePositionBias MakeBias(int window, int heads) => Relative switch
    {
        RelativeKind.Table => new RelativeTable(window, heads),
        RelativeKind.Mlp => new RelativeMlp(window, heads, RelativeWidth),
        RelativeKind.Lookup => new RelativeLookup(window, heads),
        _ => throw new InvalidOperationException($"position bias {Relative} has no module"),
    };
}

internal enum MaxxVitBlockKind
{
    Convolution,

    /// <summary>Attention over the whole map, which may halve it.</summary>
    Transformer,

    /// <summary>MaxViT: convolution, attention in windows, attention over a grid.</summary>
    Maxx,

    /// <summary>Two convolutions, then windows and grid beside each other.</summary>
    ParallelMaxx,
}

/// <summary>Where a convolution block halves the image.</summary>
internal enum StrideKind
{
    Depthwise,
    Pool,
}

/// <summary>How attention knows positions.</summary>
internal enum RelativeKind
{
    Table,
    Mlp,
    Lookup,
}
