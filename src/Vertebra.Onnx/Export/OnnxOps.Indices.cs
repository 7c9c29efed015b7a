using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Rows of the ops that take int64 positions.</summary>
internal static partial class OnnxOps
{
    private static void GatherElements(Node node, OnnxEmitter e)
    {
        var order = e.CommonOrder(node.Inputs, node.Outputs[0].Shape.Rank);
        e.Result("GatherElements", order, node.Inputs.Select(v => e.In(v, order)), ("axis", order.PositionOf(((Gather)node.Op).Axis)));
    }

    private static void ScatterAdd(Node node, OnnxEmitter e)
    {
        RequireOpset(16, "adding at positions", node, e);
        var order = e.CommonOrder(node.Inputs, node.Outputs[0].Shape.Rank);
        e.Result("ScatterElements", order, node.Inputs.Select(v => e.In(v, order)), ("axis", order.PositionOf(((ScatterAdd)node.Op).Axis)), ("reduction", "add"));
    }

    private static void IndexSelect(Node node, OnnxEmitter e)
    {
        var order = e.OrderOf(node.Inputs[0]);
        e.Result("Gather", order, [e.AsIs(node.Inputs[0]), e.Plain(node.Inputs[1])], ("axis", order.PositionOf(((IndexSelect)node.Op).Axis)));
    }

    // One index for each element of the source: the vector, stretched along all other axes.
    private static void IndexAdd(Node node, OnnxEmitter e)
    {
        RequireOpset(16, "adding at positions", node, e);
        var (x, index, source) = (node.Inputs[0], node.Inputs[1], node.Inputs[2]);
        var order = e.CommonOrder([x, source], x.Shape.Rank);
        var position = order.PositionOf(((IndexAdd)node.Op).Axis);
        var others = Enumerable.Range(0, x.Shape.Rank).Where(p => p != position).Select(p => (long)p).ToArray();
        var column = others.Length == 0 ? e.Plain(index) : e.Step("Unsqueeze", [e.Plain(index), e.Int64(others)]);
        var indices = e.Step("Expand", [column, e.ShapeOf(source, order)]);
        e.Result("ScatterElements", order, [e.In(x, order), indices, e.In(source, order)], ("axis", position), ("reduction", "add"));
    }

    private static void OneHot(Node node, OnnxEmitter e)
    {
        var order = e.OrderOf(node.Inputs[0]);
        var (depth, values) = (e.Int64Scalar(((OneHot)node.Op).Classes), e.Table(Tensor.From([0f, 1f], [2]), "values"));
        if (order.Rank > 0)
        {
            e.Result("OneHot", new([.. order.Axes, order.Rank]), [e.AsIs(node.Inputs[0]), depth, values], ("axis", -1));
            return;
        }
        var row = e.Step("OneHot", [e.Step("Unsqueeze", [e.AsIs(node.Inputs[0]), e.Int64(0)]), depth, values], ("axis", -1));
        e.Result("Squeeze", AxisOrder.Plain(1), [row, e.Int64(0)]);
    }
}
