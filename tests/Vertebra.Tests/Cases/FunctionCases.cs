using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Elementary functions, extremes of two, running sums, positions of the largest, dropping.</summary>
public sealed class FunctionCases : IOpCases
{
    private static readonly (Op Op, Func<double, double> F, float Low, float High)[] Table =
    [
        (new Exp(), Math.Exp, -2, 2),
        (new Log(), Math.Log, 0.5f, 3),
        (new Sqrt(), Math.Sqrt, 0.5f, 3),
        (new Rsqrt(), x => 1 / Math.Sqrt(x), 0.5f, 3),
        (new Square(), x => x * x, -2, 2),
        (new Abs(), Math.Abs, 0.1f, 2),
        (new Abs(), Math.Abs, -2, -0.1f),
        (new Sign(), x => Math.Sign(x), 0.1f, 2),
        (new Sign(), x => Math.Sign(x), -2, -0.1f),
        (new Pow(3), x => x * x * x, -2, 2),
        (new Pow(-0.7f), x => Math.Pow(x, -0.7f), 0.5f, 3),
        (new Pow(0), _ => 1, 0.5f, 3),
        (new Erf(), Erf, -3, 3),
        (new Sin(), Math.Sin, -4, 4),
        (new Cos(), Math.Cos, -4, 4),
        (new Floor(), Math.Floor, 2.1f, 2.9f),
        (new Ceil(), Math.Ceiling, -2.9f, -2.1f),
        (new Round(), x => Math.Round(x, MidpointRounding.ToEven), 1.6f, 2.4f),
        (new Trigonometric(TrigonometricFunction.Tan), Math.Tan, -1, 1),
        (new Trigonometric(TrigonometricFunction.Asin), Math.Asin, -0.8f, 0.8f),
        (new Trigonometric(TrigonometricFunction.Acos), Math.Acos, -0.8f, 0.8f),
        (new Trigonometric(TrigonometricFunction.Atan), Math.Atan, -3, 3),
        (new Trigonometric(TrigonometricFunction.Sinh), Math.Sinh, -2, 2),
        (new Trigonometric(TrigonometricFunction.Cosh), Math.Cosh, -2, 2),
        (new Trigonometric(TrigonometricFunction.Asinh), x => Math.Log(x + Math.Sqrt((x * x) + 1)), -2, 2),
        (new Trigonometric(TrigonometricFunction.Acosh), x => Math.Log(x + Math.Sqrt((x * x) - 1)), 1.5f, 4),
        (new Trigonometric(TrigonometricFunction.Atanh), x => Math.Log((1 + x) / (1 - x)) / 2, -0.8f, 0.8f),
        (new Clamp(-5, 5), x => x, -4, 4),
        (new Clamp(-5, 1), _ => 1, 2, 4),
        (new Clamp(float.NegativeInfinity, 0.25f), x => x, -2, 0.2f),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (op, f, low, high) in Table)
        {
            foreach (var n in OpCases.Lengths)
                yield return new(op, [OpCases.Uniform([n], 1, low, high)], x => [Array.ConvertAll(x[0], v => f(v))]) { CheckSecondDerivative = n is > 0 and < 20 && op is not (Sign or Floor or Ceil or Round or Pow { Exponent: 0 }) }; // those have the constant slope 0
            yield return new(op, [OpCases.Uniform([40_001], 1, low, high)], x => [Array.ConvertAll(x[0], v => f(v))]) { CheckGradient = false };
        }
        foreach (var n in OpCases.Lengths)
        {
            foreach (var c in Extremes([n], [n]).Concat(Sums([n, 3], 0)).Concat(Sums([2, n], 1)).Concat(Drops([n])).Concat(Drops([3, n])))
                yield return c;
        }
        foreach (var c in Extremes([2, 3], [3]).Concat(Extremes([2, 1], [1, 3])).Concat(Sums([2, 3, 4], -2)).Concat(Sums([2, 3, 300], 1)).Concat(Drops([3, 20_000])))
            yield return c with { CheckGradient = c.Inputs[0].ElementCount < 100 };
        float[] halves = [-2.5f, -1.5f, -0.7f, -0.5f, -0.2f, 0, 0.2f, 0.5f, 0.7f, 1.5f, 2.5f, 7, -7, 1e9f, -1e30f, float.PositiveInfinity];
        yield return new(new Floor(), [Tensor.From(halves)], x => [Array.ConvertAll(x[0], Math.Floor)]) { CheckGradient = false };
        yield return new(new Ceil(), [Tensor.From(halves)], x => [Array.ConvertAll(x[0], Math.Ceiling)]) { CheckGradient = false };
        yield return new(new Round(), [Tensor.From(halves)], x => [Array.ConvertAll(x[0], v => Math.Round(v))]) { CheckGradient = false };
        foreach (var (a, b) in new (Shape, Shape)[] { ([7], [7]), ([2, 3], [3]), ([2, 1], [1, 17]), ([], [4]), ([0, 3], [3]) })
        {
            yield return new(new Power(), [OpCases.Uniform(a, 1, 0.5f, 2), OpCases.Uniform(b, 2, -2, 2)],
                x => [Naive.Broadcast(x[0], a, x[1], b, Shape.Broadcast(a, b, "case"), Math.Pow)]) { CheckSecondDerivative = a.ElementCount is > 0 and < 9 && b.ElementCount < 9 };
        }
        yield return new(new Power(), [Tensor.From([-2f, -2, 0, 0, 3, 3]), Tensor.From([3f, -2, 2, 0, 0, -1])], _ => [[-8, 0.25, 0, 1, 1, 1.0 / 3]]) { CheckGradient = false };
        var nan = Tensor.From([1, float.NaN, 3, float.NaN, float.NegativeInfinity, float.NegativeInfinity, 2, 5, 5, 5], [2, 5]);
        yield return new(new ArgMax(1), [nan], _ => [[1, 2]]);
        yield return new(new ArgMax(0), [nan], _ => [[0, 0, 1, 0, 1]]);
    }

    private static IEnumerable<OpCase> Extremes(Shape a, Shape b)
    {
        var shape = Shape.Broadcast(a, b, "case");
        // A shift keeps the operands apart, so that no difference straddles a tie.
        Tensor[] inputs = [OpCases.Distinct(a, 1), OpCases.Distinct(b, 2) + 0.05f];
        yield return new(new Maximum(), inputs, x => [Naive.Broadcast(x[0], a, x[1], b, shape, Math.Max)]) { CheckSecondDerivative = shape.ElementCount is > 0 and < 9 };
        yield return new(new Minimum(), inputs, x => [Naive.Broadcast(x[0], a, x[1], b, shape, Math.Min)]) { CheckSecondDerivative = shape.ElementCount is > 0 and < 9 };
    }

    private static IEnumerable<OpCase> Sums(Shape shape, int axis)
    {
        foreach (var reverse in new[] { false, true })
            yield return new(new CumSum(axis, reverse), [OpCases.Uniform(shape, 1)], x => [Running(x[0], shape, axis, reverse)]);
        if (shape[axis] > 0)
        {
            yield return new(new ArgMax(axis), [OpCases.Uniform(shape, 1)], x =>
                [Naive.Reduce(x[0], shape, [axis], line => Enumerable.Range(0, line.Length).MaxBy(i => line[i]))]);
        }
    }

    private static double[] Running(double[] x, Shape shape, int axis, bool reverse)
    {
        axis = axis < 0 ? axis + shape.Rank : axis;
        return [.. Naive.Positions(shape).Select(p =>
        {
            double sum = 0;
            var q = (int[])p.Clone();
            for (var i = 0; i < shape[axis]; i++)
            {
                q[axis] = i;
                sum += (reverse ? i >= p[axis] : i <= p[axis]) ? x[Naive.Offset(shape, q)] : 0;
            }
            return sum;
        })];
    }

    private static IEnumerable<OpCase> Drops(Shape shape)
    {
        var x = OpCases.Uniform(shape, 1);
        var size = (int)shape.CountBetween(1, shape.Rank);
        foreach (var p in new[] { 0.3f, 1f })
        {
            double Kept(double value, int position) => new Philox(7, 11).Uniform((ulong)position) >= p ? value / (1 - (double)p) : 0;
            yield return new(new Dropout(p, 7, 11), [x], v => [v[0].Select(Kept).ToArray()]);
            yield return new(new DropPath(p, 7, 11), [x], v => [v[0].Select((value, i) => Kept(value, i / size)).ToArray()]);
        }
    }

    private static double Erf(double x)
    {
        // The power series; for |x| <= 3 it loses five of float64's sixteen digits.
        double sum = 0, term = x;
        for (var n = 0; n < 100; n++)
        {
            sum += term / ((2 * n) + 1);
            term *= -x * x / (n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }
}
