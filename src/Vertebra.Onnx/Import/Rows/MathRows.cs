using System.Numerics;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Arithmetic, comparisons, logic and functions, element by element.</summary>
internal static class MathRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("Add", c => Arithmetic<AddIntegers>(c, (a, b) => a + b));
        table.Add("Sub", c => Arithmetic<SubtractIntegers>(c, (a, b) => a - b));
        table.Add("Mul", c => Arithmetic<MultiplyIntegers>(c, (a, b) => a * b));
        table.Add("Div", c => Arithmetic<DivideIntegers>(c, (a, b) => a / b));
        table.Add("Mod", c => c.Flag("fmod") ? Arithmetic<RemainderIntegers>(c, FloatRemainder) : Arithmetic<ModuloIntegers>(c, FloatModulo));
        table.Add("Pow", Power);
        table.Add("Max", c => Fold<LargerInteger>(c, (a, b) => a.Maximum(b)));
        table.Add("Min", c => Fold<SmallerInteger>(c, (a, b) => a.Minimum(b)));
        table.Add("Sum", c => Fold<AddIntegers>(c, (a, b) => a + b));
        table.Add("Mean", c => Alignment.Unary(Fold<AddIntegers>(c, (a, b) => a + b), x => x / c.Inputs.Count));
        table.Add("BitShift", c => c.Text("direction") == "LEFT" ? Integers<ShiftLeft>(c[0], c[1]) : Integers<ShiftRight>(c[0], c[1]));

        table.Add("Equal", c => Compare(c, (a, b) => a.EqualTo(b)));
        table.Add("Greater", c => Compare(c, (a, b) => a.Greater(b)));
        table.Add("GreaterOrEqual", c => Compare(c, (a, b) => a.GreaterOrEqual(b)));
        table.Add("Less", c => Compare(c, (a, b) => a.Less(b)));
        table.Add("LessOrEqual", c => Compare(c, (a, b) => a.LessOrEqual(b)));
        table.Add("And", c => Compare(c, (a, b) => a.LogicalAnd(b)));
        table.Add("Or", c => Compare(c, (a, b) => a.LogicalOr(b)));
        table.Add("Xor", c => Compare(c, (a, b) => a.NotEqualTo(b)));
        table.Add("Not", c => Alignment.Unary(c[0], x => x.LogicalNot()));
        table.Add("Where", Where);

        table.Add("Neg", c => Signed(c, v => -v, x => -x));
        table.Add("Abs", c => Signed(c, Math.Abs, x => x.Abs()));
        table.Add("Sign", c => Signed(c, v => Math.Sign(v), x => x.Sign()));
        table.Add("Sqrt", c => Alignment.Unary(c[0], x => x.Sqrt()));
        table.Add("Exp", c => Alignment.Unary(c[0], x => x.Exp()));
        table.Add("Log", c => Alignment.Unary(c[0], x => x.Log()));
        table.Add("Erf", c => Alignment.Unary(c[0], x => x.Erf()));
        table.Add("Sin", c => Alignment.Unary(c[0], x => x.Sin()));
        table.Add("Cos", c => Alignment.Unary(c[0], x => x.Cos()));
        table.Add("Tanh", c => Alignment.Unary(c[0], x => x.Tanh()));
        table.Add("Reciprocal", c => Alignment.Unary(c[0], x => 1 / x));
        table.Add("Floor", c => Alignment.Unary(c[0], x => x.Floor()));
        table.Add("Ceil", c => Alignment.Unary(c[0], x => x.Ceil()));
        table.Add("Round", c => Alignment.Unary(c[0], x => x.Round()));
        table.Add("Clip", Clip);
        table.Add("Cast", c => Alignment.Unary(c[0], x => Converted(x, c, c.ToInt(c.Int("to"), "to"))));
        table.Add("CastLike", c => Alignment.Unary(c[0], x => x.To(c[1].DType)));
    }

    // ---------------------------------------------------------------- two operands

    /// <summary>Float operands by an op, integers by a function.</summary>
    private static OnnxValue Arithmetic<TFunction>(OnnxCall c, Func<Tensor, Tensor, Tensor> floats) where TFunction : struct, IIntegerFunction =>
        Arithmetic<TFunction>(c[0], Former(c, c[1]), floats);

    private static OnnxValue Arithmetic<TFunction>(OnnxValue a, OnnxValue b, Func<Tensor, Tensor, Tensor> floats) where TFunction : struct, IIntegerFunction =>
        a.DType.IsFloat() || b.DType.IsFloat() ? Alignment.Binary(a, b, floats) : Integers<TFunction>(a, b);

    private static OnnxValue Integers<TFunction>(OnnxValue a, OnnxValue b) where TFunction : struct, IIntegerFunction =>
        Alignment.Binary(a, b, HostMath.Binary<TFunction>);

    /// <summary>Before opset 7 the second operand broadcast from an axis of the first: [C] at axis 1 stands for [C, 1, 1].</summary>
    private static OnnxValue Former(OnnxCall c, OnnxValue b)
    {
        if (c.Opset >= 7 || !c.HasAttribute("axis") || !c.Flag("broadcast"))
            return b;
        var axis = c.Axis("axis", 0);
        var trailing = c[0].Rank - (axis < 0 ? axis + c[0].Rank : axis) - b.Rank;
        if (trailing < 0)
            throw c.Bad($"{b} does not broadcast against {c[0]} from axis {axis}");
        return b.AsPlain().Reshape([.. b.Shape, .. Enumerable.Repeat(1, trailing)]);
    }

    private static OnnxValue Fold<TFunction>(OnnxCall c, Func<Tensor, Tensor, Tensor> floats) where TFunction : struct, IIntegerFunction
    {
        var result = c[0];
        for (var i = 1; i < c.Inputs.Count; i++)
            result = Arithmetic<TFunction>(result, c[i], floats);
        return result;
    }

    private static OnnxValue Compare(OnnxCall c, Func<Tensor, Tensor, Tensor> comparison) => Alignment.Binary(c[0], Former(c, c[1]), comparison);

    private static OnnxValue Power(OnnxCall c)
    {
        var (x, exponent) = (c[0], c[1]);
        if (!x.DType.IsFloat())
        {
            return Alignment.Binary(x, exponent, (a, b) =>
                HostMath.Zip<double, double, double>(AsDouble(a), AsDouble(b), Math.Pow).To(x.DType));
        }
        if (exponent.Shape.ElementCount == 1 && !exponent.IsMeta)
        {
            var power = (float)c.Number(1);
            if (exponent.Rank <= x.Rank)
                return Alignment.Unary(x, t => power == 2 ? t.Square() : power == 0.5f ? t.Sqrt() : t.Pow(power));
        }
        return Alignment.Binary(x, exponent, (a, b) => a.Power(b.To(DType.Float32)));
    }

    private static Tensor AsDouble(Tensor x) => Tensor.From(HostMath.ToDoubles(x), x.Shape);

    // Known values exactly; in a graph by the quotient, which rounds.
    private static Tensor FloatRemainder(Tensor a, Tensor b)
    {
        if (!a.IsMeta && !b.IsMeta)
            return HostMath.Zip<float, float, float>(a, b, (x, y) => x % y);
        var quotient = a / b;
        return a - (b * (quotient.Sign() * quotient.Abs().Floor()));
    }

    private static Tensor FloatModulo(Tensor a, Tensor b) => a - (b * (a / b).Floor());

    private static OnnxValue Where(OnnxCall c)
    {
        var order = Alignment.CommonOrder([c[0], c[1], c[2]]);
        var (condition, a, b) = (Alignment.Fit(c[0], order), Alignment.Fit(c[1], order), Alignment.Fit(c[2], order));
        return OnnxValue.Ordered(a.DType == DType.Float32 && b.DType == DType.Float32 ? condition.Where(a, b) : HostMath.Where(condition, a, b), order);
    }

    // ---------------------------------------------------------------- one operand

    private static OnnxValue Signed(OnnxCall c, Func<long, long> integers, Func<Tensor, Tensor> floats) =>
        Alignment.Unary(c[0], c[0].DType.IsFloat() ? floats : x => HostMath.Unary(x, integers));

    private static OnnxValue Clip(OnnxCall c)
    {
        var byOperand = c.Opset >= 11;
        if (!c[0].DType.IsFloat())
        {
            var (low, high) = (c.Has(1) ? (long)c.Number(1) : long.MinValue, c.Has(2) ? (long)c.Number(2) : long.MaxValue);
            return Alignment.Unary(c[0], x => HostMath.Unary(x, v => Math.Min(Math.Max(v, low), high)));
        }
        var min = byOperand ? (c.Has(1) ? (float)c.Number(1) : float.NegativeInfinity) : c.Float("min", float.NegativeInfinity);
        var max = byOperand ? (c.Has(2) ? (float)c.Number(2) : float.PositiveInfinity) : c.Float("max", float.PositiveInfinity);
        return Alignment.Unary(c[0], x => (min, max) switch
        {
            (0, 6) => x.Relu6(),
            (0, float.PositiveInfinity) => x.Relu(),
            _ when min > max => x.Clamp(max, max), // the specification: min above max gives max everywhere
            _ => x.Clamp(min, max),
        });
    }

    /// <summary>
    /// A tensor as another of ONNX's element types. The 16-bit floats round, and are float32 again; so are doubles.
    /// </summary>
    internal static Tensor Converted(Tensor x, OnnxCall c, int type)
    {
        var dtype = TensorReader.TypeOf(type) ?? throw c.Bad($"a conversion to {TensorReader.Name(type)} is not supported");
        return (Format.TensorProto.Types.DataType)type switch
        {
            Format.TensorProto.Types.DataType.Float16 when !x.DType.Equals(DType.Bool) => x.To(DType.Float16).To(DType.Float32),
            Format.TensorProto.Types.DataType.Bfloat16 when !x.DType.Equals(DType.Bool) => x.To(DType.BFloat16).To(DType.Float32),
            _ => x.To(dtype),
        };
    }

    // ---------------------------------------------------------------- integers

    private readonly struct AddIntegers : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a + b;
    }

    private readonly struct SubtractIntegers : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a - b;
    }

    private readonly struct MultiplyIntegers : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a * b;
    }

    private readonly struct DivideIntegers : IIntegerFunction
    {
        // The smallest number divided by -1 overflows; its wrapped negation is what two's complement gives.
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => T.Zero - T.One == b ? T.Zero - a : a / b;
    }

    private readonly struct RemainderIntegers : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => T.Zero - T.One == b ? T.Zero : a % b;
    }

    private readonly struct ModuloIntegers : IIntegerFunction
    {
        // The sign of the divisor, as Python's %.
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T>
        {
            var remainder = RemainderIntegers.Invoke(a, b);
            return !T.IsZero(remainder) && T.IsNegative(remainder) != T.IsNegative(b) ? remainder + b : remainder;
        }
    }

    private readonly struct LargerInteger : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => T.Max(a, b);
    }

    private readonly struct SmallerInteger : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => T.Min(a, b);
    }

    private readonly struct ShiftLeft : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a << int.CreateTruncating(b);
    }

    private readonly struct ShiftRight : IIntegerFunction
    {
        public static T Invoke<T>(T a, T b) where T : struct, IBinaryInteger<T> => a >>> int.CreateTruncating(b);
    }
}
