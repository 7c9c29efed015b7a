using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>x [..., in] · weight [out, in]ᵀ + bias [out].</summary>
internal sealed class LinearRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        node.Tie(node.Operand(1, 1), node.Operand(0, -1));
        node.Contract(node.Operand(1, 1), new Place(0, node.Operand(0).Count - 1), new Place(1, 1));
        node.Tie(node.Operand(1, 0), node.Result(0, -1));
        if (node.OperandCount > 2)
            node.Tie(node.Operand(1, 0), node.Operand(2, 0));
        node.TieAxes(0, except: node.Operand(0).Count - 1);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var hasBias = query.OperandCount > 2;
        return axis == query.OperandShape(0).Rank - 1 ? query.Zero(1, 0) && (!hasBias || query.Zero(2, 0)) : !hasBias && query.Zero(0, axis);
    }
}

/// <summary>Matrix products over the last two axes.</summary>
internal sealed class MatMulRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var (rows, leftSum, rightSum, columns) = Axes((MatMul)op);
        node.Tie(node.Operand(0, rows), node.Result(0, -2));
        node.Tie(node.Operand(1, columns), node.Result(0, -1));
        node.Tie(node.Operand(0, leftSum), node.Operand(1, rightSum));
        node.Contract(node.Operand(0, leftSum), new Place(0, node.Operand(0).Count + leftSum), new Place(1, node.Operand(1).Count + rightSum));
        for (var operand = 0; operand < 2; operand++)
            node.TieBroadcast([.. node.Operand(operand).SkipLast(2)], [.. node.Result(0).SkipLast(2)]);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var (rows, _, _, columns) = Axes((MatMul)op);
        var rank = Math.Max(query.OperandShape(0).Rank, query.OperandShape(1).Rank);
        bool Batch(int operand)
        {
            var own = axis - (rank - query.OperandShape(operand).Rank);
            return own >= 0 && query.Zero(operand, own);
        }
        return axis == rank - 2 ? query.Zero(0, rows) : axis == rank - 1 ? query.Zero(1, columns) : Batch(0) || Batch(1);
    }

    private static (int Rows, int LeftSum, int RightSum, int Columns) Axes(MatMul op)
    {
        var (rows, leftSum) = op.TransposeA ? (-1, -2) : (-2, -1);
        var (rightSum, columns) = op.TransposeB ? (-1, -2) : (-2, -1);
        return (rows, leftSum, rightSum, columns);
    }
}

/// <summary>softmax(q · kᵀ) · v: q and k share heads and width, k and v heads and keys; the keys are mixed.</summary>
internal sealed class AttentionRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        for (var operand = 0; operand < 3; operand++)
        {
            node.Tie(node.Operand(operand, 0), node.Result(0, 0));
            node.Tie(node.Operand(operand, 1), node.Result(0, 1));
        }
        node.Tie(node.Operand(0, 2), node.Result(0, 2));
        node.Tie(node.Operand(0, 3), node.Operand(1, 3));
        node.Contract(node.Operand(0, 3), new Place(0, 3), new Place(1, 3));
        node.Tie(node.Operand(1, 2), node.Operand(2, 2));
        node.Mix(node.Operand(1, 2));
        node.Tie(node.Operand(2, 3), node.Result(0, 3));
        for (var axis = 0; axis < 3; axis++)
            node.Tie(node.Result(0, axis), node.Result(1, axis));
        if (node.OperandCount > 3)
            node.TieBroadcast(node.Operand(3), [node.Operand(0, 0), node.Operand(0, 1), node.Operand(0, 2), node.Operand(1, 2)]);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => result == 0 && axis != 2 && query.Zero(2, axis);
}
