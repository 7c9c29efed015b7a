namespace Vertebra.Lab.Data.Shapes;

/// <summary>The classes of the generated set: outlines that rotation, size and stretch do not turn into each other.</summary>
internal enum ShapeKind
{
    Arrow,
    Circle,
    Crescent,
    Cross,
    Heart,
    Hexagon,
    Ring,
    Square,
    Star,
    Triangle,
}

/// <summary>Which points belong to a shape.</summary>
internal static class ShapeGeometry
{
    /// <summary>True for the points inside, where the shape fills about the unit circle.</summary>
    public static bool Contains(ShapeKind kind, double x, double y) => kind switch
    {
        ShapeKind.Arrow => x < 0.1 ? x > -1 && Math.Abs(y) < 0.28 : Math.Abs(y) < 0.85 * (1.05 - x),
        ShapeKind.Circle => Square(x, y) < 0.8,
        ShapeKind.Crescent => Square(x, y) < 1 && Square(x - 0.5, y) > 0.6,
        ShapeKind.Cross => (Math.Abs(x) < 0.3 && Math.Abs(y) < 1) || (Math.Abs(y) < 0.3 && Math.Abs(x) < 1),
        ShapeKind.Heart => Heart(1.15 * x, (1.15 * y) + 0.1),
        ShapeKind.Hexagon => Polygon(6, 0.85, x, y),
        ShapeKind.Ring => Square(x, y) is > 0.3 and < 0.95,
        ShapeKind.Square => Math.Max(Math.Abs(x), Math.Abs(y)) < 0.78,
        ShapeKind.Star => Star(x, y),
        _ => Polygon(3, 0.6, x, y),
    };

    private static double Square(double x, double y) => (x * x) + (y * y);

    /// <summary>The sextic (x² + y² - 1)³ = x² y³.</summary>
    private static bool Heart(double x, double y)
    {
        var a = Square(x, y) - 1;
        return a * a * a < x * x * y * y * y;
    }

    /// <summary>A regular polygon whose sides lie <paramref name="apothem"/> from the centre.</summary>
    private static bool Polygon(int sides, double apothem, double x, double y)
    {
        for (var i = 0; i < sides; i++)
        {
            var (sine, cosine) = Math.SinCos(2 * Math.PI * i / sides);
            if ((x * cosine) + (y * sine) > apothem)
                return false;
        }
        return true;
    }

    /// <summary>Five points: the angle is folded into half a point, whose edge is one line.</summary>
    private static bool Star(double x, double y)
    {
        const double Outer = 1.15, Inner = 0.48, Half = Math.PI / 5;
        var angle = Math.Abs(Math.IEEERemainder(Math.Atan2(y, x), 2 * Half));
        var radius = Math.Sqrt(Square(x, y));
        var (px, py) = (radius * Math.Cos(angle), radius * Math.Sin(angle));
        var (ix, iy) = (Inner * Math.Cos(Half), Inner * Math.Sin(Half));
        return ((ix - Outer) * py) - (iy * (px - Outer)) > 0;
    }
}
