using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo.Families;

/// <summary>
/// What the networks built from block tables share: the stem <c>conv_stem</c>, <c>bn1</c> and the stages <c>blocks</c>. They
/// differ in their heads.
/// </summary>
public abstract class MobileNetwork : Backbone
{
    private readonly Conv2d _stem;
    private readonly NormLayer _norm;
    private readonly Sequential _blocks;
    private readonly List<FeatureInfo> _features = [];

    private protected MobileNetwork(MobileSpec spec, ModelOptions options) : base(options)
    {
        if (spec.HasSpaceToDepth && options.OutputStride is not null)
            throw new VertebraException("output_stride cannot be chosen for networks with a space-to-depth stage");
        var width = spec.FixesStem ? spec.StemWidth : spec.Round(spec.StemWidth);
        _stem = Child("conv_stem", spec.Style.Conv(InChans, width, spec.StemKernel, stride: 2));
        _norm = Child("bn1", spec.Style.MakeNorm(width, spec.Style.Act));
        _blocks = Child("blocks", new Sequential(MakeStages(spec, width, options)));
        BodyChannels = _features[^1].Channels;
    }

    public override IReadOnlyList<FeatureInfo> FeatureInfo => _features;

    public override string Classifier => "classifier";

    public override string FirstConv => "conv_stem";

    /// <summary>Channels of the last stage.</summary>
    private protected int BodyChannels { get; }

    /// <summary>The output of the last stage.</summary>
    private protected Tensor ForwardBody(Tensor x) => _blocks.Forward(_norm.Forward(_stem.Forward(x)));

    private List<Module> MakeStages(MobileSpec spec, int width, ModelOptions options)
    {
        var plans = spec.Plans();
        var count = plans.Sum(p => p.Count);
        var (index, stride, dilation, isDeep) = (0, 2, 1, false);
        if (plans[0][0].Stride > 1)
            _features.Add(new(0, width, stride, "bn1"));
        var stages = new List<Module>();
        for (var stage = 0; stage < plans.Count; stage++)
        {
            var blocks = new List<Module>();
            for (var i = 0; i < plans[stage].Count; i++, index++)
            {
                var plan = plans[stage][i];
                if (i > 0)
                    plan = plan with { Stride = 1 };
                var opensDepth = plan.Kind == MobileBlockKind.Separable && plan.Depth > 0 && !isDeep;
                if (isDeep && plan.Stride > 1)
                {
                    // The stride has been taken by space-to-depth already, and the channels are four times as many.
                    plan = plan with { Stride = 1, Expansion = plan.Expansion / 4 };
                    isDeep = false;
                }
                isDeep |= opensDepth;
                if (isDeep && !opensDepth)
                    plan = plan with { Depth = 0 };

                var (step, blockDilation) = (plan.Stride, dilation);
                if (step > 1 && stride * step > (options.OutputStride ?? 32))
                    (dilation, step) = (dilation * step, 1);
                stride *= step;
                var outWidth = spec.Round(plan.Channels) * (isDeep ? 4 : 1);
                var rate = options.DropPathRate * index / count;
                var place = new MobilePlace(width, outWidth, plan.ExpandsFrom > 0 ? spec.Round(plan.ExpandsFrom) : width, step, blockDilation, rate, spec.Pruned?[index]);
                blocks.Add(MobileBlock.Make(spec.Style, plan, place));
                width = place.Pruned?.Outer ?? outWidth;
            }
            stages.Add(new Sequential(blocks));
            if (stage + 1 == plans.Count || plans[stage + 1][0].Stride > 1)
                _features.Add(new(_features.Count, width, stride, $"blocks.{stage}"));
        }
        return stages;
    }
}

/// <summary>A network as its table says it.</summary>
/// <param name="Stages">The stages; each line has blocks in the notation of <see cref="MobileBlockPlan"/>, with spaces between.</param>
internal sealed record MobileSpec(params IReadOnlyList<string> Stages)
{
    public MobileStyle Style { get; init; } = new();

    /// <summary>Multiplies every width.</summary>
    public double Width { get; init; } = 1;

    /// <summary>Widths are multiples of this.</summary>
    public int Divisor { get; init; } = 8;

    /// <summary>See <see cref="Widths.Divisible"/>.</summary>
    public double RoundingLimit { get; init; } = 0.9;

    /// <summary>Multiplies the number of blocks of every stage.</summary>
    public double Depth { get; init; } = 1;

    /// <summary>The same by stage, where they differ.</summary>
    public IReadOnlyList<double>? Depths { get; init; }

    /// <summary>Scaled numbers of blocks are rounded to the nearest, not up.</summary>
    public bool RoundsDepth { get; init; }

    /// <summary>First and last stage keep their depth.</summary>
    public bool FixesEnds { get; init; }

    public int StemWidth { get; init; } = 32;

    public int StemKernel { get; init; } = 3;

    /// <summary>The stem keeps its width.</summary>
    public bool FixesStem { get; init; }

    /// <summary>Width of the head's convolution; 0: there is none.</summary>
    public int HeadWidth { get; init; } = 1280;

    /// <summary>Whether the convolution of a head behind the pooling has a bias.</summary>
    public bool HasHeadBias { get; init; } = true;

    /// <summary>Whether it is normalised.</summary>
    public bool HasHeadNorm { get; init; }

    /// <summary>Channels in a group of the spatial convolutions; null: as each block says.</summary>
    public int? GroupSize { get; init; }

    /// <summary>Multiplies the number of experts.</summary>
    public int ExpertsFactor { get; init; } = 1;

    /// <summary>Widths of the blocks, in order, where pruning changed them.</summary>
    public IReadOnlyList<PrunedBlock>? Pruned { get; init; }

    public bool HasSpaceToDepth => Stages.Any(s => s.Contains("_d1", StringComparison.Ordinal));

    /// <summary>A width under the network's factor.</summary>
    public int Round(int channels) => Widths.Divisible(channels * Width, Divisor, RoundingLimit);

    /// <summary>The blocks of every stage, at the network's depth.</summary>
    public IReadOnlyList<IReadOnlyList<MobileBlockPlan>> Plans() => [.. Stages.Select((text, stage) =>
    {
        var plans = text.Split(' ').Select(MobileBlockPlan.Parse)
            .Select(p => p with { GroupSize = p.GroupSize ?? GroupSize, Experts = p.Experts * ExpertsFactor }).ToArray();
        var isEnd = stage == 0 || stage == Stages.Count - 1;
        return Repeat(plans, FixesEnds && isEnd ? 1 : Depths?[stage] ?? Depth);
    })];

    // The whole stage is scaled, and its blocks share the new number from the last one on: the first is the least worth repeating.
    private List<MobileBlockPlan> Repeat(MobileBlockPlan[] plans, double factor)
    {
        var total = plans.Sum(p => p.Repeats);
        var scaled = RoundsDepth ? Math.Max(1, (int)Math.Round(total * factor)) : (int)Math.Ceiling(total * factor);
        var blocks = new List<MobileBlockPlan>();
        foreach (var plan in plans.Reverse())
        {
            var repeats = Math.Max(1, (int)Math.Round((double)plan.Repeats / total * scaled));
            blocks.InsertRange(0, Enumerable.Repeat(plan, repeats));
            (total, scaled) = (total - plan.Repeats, scaled - repeats);
        }
        return blocks;
    }

    // ---------------------------------------------------------------- words of the tables

    public MobileSpec Styled(Func<MobileStyle, MobileStyle> change) => this with { Style = change(Style) };

    public MobileSpec Act(ActivationKind act) => Styled(s => s with { Act = act });

    /// <summary>As the networks trained with TensorFlow need it.</summary>
    public MobileSpec Tf() => Styled(s => s with { PadsSame = true, Epsilon = 1e-3f });

    public MobileSpec GroupNormed(int groupSize) => Styled(s => s with { Norm = MobileNorm.Group, NormGroup = groupSize });

    /// <summary>The head's width follows the network's factor.</summary>
    public MobileSpec ScalesHead(int width) => this with { HeadWidth = Round(width) };
}
