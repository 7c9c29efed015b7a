namespace Vertebra.Lab.Data.Augment;

/// <summary>Where in the source a pixel of the result lies: (A·x + B·y + C, D·x + E·y + F), in pixels, centres at halves.</summary>
internal readonly record struct AffineMap(double A, double B, double C, double D, double E, double F)
{
    /// <summary>Rows slide sideways by a factor of their height.</summary>
    public static AffineMap ShearX(double factor) => new(1, factor, 0, 0, 1, 0);

    /// <summary>Columns slide up by a factor of their distance from the left.</summary>
    public static AffineMap ShearY(double factor) => new(1, 0, 0, factor, 1, 0);

    /// <summary>The picture moves left by x and up by y pixels.</summary>
    public static AffineMap Translate(double x, double y) => new(1, 0, x, 0, 1, y);

    /// <summary>Turns about the centre, against the clock, with the matrix that Pillow's <c>Image.rotate</c> makes.</summary>
    /// <param name="degrees">The angle.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Height of the picture.</param>
    public static AffineMap Rotate(double degrees, int width, int height)
    {
        // Python's remainder, which is never negative: the sine of 350 degrees has other last bits than that of -10.
        var turned = degrees % 360 < 0 ? (degrees % 360) + 360 : degrees % 360;
        var angle = -(turned * (Math.PI / 180));
        var (cos, sin) = (RoundTo15(Math.Cos(angle)), RoundTo15(Math.Sin(angle)));
        var (x, y) = (width / 2.0, height / 2.0);
        return new(cos, sin, (cos * -x) + (sin * -y) + x, -sin, cos, (-sin * -x) + (cos * -y) + y);
    }

    /// <summary>To fifteen decimals as Python rounds: by the exact value, where <see cref="Math.Round(double, int)"/> goes by the rounded product.</summary>
    private static double RoundTo15(double value)
    {
        const double Scale = 1e15;
        var product = value * Scale;
        var below = Math.Floor(product);
        var rest = product - below + Math.FusedMultiplyAdd(value, Scale, -product);
        return (rest > 0.5 ? below + 1 : below) / Scale;
    }
}
