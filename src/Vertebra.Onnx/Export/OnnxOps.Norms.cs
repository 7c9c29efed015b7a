using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Rows of normalisations. The format has channels right after the batch; layer normalisation alone has them last.</summary>
internal static partial class OnnxOps
{
    private static void NormaliseBatch(Node node, OnnxEmitter e)
    {
        var op = (BatchNorm)node.Op;
        var input = node.Inputs[0];
        var rank = input.Shape.Rank;
        string[] statistics = [.. node.Inputs.Skip(1).Take(4).Select(e.Plain)];
        var order = e.OrderOf(input);
        string normal;
        if (rank > 2 && order != AxisOrder.ChannelsFirst(rank) && rank != 4)
        {
            // Tokens [N, L, C] are rows of a matrix [N·L, C], whose second axis are the channels.
            order = e.EndingPlain(input, 1);
            var rows = e.Step("Reshape", [e.In(input, order), e.Int64(-1, input.Shape[-1])]);
            normal = e.Step("BatchNormalization", [rows, .. statistics], ("epsilon", op.Epsilon));
            normal = e.Step("Reshape", [normal, e.ShapeOf(input, order)]);
        }
        else
        {
            order = AxisOrder.ChannelsFirst(rank);
            string[] operands = [e.In(input, order), .. statistics];
            if (!op.AddsResidual)
            {
                Activated(op.Activation, order, e, "BatchNormalization", operands, ("epsilon", op.Epsilon));
                return;
            }
            normal = e.Step("BatchNormalization", operands, ("epsilon", op.Epsilon));
        }
        if (op.AddsResidual)
            Activated(op.Activation, order, e, "Add", [normal, e.In(node.Inputs[5], order)]);
        else
            Activated(op.Activation, order, e, "Identity", [normal]);
    }

    // GroupNormalization has a scale for each channel only since opset 21; before, instance normalisation of the groups says
    // the same.
    private static void NormaliseGroups(Node node, OnnxEmitter e)
    {
        var op = (GroupNorm)node.Op;
        var (input, weight, bias) = (node.Inputs[0], node.Inputs[1], node.Inputs[2]);
        var rank = input.Shape.Rank;
        var order = AxisOrder.ChannelsFirst(rank);
        var image = e.In(input, order);
        if (e.Opset >= 21)
        {
            Activated(op.Activation, order, e, "GroupNormalization", [image, e.Plain(weight), e.Plain(bias)], ("epsilon", op.Epsilon), ("num_groups", op.Groups));
            return;
        }
        if (op.Groups == input.Shape[-1] && rank > 2)
        {
            Activated(op.Activation, order, e, "InstanceNormalization", [image, e.Plain(weight), e.Plain(bias)], ("epsilon", op.Epsilon));
            return;
        }
        var groups = e.Step("Reshape", [image, e.Int64(0, op.Groups, -1)]);
        var normal = e.Step("InstanceNormalization", [groups, e.Repeated(1, op.Groups), e.Repeated(0, op.Groups)], ("epsilon", op.Epsilon));
        var whole = e.Step("Reshape", [normal, e.ShapeOf(input, order)]);
        Activated(op.Activation, order, e, "Add", [e.Step("Mul", [whole, e.Broadcast(weight, order)]), e.Broadcast(bias, order)]);
    }

    private static void NormaliseLayer(Node node, OnnxEmitter e)
    {
        var op = (LayerNorm)node.Op;
        var order = e.EndingPlain(node.Inputs[0], op.Axes);
        string[] inputs = [e.In(node.Inputs[0], order), e.Plain(node.Inputs[1]), e.Plain(node.Inputs[2])];
        if (e.Opset >= 17)
        {
            e.Result("LayerNormalization", order, inputs, ("axis", -op.Axes), ("epsilon", op.Epsilon));
            return;
        }
        var axes = Enumerable.Range(1, op.Axes).Select(a => (long)-a).Order().ToArray();
        var centred = e.Step("Sub", [inputs[0], e.Step("ReduceMean", [inputs[0]], ("axes", axes))]);
        var variance = e.Step("ReduceMean", [e.Step("Mul", [centred, centred])], ("axes", axes));
        var normal = e.Step("Div", [centred, e.Step("Sqrt", [e.Step("Add", [variance, e.Float(op.Epsilon)])])]);
        e.Result("Add", order, [e.Step("Mul", [normal, inputs[1]]), inputs[2]]);
    }
}
