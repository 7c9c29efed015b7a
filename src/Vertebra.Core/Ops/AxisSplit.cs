namespace Vertebra.Ops;

/// <summary>A shape seen from one of its axes.</summary>
internal static class AxisSplit
{
    /// <summary>The number of elements outside the axis, along it, and inside it.</summary>
    public static (long Outer, long Length, long Inner) Around(this Shape shape, int axis)
    {
        var normal = axis < 0 ? axis + shape.Rank : axis;
        return (shape.CountBetween(0, normal), shape[normal], shape.CountBetween(normal + 1, shape.Rank));
    }
}
