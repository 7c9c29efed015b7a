using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// A convolution: x [N, H, W, groups·in] with weight [groups·out, in, KH, KW] and bias gives [N, OH, OW, groups·out]. Of
/// grouped convolutions either a whole group can go or a position within every group.
/// </summary>
internal sealed class ConvolutionRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var convolution = (Conv2d)op;
        var groups = node.Attribute("groups", convolution.Groups);
        var perGroup = new Dimension(node.Operand(1, 0).Size / convolution.Groups);
        node.Tie(node.Operand(1, 0), Extent.Product(groups, perGroup));
        node.Tie(node.Operand(1, 0), node.Result(0, 3));
        node.Tie(Extent.Product(groups, node.Operand(1, 1)), node.Operand(0, 3));
        node.Contract(node.Operand(1, 1), new Place(0, 3), new Place(1, 1));
        if (node.OperandCount > 2)
            node.Tie(node.Operand(1, 0), node.Operand(2, 0));
        node.Tie(node.Operand(0, 0), node.Result(0, 0));
        WindowRules.FixTaps(node);
        RelateImage(convolution, node);
    }

    // Along an axis whose size it keeps a position can go, as in a convolution over channels; its neighbours then meet.
    private static void RelateImage(Conv2d op, NodeDimensions node)
    {
        for (var axis = 1; axis < 3; axis++)
        {
            var (kernel, stride, padding) = axis == 1 ? (node.Operand(1, 2).Size, op.StrideH, op.PadTop + op.PadBottom) : (node.Operand(1, 3).Size, op.StrideW, op.PadLeft + op.PadRight);
            var (from, to) = (node.Operand(0, axis), node.Result(0, axis));
            if (stride != 1 || from.Size != to.Size)
            {
                WindowRules.FixImageAxis(node, axis);
                continue;
            }
            node.Tie(from, to);
            if (kernel == 1 && padding == 0)
                continue;
            node.Order(from, "a kernel moves along it");
            node.Mix(from);
        }
    }

    public override Op Resized(Op op, ResizedNode node) => (Conv2d)op with { Groups = node.Attribute("groups") };

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        axis == 3 && (query.OperandCount < 3 || query.Zero(2, 0)) && (query.Zero(1, 0) || (query.IsIn("groups") && query.Zero(0, 3)));
}

/// <summary>A transposed convolution: x [N, H, W, groups·in] with weight [groups·in, out, KH, KW] and bias gives [N, OH, OW, groups·out].</summary>
internal sealed class TransposedConvolutionRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var groups = node.Attribute("groups", ((ConvTranspose2d)op).Groups);
        var perGroup = node.Attribute("in", node.Operand(1, 0).Size / groups.Size);
        node.Tie(node.Operand(1, 0), Extent.Product(groups, perGroup));
        node.Tie(node.Operand(1, 0), node.Operand(0, 3));
        node.Contract(perGroup, new Place(0, 3), new Place(1, 0));
        node.Tie(Extent.Product(groups, node.Operand(1, 1)), node.Result(0, 3));
        if (node.OperandCount > 2)
            node.Tie(node.Operand(2, 0), node.Result(0, 3));
        node.Tie(node.Operand(0, 0), node.Result(0, 0));
        WindowRules.FixTaps(node);
        WindowRules.FixImageAxis(node, 1);
        WindowRules.FixImageAxis(node, 2);
    }

    public override Op Resized(Op op, ResizedNode node) => (ConvTranspose2d)op with { Groups = node.Attribute("groups") };

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query)
    {
        if (axis != 3 || (query.OperandCount > 2 && !query.Zero(2, 0)))
            return false;
        return query.IsIn("groups") ? query.Zero(1, 0) || query.Zero(0, 3) : query.Zero(1, 1);
    }
}

/// <summary>A convolution of x [N, H, W, groups·in] by kernels for each image, weight [N, groups·out, in, KH, KW], which gives [N, OH, OW, groups·out].</summary>
internal sealed class PerImageConvolutionRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        var groups = node.Attribute("groups", ((PerImageConv2d)op).Groups);
        var perGroup = new Dimension(node.Operand(1, 1).Size / groups.Size);
        node.Tie(node.Operand(1, 1), Extent.Product(groups, perGroup));
        node.Tie(node.Operand(1, 1), node.Result(0, 3));
        node.Tie(Extent.Product(groups, node.Operand(1, 2)), node.Operand(0, 3));
        node.Contract(node.Operand(1, 2), new Place(0, 3), new Place(1, 2));
        node.Tie(node.Operand(0, 0), node.Result(0, 0));
        node.Tie(node.Operand(1, 0), node.Result(0, 0));
        node.Fix(node.Operand(1, 3), "it is the height of a kernel");
        node.Fix(node.Operand(1, 4), "it is the width of a kernel");
        WindowRules.FixImageAxis(node, 1);
        WindowRules.FixImageAxis(node, 2);
    }

    public override Op Resized(Op op, ResizedNode node) => (PerImageConv2d)op with { Groups = node.Attribute("groups") };

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) =>
        axis == 3 && (query.Zero(1, 1) || (query.IsIn("groups") && query.Zero(0, 3)));
}

/// <summary>Pooling and resampling of [N, H, W, C]: each channel for itself.</summary>
internal sealed class WindowRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        WindowRules.FixImageAxis(node, 1);
        WindowRules.FixImageAxis(node, 2);
        for (var result = 0; result < node.ResultCount; result++)
        {
            node.Tie(node.Operand(0, 0), node.Result(result, 0));
            node.Tie(node.Operand(0, 3), node.Result(result, 3));
        }
    }

    // Padding never wins a maximum, and counts as zero in a mean.
    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => result == 0 && axis == 3 && query.Zero(0, 3);
}

/// <summary>Images [N, H, W, C] read at the places of a grid [N, OH, OW, 2].</summary>
internal sealed class GridSampleRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        node.Tie(node.Operand(0, 0), node.Result(0, 0));
        node.Tie(node.Operand(0, 3), node.Result(0, 3));
        node.Fix(node.Operand(0, 1), "places lie on it");
        node.Fix(node.Operand(0, 2), "places lie on it");
        node.Fix(node.Operand(1, 3), "it holds x and y");
        for (var axis = 0; axis < 3; axis++)
            node.Tie(node.Operand(1, axis), node.Result(0, axis));
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => axis == 3 && query.Zero(0, 3);
}

/// <summary>Regions [R, 4] of images [N, H, W, C], each of one image by number [R], as [R, OH, OW, C].</summary>
internal sealed class RoiAlignRule : DimensionRule
{
    public override void Relate(Op op, NodeDimensions node)
    {
        for (var axis = 0; axis < 3; axis++)
            node.Fix(node.Operand(0, axis), "regions name it");
        node.Fix(node.Operand(1, 1), "it holds corners");
        node.Tie(node.Operand(1, 0), node.Result(0, 0));
        node.Tie(node.Operand(2, 0), node.Result(0, 0));
        node.Fix(node.Result(0, 1), "regions are pooled to it");
        node.Fix(node.Result(0, 2), "regions are pooled to it");
        node.Tie(node.Operand(0, 3), node.Result(0, 3));
    }

    public override bool IsZero(Op op, int result, int axis, ZeroQuery query) => axis == 3 && query.Zero(0, 3);
}

/// <summary>What window rules share.</summary>
internal static class WindowRules
{
    public static void FixTaps(NodeDimensions node)
    {
        node.Fix(node.Operand(1, 2), "it is the height of a kernel");
        node.Fix(node.Operand(1, 3), "it is the width of a kernel");
    }

    public static void FixImageAxis(NodeDimensions node, int axis)
    {
        node.Fix(node.Operand(0, axis), "windows lie on it");
        for (var result = 0; result < node.ResultCount; result++)
            node.Fix(node.Result(result, axis), "windows lie on it");
    }
}
