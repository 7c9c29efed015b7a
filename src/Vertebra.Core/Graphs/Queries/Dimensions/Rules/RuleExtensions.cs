using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>What rules share.</summary>
internal static class RuleExtensions
{
    /// <summary>Ties the axes of an operand to those of every result, but for one axis.</summary>
    public static void TieAxes(this NodeDimensions node, int operand, int except = -1)
    {
        for (var result = 0; result < node.ResultCount; result++)
        {
            for (var axis = 0; axis < node.Operand(operand).Count; axis++)
            {
                if (axis != except)
                    node.Tie(node.Operand(operand, axis), node.Result(result, axis));
            }
        }
    }

    /// <summary>Ties axes aligned at the end, but for those of size 1 that are repeated.</summary>
    public static void TieBroadcast(this NodeDimensions node, IReadOnlyList<Extent> operand, IReadOnlyList<Extent> result)
    {
        for (var i = 1; i <= operand.Count; i++)
        {
            if (operand[^i].Size == result[^i].Size)
                node.Tie(operand[^i], result[^i]);
        }
    }

    /// <summary>True if the dimension is not in the operand's axis, or the operand is zero there.</summary>
    public static bool ZeroWhereIn(this ZeroQuery query, int operand, int axis) => !query.IsIn(operand, axis) || query.Zero(operand, axis);

    /// <summary>What an op on float32 gives for operands of one zero each.</summary>
    public static float OfZeros(Op op, int operands)
    {
        using var off = GradMode.Off();
        return op.Apply([.. Enumerable.Repeat(Tensor.Zeros([1]), operands)]).ToArray<float>()[0];
    }
}
