namespace Vertebra.Ops;

public static partial class TensorOps
{
    /// <summary>
    /// Mean squared distance from the mean, over all elements or over the given axes: the sum of squares divided by
    /// n - <paramref name="correction"/>. In two passes, so that a large mean costs no digits.
    /// </summary>
    /// <param name="x">float32.</param>
    /// <param name="axes">Axes; none: all.</param>
    /// <param name="correction">1 for the unbiased estimate, 0 for the variance of the elements themselves.</param>
    /// <param name="keepAxes">Keep the axes with size 1.</param>
    public static Tensor Variance(this Tensor x, IntList axes = default, int correction = 1, bool keepAxes = false)
    {
        var squares = (x - x.Mean(axes, keepAxes: true)).Square().Sum(axes, keepAxes);
        var count = squares.ElementCount == 0 ? 0 : x.ElementCount / squares.ElementCount;
        return squares / Math.Max(0, count - correction);
    }
}
