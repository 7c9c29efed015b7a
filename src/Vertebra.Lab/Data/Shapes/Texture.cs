namespace Vertebra.Lab.Data.Shapes;

/// <summary>A colour, each channel in [0, 1].</summary>
internal readonly record struct Rgb(double Red, double Green, double Blue)
{
    public static Rgb Draw(ref SampleRandom random) => new(random.Uniform(0, 1), random.Uniform(0, 1), random.Uniform(0, 1));

    /// <summary>Hue in turns, saturation and value in [0, 1].</summary>
    public static Rgb FromHsv(double hue, double saturation, double value)
    {
        return new(Channel(5), Channel(3), Channel(1));

        double Channel(int offset)
        {
            var k = (offset + (6 * (hue - Math.Floor(hue)))) % 6;
            return value * (1 - (saturation * Math.Clamp(Math.Min(k, 4 - k), 0, 1)));
        }
    }

    public static Rgb Blend(Rgb a, Rgb b, double share) =>
        new(a.Red + ((b.Red - a.Red) * share), a.Green + ((b.Green - a.Green) * share), a.Blue + ((b.Blue - a.Blue) * share));

    public double Distance(Rgb other)
    {
        var (red, green, blue) = (Red - other.Red, Green - other.Green, Blue - other.Blue);
        return Math.Sqrt((red * red) + (green * green) + (blue * blue));
    }
}

/// <summary>A plane pattern of two colours; coordinates are parts of the image's side.</summary>
internal sealed class Texture
{
    private enum Pattern
    {
        Flat,
        Gradient,
        Stripes,
        Checks,
        Dots,
        Waves,
    }

    private readonly Pattern _pattern;
    private readonly Rgb _first;
    private readonly Rgb _second;
    private readonly double _cosine;
    private readonly double _sine;
    private readonly double _frequency;
    private readonly double _phase;

    /// <param name="first">The leading colour.</param>
    /// <param name="spread">How far the second colour may lie from it, in [0, 1].</param>
    /// <param name="random">Numbers of the image.</param>
    public Texture(Rgb first, double spread, ref SampleRandom random)
    {
        _pattern = (Pattern)random.Below(6);
        _first = first;
        _second = Rgb.Blend(first, Rgb.Draw(ref random), random.Uniform(0.2, 1) * spread);
        (_sine, _cosine) = Math.SinCos(random.Uniform(0, 2 * Math.PI));
        _frequency = random.Uniform(3, 9);
        _phase = random.Uniform(0, 1);
    }

    public Rgb At(double x, double y)
    {
        var along = (x * _cosine) + (y * _sine);
        var across = (y * _cosine) - (x * _sine);
        var share = _pattern switch
        {
            Pattern.Flat => 0,
            Pattern.Gradient => Math.Clamp(along, 0, 1),
            Pattern.Stripes => Fraction((along * _frequency) + _phase) < 0.5 ? 0 : 1,
            Pattern.Checks => Fraction((along * _frequency * 0.7) + _phase) < 0.5 == Fraction((across * _frequency * 0.7) + _phase) < 0.5 ? 0 : 1,
            Pattern.Dots => IsDot(Fraction((along * _frequency) + _phase) - 0.5, Fraction((across * _frequency) + _phase) - 0.5) ? 1 : 0,
            _ => 0.5 + (0.25 * (Math.Sin(6 * ((along * _frequency / 3) + _phase)) + Math.Sin(6 * ((across * _frequency / 4) + (2 * along))))),
        };
        return Rgb.Blend(_first, _second, share);
    }

    private static bool IsDot(double x, double y) => (x * x) + (y * y) < 0.09;

    private static double Fraction(double value) => value - Math.Floor(value);
}
