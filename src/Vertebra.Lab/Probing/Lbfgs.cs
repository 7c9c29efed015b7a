namespace Vertebra.Lab.Probing;

/// <summary>
/// Minimises a smooth function of many numbers by L-BFGS (Nocedal and Wright, "Numerical optimization", algorithms 7.4 and 7.5), with
/// steps that meet the weak Wolfe conditions, found by bisection (Lewis and Overton 2013).
/// </summary>
internal static class Lbfgs
{
    private const int History = 10;
    private const int MostTrials = 30;
    private const double Decrease = 1e-4, Curvature = 0.9;

    /// <summary>Goes downhill from <paramref name="x"/>, in place.</summary>
    /// <param name="x">Where to begin; receives the minimum.</param>
    /// <param name="function">The value at a place; writes the gradient.</param>
    /// <param name="iterations">At most so many steps.</param>
    /// <param name="tolerance">Largest element of the gradient at which it is the minimum.</param>
    /// <returns>The value there.</returns>
    public static double Minimise(double[] x, Func<double[], double[], double> function, int iterations, double tolerance)
    {
        var pairs = new LinkedList<(double[] Step, double[] Change, double Rho)>();
        var (gradient, next, nextGradient) = (new double[x.Length], new double[x.Length], new double[x.Length]);
        var value = function(x, gradient);
        for (var i = 0; i < iterations && gradient.Max(Math.Abs) > tolerance; i++)
        {
            var direction = Direction(gradient, pairs);
            var first = pairs.Count == 0 ? Math.Min(1, 1 / Math.Sqrt(Dot(gradient, gradient))) : 1;
            // Nothing lower is found where rounding hides the slope: that is the minimum.
            if (!Search(x, value, gradient, direction, first, function, next, nextGradient, out var nextValue))
                break;
            var step = Difference(next, x);
            var change = Difference(nextGradient, gradient);
            if (Dot(step, change) is > 1e-16 and var product)
                pairs.AddLast((step, change, 1 / product));
            if (pairs.Count > History)
                pairs.RemoveFirst();
            next.CopyTo(x, 0);
            (gradient, nextGradient, value) = (nextGradient, gradient, nextValue);
        }
        return value;
    }

    private static double[] Direction(double[] gradient, LinkedList<(double[] Step, double[] Change, double Rho)> pairs)
    {
        var direction = Array.ConvertAll(gradient, g => -g);
        var factors = new Stack<double>();
        for (var pair = pairs.Last; pair is not null; pair = pair.Previous)
        {
            var factor = pair.Value.Rho * Dot(pair.Value.Step, direction);
            Add(direction, pair.Value.Change, -factor);
            factors.Push(factor);
        }
        if (pairs.Last is { } last)
        {
            var scale = 1 / (last.Value.Rho * Dot(last.Value.Change, last.Value.Change));
            for (var i = 0; i < direction.Length; i++)
                direction[i] *= scale;
        }
        for (var pair = pairs.First; pair is not null; pair = pair.Next)
            Add(direction, pair.Value.Step, factors.Pop() - (pair.Value.Rho * Dot(pair.Value.Change, direction)));
        return direction;
    }

    private static bool Search(
        double[] x, double value, double[] gradient, double[] direction, double first, Func<double[], double[], double> function,
        double[] next, double[] nextGradient, out double nextValue)
    {
        var slope = Dot(gradient, direction);
        var (low, high, step) = (0.0, double.PositiveInfinity, first);
        nextValue = value;
        for (var trial = 0; trial < MostTrials && slope < 0; trial++)
        {
            x.CopyTo(next, 0);
            Add(next, direction, step);
            nextValue = function(next, nextGradient);
            if (!(nextValue <= value + (Decrease * step * slope)))
                high = step;
            else if (Dot(nextGradient, direction) < Curvature * slope)
                low = step;
            else
                return true;
            step = double.IsInfinity(high) ? 2 * low : (low + high) / 2;
        }
        return false;
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (var i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    private static double[] Difference(double[] a, double[] b)
    {
        var result = new double[a.Length];
        for (var i = 0; i < a.Length; i++)
            result[i] = a[i] - b[i];
        return result;
    }

    private static void Add(double[] target, double[] source, double factor)
    {
        for (var i = 0; i < target.Length; i++)
            target[i] += factor * source[i];
    }
}
