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

    private static int BroadcastOffset(Shape shape, int[] position)
    {
        var own = position[(position.Length - shape.Rank)..];
        for (var axis = 0; axis < own.Length; axis++)
            own[axis] = shape[axis] == 1 ? 0 : own[axis];
        return Offset(shape, own);
    }
}
