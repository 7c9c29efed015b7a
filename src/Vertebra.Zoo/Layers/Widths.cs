namespace Vertebra.Zoo.Layers;

/// <summary>Arithmetic of channel counts and of depth, as the field does it.</summary>
internal static class Widths
{
    /// <summary>
    /// The multiple of <paramref name="divisor"/> nearest to a width, at least the divisor, and raised by one step where
    /// rounding would fall below <paramref name="limit"/> of the width.
    /// </summary>
    public static int Divisible(double width, int divisor = 8, double limit = 0.9)
    {
        var rounded = Math.Max(divisor, (int)(width + (divisor / 2.0)) / divisor * divisor);
        return rounded < limit * width ? rounded + divisor : rounded;
    }

    /// <summary>Stochastic depth of block <paramref name="index"/> of <paramref name="count"/>: from 0 up to <paramref name="rate"/>, linearly.</summary>
    public static float DropPathRate(float rate, int index, int count) => count < 2 ? 0 : rate * index / (count - 1);
}
