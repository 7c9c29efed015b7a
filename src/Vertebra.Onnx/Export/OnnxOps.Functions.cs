using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Rows of functions, conversions, conditions and reductions.</summary>
internal static partial class OnnxOps
{
    private static (string, object)[] HardSigmoidSlope => [("alpha", 1 / 6f), ("beta", 0.5f)];

    private static (string, string[], (string, object)[]) GeluForm(Gelu op, string x, OnnxEmitter e) => e.Opset >= 20 ? ("Gelu", [x], [("approximate", "none")])
        : ("Mul", [e.Step("Mul", [x, e.Float(0.5f)]), e.Step("Add", [e.Step("Erf", [e.Step("Mul", [x, e.Float(MathF.Sqrt(0.5f))])]), e.Float(1)])], []);

    // 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    private static (string, string[], (string, object)[]) GeluTanhForm(GeluTanh op, string x, OnnxEmitter e)
    {
        if (e.Opset >= 20)
            return ("Gelu", [x], [("approximate", "tanh")]);
        var square = e.Step("Mul", [x, x]);
        var factor = e.Step("Add", [e.Step("Mul", [square, e.Float(0.044715f)]), e.Float(1)]);
        var tanh = e.Step("Tanh", [e.Step("Mul", [e.Step("Mul", [x, factor]), e.Float(MathF.Sqrt(2 / MathF.PI))])]);
        return ("Mul", [e.Step("Mul", [x, e.Float(0.5f)]), e.Step("Add", [tanh, e.Float(1)])], []);
    }

    /// <summary>Writes an activation that stands inside another op, as its last node.</summary>
    private static void Activated(Kernels.Activation activation, AxisOrder order, OnnxEmitter e, string opType, string[] inputs, params (string, object)[] attributes)
    {
        if (activation == Kernels.Activation.None)
        {
            e.Result(opType, order, inputs, attributes);
            return;
        }
        var value = e.Step(opType, inputs, attributes);
        if (activation == Kernels.Activation.Relu6)
            e.Result("Clip", order, [value, e.Float(0), e.Float(6)]);
        else
            e.Result("Relu", order, [value]);
    }

    // Conversion to a small integer keeps to its range here; the format leaves open what happens beyond it.
    private static void Convert(Node node, OnnxEmitter e)
    {
        var (from, to) = (node.Inputs[0].Spec.DType, ((Cast)node.Op).To);
        var source = e.AsIs(node.Inputs[0]);
        if (from.IsFloat() && to is DType.Int8 or DType.UInt8)
        {
            var wide = from == DType.Float32 ? source : e.Step("Cast", [source], ("to", (int)OnnxEmitter.TypeOf(DType.Float32)));
            source = e.Step("Clip", to == DType.Int8 ? [wide, e.Float(-128), e.Float(127)] : [wide, e.Float(0), e.Float(255)]);
        }
        e.Result("Cast", e.OrderOf(node.Inputs[0]), [source], ("to", (int)OnnxEmitter.TypeOf(to)));
    }

    // Runtimes compare float, double, int32 and int64; small types hold the same numbers as one of those.
    private static Action<Node, OnnxEmitter> Compare(string opType, bool negated = false) => (node, e) =>
    {
        var order = e.CommonOrder(node.Inputs, node.Outputs[0].Shape.Rank);
        var wide = node.Inputs[0].Spec.DType switch
        {
            DType.Float16 or DType.BFloat16 => DType.Float32,
            DType.Int8 or DType.UInt8 => DType.Int32,
            DType.Bool when opType != "Equal" => DType.Int32,
            var other => other,
        };
        string[] inputs = [.. node.Inputs.Select(v => e.Broadcast(v, order)).Select(x => wide == node.Inputs[0].Spec.DType ? x : e.Step("Cast", [x], ("to", (int)OnnxEmitter.TypeOf(wide))))];
        if (negated)
            e.Result("Not", order, [e.Step(opType, inputs)]);
        else
            e.Result(opType, order, inputs);
    };

    // ReduceSum takes its axes as an operand since opset 13; the others only since 18.
    private static Action<Node, OnnxEmitter> Reduce(string opType) => (node, e) =>
    {
        var op = (Reduction)node.Op;
        var input = node.Inputs[0];
        var order = e.OrderOf(input);
        var axes = (op.Axes.Count == 0 ? Enumerable.Range(0, input.Shape.Rank) : op.Axes.Select(a => a < 0 ? a + input.Shape.Rank : a)).ToHashSet();
        var positions = axes.Select(a => (long)order.PositionOf(a)).Order().ToArray();
        var byOperand = opType == "ReduceSum" || e.Opset >= 18;
        (string, object)[] attributes = [("keepdims", op.KeepAxes ? 1 : 0)];
        if (positions.Length == 0) // a scalar is its own sum
            e.Result("Identity", order, [e.AsIs(input)]);
        else if (byOperand)
            e.Result(opType, op.KeepAxes ? order : order.Without(axes), [e.AsIs(input), e.Int64(positions)], attributes);
        else
            e.Result(opType, op.KeepAxes ? order : order.Without(axes), [e.AsIs(input)], [.. attributes, ("axes", positions)]);
    };

    private static void ArgMax(Node node, OnnxEmitter e)
    {
        var order = e.OrderOf(node.Inputs[0]);
        var position = order.PositionOf(((ArgMax)node.Op).Axis);
        e.Result("ArgMax", order.Without(new HashSet<int> { order.Axes[position] }), [e.AsIs(node.Inputs[0])], ("axis", position), ("keepdims", 0));
    }

    private static void TopK(Node node, OnnxEmitter e)
    {
        var op = (TopK)node.Op;
        var order = e.OrderOf(node.Inputs[0]);
        e.Results("TopK", order, 2, [e.AsIs(node.Inputs[0]), e.Int64(op.K)], ("axis", order.PositionOf(op.Axis)), ("largest", op.Largest ? 1 : 0), ("sorted", 1));
    }

    private static void CumSum(Node node, OnnxEmitter e)
    {
        var op = (CumSum)node.Op;
        var order = e.OrderOf(node.Inputs[0]);
        e.Result("CumSum", order, [e.AsIs(node.Inputs[0]), e.Int64Scalar(order.PositionOf(op.Axis))], ("reverse", op.Reverse ? 1 : 0));
    }
}
