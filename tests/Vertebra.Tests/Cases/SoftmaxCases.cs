using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Softmax and its logarithm over every axis, and with logits that overflow when the largest is not subtracted.</summary>
public sealed class SoftmaxCases : IOpCases
{
    public static IEnumerable<OpCase> All()
    {
        foreach (var n in OpCases.Lengths)
        {
            foreach (var c in Cases([2, n], 1, second: n is > 1 and < 10).Concat(Cases([n, 3], 0, second: n == 5)).Concat(Cases([2, 3, n], 1, second: n == 4)))
                yield return c;
        }
        foreach (var c in Cases([300, 90], -1, false).Concat(Cases([3, 70, 90], 1, false)).Concat(Cases([2, 5000], 1, false)))
            yield return c with { CheckGradient = false };
        var extreme = Tensor.From([1000, 0, -1000, 88, 89, 87, float.NegativeInfinity, 0, 0], [3, 3]);
        yield return new(new Softmax(1), [extreme], x => [Softmax(x[0], [3, 3], 1)]) { CheckGradient = false };
        yield return new(new Softmax(0), [extreme], x => [Softmax(x[0], [3, 3], 0)]) { CheckGradient = false };
        yield return new(new LogSoftmax(1), [extreme], x => [LogSoftmax(x[0], [3, 3], 1)]) { CheckGradient = false };
        yield return new(new LogSoftmax(0), [extreme], x => [LogSoftmax(x[0], [3, 3], 0)]) { CheckGradient = false };
        var masked = Tensor.Full([1, 2], float.NegativeInfinity);
        yield return new(new Softmax(1), [masked], _ => [[double.NaN, double.NaN]]) { CheckGradient = false };
    }

    private static IEnumerable<OpCase> Cases(Shape shape, int axis, bool second)
    {
        var x = OpCases.Uniform(shape, 1, -2, 2);
        var (dy, y, log) = (OpCases.Uniform(shape, 2), OpCases.Uniform(shape, 3, 0, 1), OpCases.Uniform(shape, 3, -3, 0));
        yield return new(new Softmax(axis), [x], v => [Softmax(v[0], shape, axis)]) { CheckSecondDerivative = second };
        yield return new(new LogSoftmax(axis), [x], v => [LogSoftmax(v[0], shape, axis)]) { CheckSecondDerivative = second };
        yield return new(new SoftmaxGradient(axis), [dy, y], v => [Lines(v[0], v[1], shape, axis, (g, p) =>
        {
            var dot = g.Zip(p, (a, b) => a * b).Sum();
            return g.Zip(p, (a, b) => b * (a - dot));
        })]) { CheckGradient = false };
        yield return new(new LogSoftmaxGradient(axis), [dy, log], v => [Lines(v[0], v[1], shape, axis, (g, p) =>
        {
            var sum = g.Sum();
            return g.Zip(p, (a, b) => a - (Math.Exp(b) * sum));
        })]) { CheckGradient = false };
    }

    private static double[] Softmax(double[] x, Shape shape, int axis) => Array.ConvertAll(LogSoftmax(x, shape, axis), Math.Exp);

    private static double[] LogSoftmax(double[] x, Shape shape, int axis) => Lines(x, x, shape, axis, (line, _) =>
    {
        var max = line.Max();
        var log = Math.Log(line.Sum(v => Math.Exp(v - max)));
        return line.Select(v => v - max - log);
    });

    /// <summary>A function of each line along an axis of two arrays.</summary>
    private static double[] Lines(double[] a, double[] b, Shape shape, int axis, Func<double[], double[], IEnumerable<double>> f)
    {
        axis = axis < 0 ? axis + shape.Rank : axis;
        var result = new double[a.Length];
        foreach (var start in Naive.Positions(shape).Where(p => p[axis] == 0))
        {
            var at = Enumerable.Range(0, shape[axis]).Select(i => { start[axis] = i; return Naive.Offset(shape, start); }).ToArray();
            foreach (var (offset, value) in at.Zip(f([.. at.Select(i => a[i])], [.. at.Select(i => b[i])])))
                result[offset] = value;
        }
        return result;
    }
}
