using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// Quantised networks. Integers are computed with as float32 numbers, in which sums of products are exact up to 2^24: a
/// result beyond that may be off by its last digits, far below one quantisation step.
/// </summary>
internal static class QuantisationRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("QuantizeLinear", Quantize);
        table.Add("DequantizeLinear", Dequantize);
        table.AddMany("DynamicQuantizeLinear", QuantizeDynamically);
        table.Add("MatMulInteger", c => Call(c, "MatMul", Centred(c, 0, 2, -2), Centred(c, 1, 3, -1)).AsPlain().To(DType.Int32));
        table.Add("ConvInteger", c => Rounded(Call(c, "Conv", Centred(c, 0, 2, 0), Centred(c, 1, 3, 0)), DType.Int32));
        table.Add("QLinearMatMul", c => Requantized(Call(c, "MatMul", Centred(c, 0, 2, -2), Centred(c, 3, 5, -1)),
            Scale(c, 1, c[0], -2) * Scale(c, 4, c[3], -1), Scale(c, 6, null, -2), c.PlainOrNull(7)));
        table.Add("QLinearConv", ConvolveQuantized);
        // ONNX Runtime writes its own for element types that the standard's did not know at the time.
        table.Add("QuantizeLinear", Quantize, "com.microsoft");
        table.Add("DequantizeLinear", Dequantize, "com.microsoft");
        table.Add("QLinearAdd", c => Combined(c, (a, b) => a + b), "com.microsoft");
        table.Add("QLinearMul", c => Combined(c, (a, b) => a * b), "com.microsoft");
        table.Add("QLinearSigmoid", c => Mapped(c, x => x.Sigmoid()), "com.microsoft");
        table.Add("QLinearLeakyRelu", c => Mapped(c, x => x.LeakyRelu(c.Float("alpha", 0.01f))), "com.microsoft");
        table.Add("QLinearGlobalAveragePool", c => Pooled(c, "GlobalAveragePool"), "com.microsoft");
        table.Add("QLinearAveragePool", c => Pooled(c, "AveragePool"), "com.microsoft");
        table.Add("QLinearConcat", Concatenated, "com.microsoft");
    }

    // ---------------------------------------------------------------- the two conversions

    private static OnnxValue Quantize(OnnxCall c)
    {
        var x = c[0];
        var zero = c.PlainOrNull(2);
        var target = zero?.DType ?? (c.Int("output_dtype", 0) is var type and not 0
            ? TensorReader.TypeOf((int)type) ?? throw c.Bad($"elements of type {TensorReader.Name((int)type)} are not supported")
            : DType.UInt8);
        if (target.IsFloat())
            throw c.Bad("quantising to 8-bit floating-point types is not supported");
        var scaled = (x.Stored.To(DType.Float32) / Parameter(c, c.Plain(1), x)).Round();
        return x.With((zero is null ? scaled : scaled + Parameter(c, zero, x)).To(target)); // the cast saturates
    }

    private static OnnxValue Dequantize(OnnxCall c)
    {
        var x = c[0];
        var real = x.Stored.To(DType.Float32);
        if (c.PlainOrNull(2) is { } zero)
            real -= Parameter(c, zero, x);
        return x.With(real * Parameter(c, c.Plain(1), x));
    }

    /// <summary>A scale or zero point as it broadcasts against the stored operand: one number, one per index of an axis, or one per block of it.</summary>
    private static Tensor Parameter(OnnxCall c, Tensor parameter, OnnxValue x)
    {
        parameter = parameter.To(DType.Float32);
        if (parameter.ElementCount == 1 && parameter.Rank < 2)
            return parameter.Reshape([]);
        if (parameter.Rank == 1)
            return AlongAxis(parameter, x, c.Axis("axis", 1));
        var block = c.ToInt(c.Int("block_size", 0), "block_size");
        var axis = c.Axis("axis", 1);
        axis = axis < 0 ? axis + x.Rank : axis;
        if (parameter.Rank != x.Rank || axis < 0 || axis >= x.Rank || (block <= 0 && parameter.Shape[axis] != x.Shape[axis]))
            throw c.Bad($"scales or zero points of shape {parameter.Shape} do not fit {x} along axis {axis} in blocks of {block}");
        if (block > 0)
        {
            if ((x.Shape[axis] + block - 1L) / block != parameter.Shape[axis])
                throw c.Bad($"{parameter.Shape[axis]} blocks of {block} do not cover axis {axis} of {x}");
            parameter = parameter.IndexSelect(axis, Tensor.From([.. Enumerable.Range(0, x.Shape[axis]).Select(i => (long)(i / block))]));
        }
        return OnnxValue.Plain(parameter).In(x.Order);
    }

    private static Tensor AlongAxis(Tensor vector, OnnxValue x, int axis)
    {
        var stored = x.StoredAxis(axis);
        if (vector.Shape[0] != x.Shape[axis] && vector.Shape[0] != 1)
            throw new FileFormatException($"{vector.Shape[0]} scales or zero points for axis {axis} of {x}");
        var sizes = new int[x.Rank - stored];
        Array.Fill(sizes, 1);
        sizes[0] = vector.Shape[0];
        return vector.Reshape(sizes);
    }

    // As the standard writes it down: the range always includes zero.
    private static OnnxValue[] QuantizeDynamically(OnnxCall c)
    {
        var x = c[0];
        var (low, high) = (x.Stored.Min().Clamp(max: 0), x.Stored.Max().Clamp(min: 0));
        var range = (high - low) / 255;
        var scale = range.EqualTo(0).Where(1, range);
        var zero = (-low / scale).Clamp(0, 255).Round();
        return [x.With(((x.Stored / scale).Round() + zero).To(DType.UInt8)), scale, zero.To(DType.UInt8)];
    }

    // ---------------------------------------------------------------- integer products

    /// <summary>An operand as float32 numbers, its zero point taken off; one per index lies along an axis.</summary>
    private static OnnxValue Centred(OnnxCall c, int operand, int zeroPoint, int axis)
    {
        var x = c[operand];
        var real = x.Stored.To(DType.Float32);
        return x.With(c.PlainOrNull(zeroPoint) is { } zero ? real - Along(zero.To(DType.Float32), x, axis) : real);
    }

    private static Tensor Scale(OnnxCall c, int operand, OnnxValue? x, int axis)
    {
        var scale = c.Plain(operand);
        return x is null ? Along(scale, null, axis) : Along(scale, x, axis);
    }

    // Row-wise parameters of a left operand broadcast over its columns, column-wise ones of a right operand over its rows.
    private static Tensor Along(Tensor parameter, OnnxValue? x, int axis)
    {
        if (parameter.ElementCount == 1)
            return parameter.Reshape([]);
        if (parameter.Rank != 1)
            return parameter;
        return x is not null && axis >= 0 ? AlongAxis(parameter, x, axis) : axis == -2 ? parameter.Reshape([-1, 1]) : parameter;
    }

    private static OnnxValue ConvolveQuantized(OnnxCall c)
    {
        var products = Call(c, "Conv", Centred(c, 0, 2, 0), Centred(c, 3, 5, 0));
        if (c.PlainOrNull(8) is { } bias)
            products = products.With(products.Stored + AlongAxis(bias.To(DType.Float32), products, 1));
        var weightScale = c.Plain(4);
        var scale = c.Plain(1).Reshape([]) * (weightScale.ElementCount == 1 ? weightScale.Reshape([]) : AlongAxis(weightScale, products, 1));
        return Requantized(products, scale, c.Plain(6).Reshape([]), c.PlainOrNull(7));
    }

    private static OnnxValue Requantized(OnnxValue products, Tensor scale, Tensor resultScale, Tensor? zero)
    {
        var scaled = (products.Stored * (scale / resultScale)).Round();
        return products.With((zero is null ? scaled : scaled + Along(zero.To(DType.Float32), products, -1)).To(zero?.DType ?? DType.UInt8));
    }

    private static OnnxValue Rounded(OnnxValue x, DType dtype) => x.With(x.Stored.To(dtype));

    private static OnnxValue Call(OnnxCall c, string opType, params OnnxValue?[] operands) => c.Other(opType, operands)[0];

    // ---------------------------------------------------------------- ONNX Runtime's operators: value, scale, zero point each

    private static OnnxValue Real(OnnxCall c, int operand)
    {
        var x = Centred(c, operand, operand + 2, 0);
        return x.With(x.Stored * c.Plain(operand + 1).Reshape([]));
    }

    private static OnnxValue Requantized(OnnxCall c, OnnxValue x, int scale, int zeroPoint) => Requantized(x, Tensor.Scalar(1), c.Plain(scale).Reshape([]), c.PlainOrNull(zeroPoint));

    private static OnnxValue Combined(OnnxCall c, Func<Tensor, Tensor, Tensor> combine)
    {
        var (a, b) = (Real(c, 0), Real(c, 3));
        var result = a.Rank == b.Rank ? a.With(combine(a.Stored, b.In(a.Order))) : OnnxValue.Plain(combine(a.AsPlain(), b.AsPlain()));
        return Requantized(c, result, 6, 7);
    }

    private static OnnxValue Mapped(OnnxCall c, Func<Tensor, Tensor> function)
    {
        var x = Real(c, 0);
        return Requantized(c, x.With(function(x.Stored)), 3, 4);
    }

    private static OnnxValue Pooled(OnnxCall c, string opType) => Requantized(c, Call(c, opType, Real(c, 0)), 3, 4);

    // Result's scale and zero point first, then the parts.
    private static OnnxValue Concatenated(OnnxCall c)
    {
        var parts = new List<OnnxValue?>();
        for (var i = 2; i < c.Inputs.Count; i += 3)
            parts.Add(Real(c, i));
        return Requantized(c, Call(c, "Concat", [.. parts]), 0, 1);
    }
}
