using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>The same elements in the same order under another shape: blocks of neighbouring axes with equally many positions are tied.</summary>
internal sealed class ReshapeRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var (from, to) = (node.Operand(0).Where(a => a.Size != 1).ToList(), node.Result(0).Where(a => a.Size != 1).ToList());
        if (from.Exists(a => a.Size == 0))
        {
            node.FixAll("there are no elements");
            return;
        }
        for (int i = 0, j = 0; i < from.Count;)
        {
            var (block, other) = (new List<Extent> { from[i++] }, new List<Extent> { to[j++] });
            long size = block[0].Size, otherSize = other[0].Size;
            while (size != otherSize)
            {
                if (size < otherSize)
                    size *= Take(block, from[i++]);
                else
                    otherSize *= Take(other, to[j++]);
            }
            node.Tie(Extent.Product(block), Extent.Product(other));
        }
    }

    private static int Take(List<Extent> block, Extent axis)
    {
        block.Add(axis);
        return axis.Size;
    }

    public override Op Resized(Op op, ResizedNode node) =>
        op is Reshape reshape ? new Reshape(ShapeRules.Target(reshape.Target, node)) : op;

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => query.Zero(0);
}

/// <summary>The axes in another order.</summary>
internal sealed class PermuteRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var order = ((Permute)op).Order;
        for (var axis = 0; axis < order.Count; axis++)
            node.Tie(node.Operand(0, order[axis]), node.Result(0, axis));
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => query.Zero(0, ((Permute)op).Order[axis]);
}

/// <summary>Axes of size 1 repeated, which is what makes a dimension; the others stay.</summary>
internal sealed class ExpandRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node) => node.TieBroadcast(node.Operand(0), node.Result(0));

    public override Op Resized(Op op, ResizedNode node) => new Expand(ShapeRules.Target(((Expand)op).Target, node));

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var own = axis - (((Expand)op).Target.Count - query.OperandShape(0).Rank);
        return own >= 0 && query.Zero(0, own);
    }
}

/// <summary>Tensors one behind the other.</summary>
internal sealed class ConcatRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var joined = node.ResultShape(0).NormalizeAxis(((Concat)op).Axis, op.Name);
        for (var axis = 0; axis < node.Result(0).Count; axis++)
        {
            if (axis == joined)
                continue;
            for (var operand = 0; operand < node.OperandCount; operand++)
                node.Tie(node.Operand(operand, axis), node.Result(0, axis));
        }
        node.Tie(Extent.Sum([.. Enumerable.Range(0, node.OperandCount).Select(i => node.Operand(i, joined))]), node.Result(0, joined));
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        Enumerable.Range(0, query.OperandCount).All(operand => query.ZeroWhereIn(operand, axis));
}

/// <summary>An axis cut into pieces.</summary>
internal sealed class SplitRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var cut = node.OperandShape(0).NormalizeAxis(((Split)op).Axis, op.Name);
        for (var axis = 0; axis < node.Operand(0).Count; axis++)
        {
            for (var result = 0; result < node.ResultCount && axis != cut; result++)
                node.Tie(node.Operand(0, axis), node.Result(result, axis));
        }
        node.Tie(node.Operand(0, cut), Extent.Sum([.. Enumerable.Range(0, node.ResultCount).Select(i => node.Result(i, cut))]));
    }

    public override Op Resized(Op op, ResizedNode node)
    {
        var split = (Split)op;
        return split with { Sizes = Enumerable.Range(0, node.Was.ResultCount).Select(i => node.Result(i)[split.Axis]).ToArray() };
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => query.Zero(0, axis);
}

/// <summary>A piece of an axis.</summary>
internal sealed class SliceRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var slice = (Slice)op;
        var cut = node.OperandShape(0).NormalizeAxis(slice.Axis, op.Name);
        for (var axis = 0; axis < node.Operand(0).Count; axis++)
        {
            if (axis != cut)
                node.Tie(node.Operand(0, axis), node.Result(0, axis));
        }
        var (whole, piece) = (node.Operand(0, cut), node.Result(0, cut));
        if (slice.Step != 1)
        {
            node.Fix(whole, "it is sliced in steps");
            node.Fix(piece, "it is sliced in steps");
            return;
        }
        var start = (int)Math.Clamp(slice.Start < 0 ? slice.Start + (long)whole.Size : slice.Start, 0, whole.Size);
        var after = new Dimension(Math.Max(0, whole.Size - start - piece.Size));
        node.Tie(whole, Extent.Sum(node.Attribute("before", whole.Size - piece.Size - after.Size), piece, after));
    }

    public override Op Resized(Op op, ResizedNode node)
    {
        var slice = (Slice)op;
        if (slice.Step != 1 || node.Operand(0, slice.Axis) == node.Was.OperandShape(0)[slice.Axis])
            return op;
        var start = node.Attribute("before");
        return slice with { Start = start, End = start + node.Result(0)[slice.Axis] };
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => query.Zero(0, axis);
}

/// <summary>Margins around axes; those of a constant can go like any position.</summary>
internal sealed class PadRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var pad = (Pad)op;
        for (var axis = 0; axis < node.Operand(0).Count; axis++)
        {
            var (inside, padded) = (node.Operand(0, axis), node.Result(0, axis));
            if (pad.Mode == PadMode.Constant || inside.Size == padded.Size)
            {
                node.Tie(padded, Extent.Sum(node.Attribute($"before{axis}", pad.Before[axis]), inside, node.Attribute($"after{axis}", pad.After[axis])));
                continue;
            }
            node.Fix(inside, "its margins repeat it");
            node.Fix(padded, "its margins repeat it");
        }
    }

    public override Op Resized(Op op, ResizedNode node)
    {
        var pad = (Pad)op;
        int[] Counts(string side, IntList was) =>
            [.. Enumerable.Range(0, was.Count).Select(axis => pad.Mode == PadMode.Constant ? node.Attribute($"{side}{axis}") : was[axis])];
        return pad with { Before = Counts("before", pad.Before), After = Counts("after", pad.After) };
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        var pad = (Pad)op;
        return (pad.Mode != PadMode.Constant || pad.Value == 0) && query.ZeroWhereIn(0, axis);
    }
}

/// <summary>Axes whose elements change places, which only fixed ones can be.</summary>
internal abstract class ReorderingRule(string reason) : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var shape = node.OperandShape(0);
        foreach (var axis in AxesOf(op).Select(a => shape.NormalizeAxis(a, op.Name)))
        {
            node.Fix(node.Operand(0, axis), reason);
            node.Fix(node.Result(0, axis), reason);
        }
        node.TieAxes(0);
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => query.Zero(0, axis);

    private protected abstract IntList AxesOf(Op op);
}

/// <summary>Axes backwards.</summary>
internal sealed class FlipRule() : ReorderingRule("it is reversed")
{
    private protected override IntList AxesOf(Op op) => ((Flip)op).Axes;
}

/// <summary>Axes whose ends change places.</summary>
internal sealed class RollRule() : ReorderingRule("it is rolled")
{
    private protected override IntList AxesOf(Op op) => ((Roll)op).Axes;
}

/// <summary>What shape rules share.</summary>
internal static class ShapeRules
{
    /// <summary>The shape that an attribute names, after a selection; what it leaves open stays open.</summary>
    public static IntList Target(IntList target, ResizedNode node)
    {
        var shape = node.Result(0);
        return Enumerable.Range(0, target.Count).Select(axis => target[axis] == -1 ? -1 : shape[axis]).ToArray();
    }
}
