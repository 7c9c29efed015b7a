using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// The rule of every op. An op that is not here blocks: nothing that touches it can go. A new op belongs here, if only
/// with <see cref="OpaqueRule"/>; a test finds those that are forgotten, and another tries every rule on the op's cases.
/// </summary>
internal static class DimensionRules
{
    private static readonly OpaqueRule s_opaque = new();

    private static readonly Dictionary<Type, DimensionRule> s_rules = new()
    {
        [typeof(Cast)] = new ElementwiseRule(),
        [typeof(DropInTraining)] = new ElementwiseRule(),
        [typeof(LogicalNot)] = new ElementwiseRule(),
        [typeof(CumSum)] = new ScanRule(),
        [typeof(Multiply)] = new BroadcastRule(ZeroRule.Either),
        [typeof(Divide)] = new BroadcastRule(ZeroRule.Numerator),
        [typeof(Prelu)] = new BroadcastRule(ZeroRule.First),
        [typeof(Where)] = new BroadcastRule(ZeroRule.AllButFirst),
        [typeof(Sum)] = new ReductionRule(),
        [typeof(Mean)] = new ReductionRule(),
        [typeof(Max)] = new ReductionRule(),
        [typeof(Min)] = new ReductionRule(),
        [typeof(Softmax)] = new SoftmaxRule(),
        [typeof(LogSoftmax)] = new SoftmaxRule(),
        [typeof(Reshape)] = new ReshapeRule(),
        [typeof(Flatten)] = new ReshapeRule(),
        [typeof(Squeeze)] = new ReshapeRule(),
        [typeof(Unsqueeze)] = new ReshapeRule(),
        [typeof(Permute)] = new PermuteRule(),
        [typeof(Concat)] = new ConcatRule(),
        [typeof(Split)] = new SplitRule(),
        [typeof(Slice)] = new SliceRule(),
        [typeof(Pad)] = new PadRule(),
        [typeof(Flip)] = new FlipRule(),
        [typeof(Roll)] = new RollRule(),
        [typeof(Expand)] = new ExpandRule(),
        [typeof(IndexSelect)] = new IndexSelectRule(),
        [typeof(Gather)] = new GatherRule(),
        [typeof(ArgMax)] = new ArgMaxRule(),
        [typeof(TopK)] = new TopKRule(),
        [typeof(OneHot)] = new OneHotRule(),
        [typeof(Linear)] = new LinearRule(),
        [typeof(MatMul)] = new MatMulRule(),
        [typeof(Attention)] = new AttentionRule(),
        [typeof(Conv2d)] = new ConvolutionRule(),
        [typeof(ConvTranspose2d)] = new TransposedConvolutionRule(),
        [typeof(PerImageConv2d)] = new PerImageConvolutionRule(),
        [typeof(MaxPool2d)] = new WindowRule(),
        [typeof(AvgPool2d)] = new WindowRule(),
        [typeof(AdaptiveMaxPool2d)] = new WindowRule(),
        [typeof(AdaptiveAvgPool2d)] = new WindowRule(),
        [typeof(Interpolate)] = new WindowRule(),
        [typeof(GridSample)] = new GridSampleRule(),
        [typeof(RoiAlign)] = new RoiAlignRule(),
        [typeof(BatchNorm)] = new BatchNormRule(),
        [typeof(BatchNormTraining)] = new BatchNormRule(),
        [typeof(GroupNorm)] = new GroupNormRule(),
        [typeof(LayerNorm)] = new LayerNormRule(),
        // What only compiled graphs have, whose weights are packed for the kernels: prune before compiling.
        [typeof(FusedConv2d)] = s_opaque,
        [typeof(InvertedResidual)] = s_opaque,
        [typeof(FusedLinear)] = s_opaque,
        [typeof(JoinedBatchNorm)] = s_opaque,
        [typeof(JointAttention)] = s_opaque,
        // Gradients, losses and writes by index stand in training steps, which nobody prunes.
        [typeof(ActivationGate)] = s_opaque,
        [typeof(ActivationGradient)] = s_opaque,
        [typeof(AttentionGradient)] = s_opaque,
        [typeof(AvgPoolGradient)] = s_opaque,
        [typeof(BatchNormGradient)] = s_opaque,
        [typeof(Conv2dWeightGradient)] = s_opaque,
        [typeof(CrossEntropy)] = s_opaque,
        [typeof(CrossEntropyGradient)] = s_opaque,
        [typeof(GridSampleGradient)] = s_opaque,
        [typeof(GroupNormGradient)] = s_opaque,
        [typeof(IndexAdd)] = s_opaque,
        [typeof(InterpolateGradient)] = s_opaque,
        [typeof(JointAttentionGradient)] = s_opaque,
        [typeof(LayerNormGradient)] = s_opaque,
        [typeof(LogSoftmaxGradient)] = s_opaque,
        [typeof(MaxPoolGradient)] = s_opaque,
        [typeof(MaxPoolPick)] = s_opaque,
        [typeof(RoiAlignGradient)] = s_opaque,
        [typeof(ScatterAdd)] = s_opaque,
        [typeof(SoftCrossEntropy)] = s_opaque,
        [typeof(SoftCrossEntropyGradient)] = s_opaque,
        [typeof(SumOverProcesses)] = s_opaque,
        [typeof(SoftmaxGradient)] = s_opaque,
        [typeof(Unslice)] = s_opaque,
    };

    private static readonly ElementwiseRule s_elementwise = new();
    private static readonly BroadcastRule s_broadcast = new(ZeroRule.Both);
    private static readonly BroadcastRule s_condition = new(ZeroRule.Never);

    /// <summary>True when the op has a rule of its own or by its kind.</summary>
    public static bool Has(Type op) => RuleOf(op) is not null;

    /// <summary>The op's rule; one that blocks everything if it has none.</summary>
    public static DimensionRule Of(Op op) => RuleOf(op.GetType()) ?? s_opaque;

    private static DimensionRule? RuleOf(Type op) =>
        s_rules.TryGetValue(op, out var rule) ? rule
        : op.IsAssignableTo(typeof(UnaryOp)) ? s_elementwise
        : op.IsAssignableTo(typeof(BinaryOp)) ? s_broadcast
        : op.IsAssignableTo(typeof(Comparison)) || op.IsAssignableTo(typeof(LogicalOp)) ? s_condition
        : null;
}

/// <summary>Ties nothing and lets nothing go.</summary>
internal sealed class OpaqueRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node) => node.FixAll($"{op.Name} has no rule by which dimensions pass it");
}
