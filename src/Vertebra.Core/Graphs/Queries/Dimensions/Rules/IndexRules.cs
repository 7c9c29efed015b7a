using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>Positions of an axis picked by an index, which are therefore fixed; the other axes stay.</summary>
internal sealed class IndexSelectRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var picked = node.OperandShape(0).NormalizeAxis(((IndexSelect)op).Axis, op.Name);
        foreach (var extent in (Extent[])[node.Operand(0, picked), node.Operand(1, 0), node.Result(0, picked)])
            node.Fix(extent, "it is picked from by index");
        node.TieAxes(0, except: picked);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        axis != query.OperandShape(0).NormalizeAxis(((IndexSelect)op).Axis, op.Name) && query.Zero(0, axis);
}

/// <summary>As <see cref="IndexSelectRule"/>, with an index for each element.</summary>
internal sealed class GatherRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var picked = node.OperandShape(0).NormalizeAxis(((Gather)op).Axis, op.Name);
        foreach (var extent in (Extent[])[node.Operand(0, picked), node.Operand(1, picked), node.Result(0, picked)])
            node.Fix(extent, "it is picked from by index");
        node.TieAxes(0, except: picked);
        node.TieAxes(1, except: picked);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        axis != query.OperandShape(0).NormalizeAxis(((Gather)op).Axis, op.Name) && query.Zero(0, axis);
}

/// <summary>The positions found on an axis are numbers: none may change.</summary>
internal sealed class ArgMaxRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var searched = node.OperandShape(0).NormalizeAxis(((ArgMax)op).Axis, op.Name);
        node.Fix(node.Operand(0, searched), "its positions are the result");
        for (var axis = 0; axis < node.Result(0).Count; axis++)
            node.Tie(node.Operand(0, axis < searched ? axis : axis + 1), node.Result(0, axis));
    }
}

/// <inheritdoc cref="ArgMaxRule"/>
internal sealed class TopKRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var searched = node.OperandShape(0).NormalizeAxis(((TopK)op).Axis, op.Name);
        foreach (var extent in (Extent[])[node.Operand(0, searched), node.Result(0, searched), node.Result(1, searched)])
            node.Fix(extent, "its positions are a result");
        node.TieAxes(0, except: searched);
    }
}

/// <summary>A new axis whose positions the numbers name.</summary>
internal sealed class OneHotRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        for (var axis = 0; axis < node.Operand(0).Count; axis++)
            node.Tie(node.Operand(0, axis), node.Result(0, axis));
        node.Fix(node.Result(0, -1), "its positions are named by number");
    }
}
