using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>Batch normalisation, by given or by the batch's own statistics: channels are apart.</summary>
internal sealed class BatchNormRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var channels = node.Operand(0, -1);
        for (var operand = 1; operand < node.OperandCount; operand++)
        {
            if (node.Operand(operand).Count == 1)
                node.Tie(node.Operand(operand, 0), channels);
            else
                node.TieBroadcast(node.Operand(operand), node.Operand(0));
        }
        node.TieBroadcast(node.Operand(0), node.Result(0));
        for (var result = 1; result < node.ResultCount; result++)
            node.Tie(channels, node.Result(result, 0));
        for (var axis = 0; axis < node.Operand(0).Count - 1 && op is BatchNormTraining; axis++)
            node.Fix(node.Operand(0, axis), "the batch's statistics are taken over it");
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var last = query.OperandShape(0).Rank - 1;
        if (result > 0)
            return query.Zero(0, last);
        var residual = op is BatchNorm ? 5 : 3;
        return axis == last && query.Zero(1, 0) && query.Zero(2, 0) && (query.OperandCount <= residual || query.Zero(residual, last));
    }
}

/// <summary>Group normalisation: of the channels groups·width either a whole group can go, or a position within every group, which changes its statistics.</summary>
internal sealed class GroupNormRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var channels = node.Operand(0, -1);
        var groups = node.Attribute("groups", ((GroupNorm)op).Groups);
        var width = new Dimension(channels.Size / groups.Size);
        node.Tie(channels, Extent.Product(groups, width));
        node.Mix(width);
        node.Tie(channels, node.Operand(1, 0));
        node.Tie(channels, node.Operand(2, 0));
        node.TieBroadcast(node.Operand(0), node.Result(0));
        for (var axis = 1; axis < node.Operand(0).Count - 1; axis++)
            node.Mix(node.Operand(0, axis));
        for (var result = 1; result < node.ResultCount; result++)
        {
            node.Tie(node.Operand(0, 0), node.Result(result, 0));
            node.Tie(groups, node.Result(result, 1));
        }
    }

    public override Op Resized(Op op, ResizedNode node) => (GroupNorm)op with { Groups = node.Attribute("groups") };

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        result == 0 && axis == query.OperandShape(0).Rank - 1 && query.Zero(1, 0) && query.Zero(2, 0);
}

/// <summary>Layer normalisation over the last axes, whose positions share their statistics.</summary>
internal sealed class LayerNormRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var axes = ((LayerNorm)op).Axes;
        node.TieBroadcast(node.Operand(1), node.Operand(0));
        node.TieBroadcast(node.Operand(2), node.Operand(0));
        node.TieBroadcast(node.Operand(0), node.Result(0));
        for (var axis = 1; axis <= axes; axis++)
            node.Mix(node.Operand(0, -axis));
        for (var result = 1; result < node.ResultCount; result++)
            node.TieBroadcast([.. node.Operand(0).SkipLast(axes)], node.Result(result));
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var own = axis - (query.OperandShape(0).Rank - ((LayerNorm)op).Axes);
        if (result > 0)
            return false;
        return own >= 0 ? query.Zero(1, own) && query.Zero(2, own) : query.Zero(0, axis) && query.IsAllZero(2);
    }
}
