using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Rows of matrix products, and of attention, which the format has no operator for before opset 23.</summary>
internal static partial class OnnxOps
{
    private static void LinearLayer(Node node, OnnxEmitter e)
    {
        var (input, weight) = (node.Inputs[0], node.Inputs[1]);
        if (input.Shape.Rank == 2)
        {
            e.Result("Gemm", AxisOrder.Plain(2), node.Inputs.Select(e.Plain), ("transB", 1));
            return;
        }
        var order = e.EndingPlain(input, 1);
        string[] operands = [e.In(input, order), e.Transpose(e.Plain(weight), [1, 0])];
        if (node.Inputs.Count == 2)
            e.Result("MatMul", order, operands);
        else
            e.Result("Add", order, [e.Step("MatMul", operands), e.Plain(node.Inputs[2])]);
    }

    private static void MatrixProduct(Node node, OnnxEmitter e)
    {
        var op = (MatMul)node.Op;
        e.Result("MatMul", AxisOrder.Plain(node.Outputs[0].Shape.Rank), [Factor(node.Inputs[0], op.TransposeA, e), Factor(node.Inputs[1], op.TransposeB, e)]);
    }

    private static string Factor(Value value, bool turned, OnnxEmitter e) =>
        e.In(value, turned ? AxisOrder.Swapped(value.Shape.Rank) : AxisOrder.Plain(value.Shape.Rank));

    private static void ScaledAttention(Node node, OnnxEmitter e)
    {
        var scale = ((Attention)node.Op).Scale;
        var order = AxisOrder.Plain(4);
        var scores = e.Step("MatMul", [e.Step("Mul", [e.Plain(node.Inputs[0]), e.Float(scale)]), Factor(node.Inputs[1], true, e)]);
        var probabilities = node.Inputs.Count == 3 ? e.Step("Softmax", [scores], ("axis", -1)) : MaskedSoftmax(scores, node.Inputs[3], e);
        e.Result("MatMul", order, [probabilities, e.Plain(node.Inputs[2])]);
    }

    // A row without any key gives zeros, where a softmax would give NaN.
    private static string MaskedSoftmax(string scores, Value mask, OnnxEmitter e)
    {
        var operand = e.Broadcast(mask, AxisOrder.Plain(4));
        if (mask.Spec.DType == DType.Bool)
        {
            var kept = e.Step("Softmax", [e.Step("Where", [operand, scores, e.Float(float.MinValue)])], ("axis", -1));
            return e.Step("Where", [operand, kept, e.Float(0)]);
        }
        var probabilities = e.Step("Softmax", [e.Step("Add", [scores, operand])], ("axis", -1));
        var isFinite = mask.IsConstant && mask.Data!.ToArray<float>().All(float.IsFinite);
        return isFinite ? probabilities : e.Step("Where", [e.Step("IsNaN", [probabilities]), e.Float(0), probabilities]);
    }
}
