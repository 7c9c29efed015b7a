using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>One operand, and results of its shape, element by element.</summary>
internal sealed class ElementwiseRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node) => node.TieAxes(0);

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => query.Zero(0, axis) && KeepsZero(op);

    private static bool KeepsZero(Op op) => op is Cast or DropInTraining || (op is UnaryOp && RuleExtensions.OfZeros(op, 1) == 0);
}

/// <summary>As element by element, but each depends on those before it on an axis.</summary>
internal sealed class ScanRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        node.TieAxes(0);
        var axis = node.Operand(0, ((CumSum)op).Axis);
        node.Order(axis, "it is summed in order");
        node.Mix(axis);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        axis != query.OperandShape(0).NormalizeAxis(((CumSum)op).Axis, op.Name) && query.Zero(0, axis);
}

/// <summary>Which operands of a broadcasting op must be zero for its result to be.</summary>
internal enum ZeroRule
{
    Never,
    Both,
    Either,

    First,

    /// <summary>The first, which the second divides and so must not be zero itself.</summary>
    Numerator,

    AllButFirst,
}

/// <summary>Several operands, aligned at their last axes, of which those of size 1 are repeated.</summary>
internal sealed class BroadcastRule(ZeroRule zeros) : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        for (var operand = 0; operand < node.OperandCount; operand++)
            node.TieBroadcast(node.Operand(operand), node.Result(0));
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var zero = new bool[query.OperandCount];
        var rank = Enumerable.Range(0, zero.Length).Max(i => query.OperandShape(i).Rank);
        for (var operand = 0; operand < zero.Length; operand++)
        {
            var own = axis - (rank - query.OperandShape(operand).Rank);
            zero[operand] = own >= 0 && query.Zero(operand, own);
        }
        return zeros switch
        {
            ZeroRule.Both => Array.TrueForAll(zero, z => z) && RuleExtensions.OfZeros(op, zero.Length) == 0,
            ZeroRule.Either => zero.Contains(true),
            ZeroRule.First => zero[0],
            ZeroRule.Numerator => zero[0] && !zero[1],
            ZeroRule.AllButFirst => Array.TrueForAll(zero[1..], z => z),
            _ => false,
        };
    }
}

/// <summary>Sums, means and extremes over axes.</summary>
internal sealed class ReductionRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var reduction = (Reduction)op;
        var reduced = ReducedAxes(reduction, node.OperandShape(0));
        var result = 0;
        for (var axis = 0; axis < reduced.Length; axis++)
        {
            if (!reduced[axis])
                node.Tie(node.Operand(0, axis), node.Result(0, result++));
            else
            {
                result += reduction.KeepAxes ? 1 : 0;
                if (op is Sum)
                    node.Contract(node.Operand(0, axis), new Place(0, axis));
                else
                    node.Mix(node.Operand(0, axis));
            }
        }
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var reduction = (Reduction)op;
        var reduced = ReducedAxes(reduction, query.OperandShape(0));
        var kept = reduction.KeepAxes ? axis : Enumerable.Range(0, reduced.Length).Where(a => !reduced[a]).ElementAt(axis);
        return query.OperandShape(0).ElementCount > 0 && query.Zero(0, kept);
    }

    private static bool[] ReducedAxes(Reduction op, Shape shape)
    {
        var reduced = new bool[shape.Rank];
        foreach (var axis in op.Axes)
            reduced[shape.NormalizeAxis(axis, op.Name)] = true;
        if (op.Axes.Count == 0)
            Array.Fill(reduced, true);
        return reduced;
    }
}

/// <summary>Softmax and its logarithm: every position of a line depends on all.</summary>
internal sealed class SoftmaxRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        node.TieAxes(0);
        node.Mix(node.Operand(0, op is Softmax softmax ? softmax.Axis : ((LogSoftmax)op).Axis));
    }
}
