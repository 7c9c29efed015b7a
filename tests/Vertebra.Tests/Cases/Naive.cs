namespace Vertebra.Tests.Cases;

/// <summary>Plain float64 loops that say what an op should give; nothing here uses the product's kernels.</summary>
public static class Naive
{
    /// <summary>Every position of a shape, in row-major order.</summary>
    public static IEnumerable<int[]> Positions(Shape shape)
    {
        if (shape.ElementCount == 0)
            yield break;
        var index = new int[shape.Rank];
        while (true)
        {
            yield return (int[])index.Clone();
            var axis = shape.Rank - 1;
            while (axis >= 0 && ++index[axis] == shape[axis])
                index[axis--] = 0;
            if (axis < 0)
                yield break;
        }
    }

    /// <summary>Row-major offset of a position.</summary>
    public static int Offset(Shape shape, ReadOnlySpan<int> position)
    {
        var offset = 0;
        for (var axis = 0; axis < shape.Rank; axis++)
            offset = (offset * shape[axis]) + position[axis];
        return offset;
    }

    public static double[] Broadcast(double[] a, Shape aShape, double[] b, Shape bShape, Shape shape, Func<double, double, double> f) =>
        [.. Positions(shape).Select(p => f(a[BroadcastOffset(aShape, p)], b[BroadcastOffset(bShape, p)]))];

    /// <summary>Groups the elements that reduce to one (no axes: all), in the order of the result, and reduces each group.</summary>
    public static double[] Reduce(double[] x, Shape shape, int[] axes, Func<double[], double> reduce)
    {
        var reduced = Enumerable.Range(0, shape.Rank).Select(axis => axes.Length == 0 || axes.Contains(axis) || axes.Contains(axis - shape.Rank)).ToArray();
        Shape kept = [.. shape.Select((size, axis) => reduced[axis] ? 1 : size)];
        var groups = Enumerable.Range(0, (int)kept.ElementCount).Select(_ => new List<double>()).ToArray();
        foreach (var position in Positions(shape))
        {
            var value = x[Offset(shape, position)];
            for (var axis = 0; axis < shape.Rank; axis++)
                position[axis] = reduced[axis] ? 0 : position[axis];
            groups[Offset(kept, position)].Add(value);
        }
        return Array.ConvertAll(groups, group => reduce([.. group]));
    }

    private static int BroadcastOffset(Shape shape, int[] position)
    {
        var own = position[(position.Length - shape.Rank)..];
        for (var axis = 0; axis < own.Length; axis++)
            own[axis] = shape[axis] == 1 ? 0 : own[axis];
        return Offset(shape, own);
    }
}
