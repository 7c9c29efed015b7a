using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Activation functions and softmax.</summary>
internal static class ActivationRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("Relu", c => c[0].DType.IsFloat() ? Alignment.Unary(c[0], x => x.Relu()) : Alignment.Unary(c[0], x => HostMath.Unary(x, v => Math.Max(v, 0))));
        table.Add("LeakyRelu", c => Alignment.Unary(c[0], x => x.LeakyRelu(c.Float("alpha", 0.01f))));
        table.Add("PRelu", Prelu);
        table.Add("Elu", c => Alignment.Unary(c[0], x => x.Elu(c.Float("alpha", 1))));
        table.Add("Celu", c => Celu(c, c.Float("alpha", 1)));
        table.Add("Selu", c => Alignment.Unary(c[0], x => x.Elu(c.Float("alpha", 1.67326319f)) * c.Float("gamma", 1.05070102f)));
        table.Add("Sigmoid", c => Alignment.Unary(c[0], x => x.Sigmoid()));
        table.Add("HardSigmoid", HardSigmoid);
        table.Add("HardSwish", c => Alignment.Unary(c[0], x => x.HardSwish()));
        table.Add("Softplus", c => Alignment.Unary(c[0], x => x.Softplus()));
        table.Add("Softsign", c => Alignment.Unary(c[0], x => x / (x.Abs() + 1)));
        table.Add("Mish", c => Alignment.Unary(c[0], x => x.Mish()));
        table.Add("Gelu", c => Alignment.Unary(c[0], x => x.Gelu(c.Text("approximate", "none") == "tanh")));
        table.Add("Gelu", c => Alignment.Unary(c[0], x => x.Gelu()), "com.microsoft");
        table.Add("ThresholdedRelu", c => Alignment.Unary(c[0], x => x.Greater(c.Float("alpha", 1)).Where(x, 0)));
        table.Add("Softmax", c => Softmax(c, (x, axis) => x.Softmax(axis)));
        table.Add("LogSoftmax", c => Softmax(c, (x, axis) => x.LogSoftmax(axis)));
    }

    private static OnnxValue Celu(OnnxCall c, float alpha) => alpha == 1
        ? Alignment.Unary(c[0], x => x.Elu())
        : Alignment.Unary(c[0], x => x.Relu() + ((((x.Clamp(max: 0) / alpha).Exp() + -1f) * alpha).Clamp(max: 0)));

    private static OnnxValue HardSigmoid(OnnxCall c)
    {
        var (alpha, beta) = (c.Float("alpha", 0.2f), c.Float("beta", 0.5f));
        // PyTorch's: x / 6 + 1 / 2.
        var isUsual = MathF.Abs(alpha - (1f / 6)) < 1e-6f && beta == 0.5f;
        return Alignment.Unary(c[0], x => isUsual ? x.HardSigmoid() : ((x * alpha) + beta).Clamp(0, 1));
    }

    private static OnnxValue Prelu(OnnxCall c)
    {
        var (x, slope) = (c[0], c[1]);
        // One number, or one for each channel.
        if (slope.Shape.ElementCount == 1)
            return Alignment.Unary(x, t => t.Prelu(slope.AsPlain().Reshape([1])));
        var isPerChannel = slope.Rank == x.Rank - 1 || (slope.Rank == 1 && c.Opset < 7); // [C] did not broadcast from the end then
        if (x.Rank > 2 && isPerChannel && slope.Shape.ElementCount == x.Shape[1] && slope.Shape[0] == x.Shape[1])
            return OnnxValue.ChannelsLast(x.AsChannelsLast().Prelu(slope.AsPlain().Reshape([-1])));
        return Alignment.Binary(x, slope, (t, s) => t.Relu() + (t.Clamp(max: 0) * s));
    }

    private static OnnxValue Softmax(OnnxCall c, Func<Tensor, int, Tensor> softmax)
    {
        var x = c[0];
        var axis = c.Axis("axis", c.Opset < 13 ? 1 : -1);
        if (c.Opset >= 13 || x.Rank == 0 || (axis < 0 ? axis + x.Rank : axis) == x.Rank - 1)
            return x.With(softmax(x.Stored, x.StoredAxis(axis)));
        // Before opset 13: everything from the axis on is one row.
        var plain = x.AsPlain();
        var first = plain.Shape.NormalizeAxis(axis, "Softmax");
        var rows = plain.Reshape([checked((int)plain.Shape.CountBetween(0, first)), checked((int)plain.Shape.CountBetween(first, plain.Rank))]);
        return softmax(rows, -1).Reshape(Orders.WithOpenBatch(plain.Shape.Span.ToArray(), plain.Shape));
    }
}
