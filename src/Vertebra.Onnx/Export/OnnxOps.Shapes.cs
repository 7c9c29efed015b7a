using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Rows of the ops that move elements without changing them.</summary>
internal static partial class OnnxOps
{
    // Axes that are merged or cut in place can be so in any order in which they stand side by side: [N, H, W, C] to
    // [N, H·W, C] is [N, C, H, W] to [N, C, H·W]. Only where they do not does the plain order have to be made.
    private static void Regroup(Node node, OnnxEmitter e)
    {
        var (input, output) = (node.Inputs[0], node.Outputs[0]);
        var groups = AxisGroups.Of(input.Shape, output.Shape);
        var from = e.OrderOf(input);
        var to = groups is null || !e.GroupsHold(groups, input, output) ? null : AxisGroups.Ordered(groups, from, axis => e.IsUnit(input, axis), output.Shape.Rank);
        if (to is null)
            (from, to) = (AxisOrder.Plain(input.Shape.Rank), AxisOrder.Plain(output.Shape.Rank));
        e.Result("Reshape", to.Value, [e.In(input, from), e.TargetShape(output, to.Value, input, from)]);
    }

    private static void Squeeze(Node node, OnnxEmitter e)
    {
        var order = e.OrderOf(node.Inputs[0]);
        var position = order.PositionOf(((Squeeze)node.Op).Axis);
        e.Result("Squeeze", order.Without(new HashSet<int> { order.Axes[position] }), [e.AsIs(node.Inputs[0]), e.Int64(position)]);
    }

    private static void Unsqueeze(Node node, OnnxEmitter e)
    {
        var rank = node.Outputs[0].Shape.Rank;
        var added = ((Unsqueeze)node.Op).Axis is var axis && axis < 0 ? axis + rank : axis;
        var order = e.OrderOf(node.Inputs[0]);
        var axes = order.Axes.Select(a => a < added ? a : a + 1).ToList();
        // Before the axis that it stands before here, or last.
        var position = added == rank - 1 ? rank - 1 : axes.IndexOf(added + 1);
        axes.Insert(position, added);
        e.Result("Unsqueeze", new(axes.ToArray()), [e.AsIs(node.Inputs[0]), e.Int64(position)]);
    }

    private static void Concat(Node node, OnnxEmitter e)
    {
        var order = e.CommonOrder(node.Inputs, node.Outputs[0].Shape.Rank);
        e.Result("Concat", order, node.Inputs.Select(v => e.In(v, order)), ("axis", order.PositionOf(((Concat)node.Op).Axis)));
    }

    private static void Split(Node node, OnnxEmitter e)
    {
        var op = (Split)node.Op;
        var order = e.OrderOf(node.Inputs[0]);
        if (op.Sizes.Count == 1)
            e.Result("Identity", order, [e.AsIs(node.Inputs[0])]);
        else if (node.Outputs.Any(o => e.IsOpen(o, op.Axis)))
            throw new VertebraException($"{node}: the sizes of the pieces follow the image's size, which has no ONNX form here; export with fixed sizes");
        else
            e.Results("Split", order, op.Sizes.Count, [e.AsIs(node.Inputs[0]), e.Int64(Longs(op.Sizes.Span))], ("axis", order.PositionOf(op.Axis)));
    }

    private static void Slice(Node node, OnnxEmitter e)
    {
        var op = (Slice)node.Op;
        var order = e.OrderOf(node.Inputs[0]);
        var end = op.End == int.MaxValue ? long.MaxValue : op.End;
        e.Result("Slice", order, [e.AsIs(node.Inputs[0]), e.Int64(op.Start), e.Int64(end), e.Int64(order.PositionOf(op.Axis)), e.Int64(op.Step)]);
    }

    // Zeros between the positions come from an axis of their own, behind, that is padded and merged.
    private static void Unslice(Node node, OnnxEmitter e)
    {
        var op = (Unslice)node.Op;
        var (input, rank) = (node.Inputs[0], node.Inputs[0].Shape.Rank);
        var (order, source) = (e.OrderOf(input), e.AsIs(input));
        var position = order.PositionOf(op.Axis);
        var count = input.Shape[op.Axis];
        if (op.Step > 1)
        {
            var apart = e.Step("Unsqueeze", [source, e.Int64(position + 1)]);
            var spaced = e.Step("Pad", [apart, e.Int64(Margins(rank + 1, position + 1, 0, op.Step - 1))], ("mode", "constant"));
            var merged = order.Arrange([.. input.Shape]).Select(s => (long)s).ToArray();
            merged[position] = (long)count * op.Step;
            var joined = e.Step("Reshape", [spaced, e.Int64(merged)]);
            source = e.Step("Slice", [joined, e.Int64(0), e.Int64(count == 0 ? 0 : ((long)(count - 1) * op.Step) + 1), e.Int64(position)]);
        }
        var filled = count == 0 ? 0 : ((count - 1) * op.Step) + 1;
        e.Result("Pad", order, [source, e.Int64(Margins(rank, position, op.Start, op.Size - op.Start - filled))], ("mode", "constant"));
    }

    private static long[] Margins(int rank, int position, long before, long after)
    {
        var margins = new long[2 * rank];
        (margins[position], margins[rank + position]) = (before, after);
        return margins;
    }

    private static void Flip(Node node, OnnxEmitter e)
    {
        var order = e.OrderOf(node.Inputs[0]);
        var positions = ((Flip)node.Op).Axes.Select(a => (long)order.PositionOf(a)).ToArray();
        if (positions.Length == 0)
        {
            e.Result("Identity", order, [e.AsIs(node.Inputs[0])]);
            return;
        }
        long[] Each(long value) => [.. Enumerable.Repeat(value, positions.Length)];
        e.Result("Slice", order, [e.AsIs(node.Inputs[0]), e.Int64(Each(-1)), e.Int64(Each(long.MinValue)), e.Int64(positions), e.Int64(Each(-1))]);
    }

    // Along each axis the end, then the start; without a shift it is the value itself.
    private static void Roll(Node node, OnnxEmitter e)
    {
        var op = (Roll)node.Op;
        var order = e.OrderOf(node.Inputs[0]);
        var value = e.AsIs(node.Inputs[0]);
        for (var i = 0; i < op.Axes.Count; i++)
        {
            var position = order.PositionOf(op.Axes[i]);
            // Counted from the end where it is negative.
            var cut = -(op.Shifts[i] % Math.Max(1, node.Outputs[0].Shape[op.Axes[i]]));
            if (cut == 0)
                continue;
            var (end, start) = (e.Step("Slice", [value, e.Int64(cut), e.Int64(long.MaxValue), e.Int64(position)]), e.Step("Slice", [value, e.Int64(0), e.Int64(cut), e.Int64(position)]));
            value = e.Step("Concat", [end, start], ("axis", position));
        }
        e.Result("Identity", order, [value]);
    }

    private static void Expand(Node node, OnnxEmitter e)
    {
        var (input, output) = (node.Inputs[0], node.Outputs[0]);
        var order = e.OrderOf(input).WithLeading(output.Shape.Rank - input.Shape.Rank);
        e.Result("Expand", order, [e.AsIs(input), e.ShapeOf(output, order)]);
    }

    private static void Pad(Node node, OnnxEmitter e)
    {
        var op = (Pad)node.Op;
        var order = e.OrderOf(node.Inputs[0]);
        if (order.Rank == 0)
        {
            e.Result("Identity", order, [e.AsIs(node.Inputs[0])]);
            return;
        }
        long[] pads = [.. Longs(order.Arrange(op.Before)), .. Longs(order.Arrange(op.After))];
        var mode = op.Mode switch { PadMode.Constant => "constant", PadMode.Reflect => "reflect", _ => "edge" };
        string[] inputs = [e.AsIs(node.Inputs[0]), e.Int64(pads), .. op.Mode == PadMode.Constant && op.Value != 0 ? [PadValue(node, op.Value, e)] : Array.Empty<string>()];
        e.Result("Pad", order, inputs, ("mode", mode));
    }

    private static string PadValue(Node node, float value, OnnxEmitter e) => node.Inputs[0].Spec.DType == DType.Float32 ? e.Float(value)
        : e.Table(Tensor.Scalar(value).To(node.Inputs[0].Spec.DType), "pad");
}
