using System.Numerics;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Further functions of each element, and norms.</summary>
internal static class FunctionRows
{
    public static void AddTo(OperatorTable table)
    {
        foreach (var function in Enum.GetValues<TrigonometricFunction>())
            table.Add(function.ToString(), c => Alignment.Unary(c[0], x => x.Trigonometric(function)));
        // Subtracting a number from itself leaves 0 unless it is infinite or no number.
        table.Add("IsNaN", c => Alignment.Unary(c[0], x => x.NotEqualTo(x)));
        table.Add("IsInf", IsInfinite);
        table.Add("Shrink", Shrink);
        table.Add("BitwiseAnd", c => Alignment.Binary(c[0], c[1], HostMath.Binary<BitsOfBoth>));
        table.Add("BitwiseOr", c => Alignment.Binary(c[0], c[1], HostMath.Binary<BitsOfEither>));
        table.Add("BitwiseXor", c => Alignment.Binary(c[0], c[1], HostMath.Binary<BitsOfOne>));
        table.Add("BitwiseNot", c => Alignment.Unary(c[0], x => HostMath.Unary(x, v => x.DType == DType.UInt8 ? ~v & 0xFF : ~v)));
        table.Add("Hardmax", Hardmax);
        table.Add("MeanVarianceNormalization", Standardise);
        table.Add("Det", c => Determinants(c, c.Plain(0)));
        table.Add("Binarizer", c => Alignment.Unary(c[0], x => x.Greater(c.Float("threshold", 0)).To(DType.Float32)), "ai.onnx.ml");
    }

    private static OnnxValue IsInfinite(OnnxCall c)
    {
        var (below, above) = (c.Flag("detect_negative", true), c.Flag("detect_positive", true));
        return Alignment.Unary(c[0], x => (below, above) switch
        {
            (true, true) => x.Abs().EqualTo(float.PositiveInfinity),
            (false, true) => x.EqualTo(float.PositiveInfinity),
            (true, false) => x.EqualTo(float.NegativeInfinity),
            _ => x.Less(x),
        });
    }

    private static OnnxValue Shrink(OnnxCall c)
    {
        var (bias, lambda) = (c.Float("bias", 0), c.Float("lambd", 0.5f));
        return Alignment.Unary(c[0], x => x.Greater(lambda).Where(x - bias, x.Less(-lambda).Where(x + bias, 0)));
    }

    // 1 at the first largest element of each row. Before opset 13 everything from the axis on is one row.
    private static OnnxValue Hardmax(OnnxCall c)
    {
        var x = c.Plain(0);
        var axis = x.Shape.NormalizeAxis(c.Axis("axis", c.Opset < 13 ? 1 : -1), "Hardmax");
        if (c.Opset < 13)
        {
            var rows = x.Reshape([checked((int)x.Shape.CountBetween(0, axis)), checked((int)x.Shape.CountBetween(axis, x.Rank))]);
            return rows.ArgMax(1).OneHot(rows.Shape[1]).Reshape(x.Shape.Span.ToArray());
        }
        var marks = x.ArgMax(axis).OneHot(x.Shape[axis]); // the classes stand last
        int[] order = [.. Enumerable.Range(0, axis), x.Rank - 1, .. Enumerable.Range(axis, x.Rank - 1 - axis)];
        return marks.Permute(order);
    }

    private static OnnxValue Standardise(OnnxCall c)
    {
        var x = c[0];
        var axes = Array.ConvertAll(c.IntList("axes") ?? [0, 2, 3], a => x.StoredAxis(a));
        return Alignment.Unary(x, t =>
        {
            var centred = t - t.Mean(axes, keepAxes: true);
            return centred / (centred.Square().Mean(axes, keepAxes: true).Sqrt() + 1e-9f);
        });
    }

    private static OnnxValue Determinants(OnnxCall c, Tensor x)
    {
        if (x.Rank < 2 || x.Shape[-1] != x.Shape[-2] || x.ElementCount == 0)
            throw c.Bad($"determinants are those of square matrices, got {c[0]}");
        var (values, size) = (HostMath.ToDoubles(x), x.Shape[-1]);
        var count = checked((int)x.Shape.CountBetween(0, x.Rank - 2));
        var results = Enumerable.Range(0, count).Select(i => (float)Determinant(values.AsSpan(i * size * size, size * size), size)).ToArray();
        return Tensor.From(results, [.. x.Shape.Span[..^2]]);
    }

    // Gaussian elimination with the largest pivot.
    private static double Determinant(Span<double> m, int size)
    {
        double result = 1;
        for (var column = 0; column < size; column++)
        {
            var pivot = column;
            for (var row = column + 1; row < size; row++)
                pivot = Math.Abs(m[(row * size) + column]) > Math.Abs(m[(pivot * size) + column]) ? row : pivot;
            var top = m[(pivot * size) + column];
            if (top == 0)
                return 0;
            result *= pivot == column ? top : -top;
            for (var k = column; k < size && pivot != column; k++)
                (m[(pivot * size) + k], m[(column * size) + k]) = (m[(column * size) + k], m[(pivot * size) + k]);
            for (var row = column + 1; row < size; row++)
            {
                var factor = m[(row * size) + column] / top;
                for (var k = column; k < size; k++)
                    m[(row * size) + k] -= factor * m[(column * size) + k];
            }
        }
        return result;
    }

    private readonly struct BitsOfBoth : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a & b;
    }

    private readonly struct BitsOfEither : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a | b;
    }

    private readonly struct BitsOfOne : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a ^ b;
    }
}
