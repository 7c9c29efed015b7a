using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.Shapes;

/// <summary>
/// One picture of the generated set: a textured shape of random colour, size, place, rotation and stretch over a textured
/// ground with strokes and dots, some of them across the shape, and grain. Seed and index alone decide every pixel.
/// </summary>
internal sealed class ShapeScene
{
    private const ulong Stream = 0x73686170_65733031; // "shapes01"

    /// <summary>Each pixel is the mean of this many samples a side.</summary>
    private const int Samples = 3;

    private const double LeastContrast = 0.5;
    private const double LargestTurn = 0.7;
    private const double ClassHueShare = 0.5;
    private const double Grain = 16;

    private readonly ShapeKind _kind;
    private readonly Texture _ground;
    private readonly Texture _fill;
    private readonly double _centerX;
    private readonly double _centerY;
    private readonly double _cosine;
    private readonly double _sine;
    private readonly double _inverseWidth;
    private readonly double _inverseHeight;
    private readonly Stroke[] _behind;
    private readonly Stroke[] _before;
    private SampleRandom _random;

    /// <param name="kind">The shape.</param>
    /// <param name="seed">Seed of the set.</param>
    /// <param name="index">Number of the picture in the set.</param>
    public ShapeScene(ShapeKind kind, ulong seed, int index)
    {
        _kind = kind;
        _random = new(new Philox(seed, Stream), index);
        var groundColor = Rgb.Draw(ref _random);
        _ground = new(groundColor, 0.35, ref _random);
        _fill = new(DrawFillColor(groundColor), 0.35, ref _random);

        var radius = _random.Uniform(0.26, 0.44);
        (_centerX, _centerY) = (_random.Uniform(radius, 1 - radius), _random.Uniform(radius, 1 - radius));
        (_sine, _cosine) = Math.SinCos(_random.Uniform(-LargestTurn, LargestTurn));
        var stretch = Math.Exp(_random.Uniform(-0.2, 0.2));
        (_inverseWidth, _inverseHeight) = (1 / (radius * stretch), stretch / radius);

        _behind = new Stroke[_random.Below(4)];
        for (var i = 0; i < _behind.Length; i++)
            _behind[i] = Stroke.Draw(_random.Uniform(0, 1), _random.Uniform(0, 1), ref _random);
        _before = new Stroke[_random.Below(2)];
        for (var i = 0; i < _before.Length; i++)
            _before[i] = Stroke.Draw(_centerX + (radius * _random.Uniform(-1, 1)), _centerY + (radius * _random.Uniform(-1, 1)), ref _random);
    }

    /// <summary>Renders the scene at <paramref name="size"/> x <paramref name="size"/> pixels.</summary>
    public RgbImage Render(int size)
    {
        var image = new RgbImage(size, size);
        var step = 1.0 / (size * Samples);
        var random = _random;
        for (var y = 0; y < size; y++)
        {
            var row = image.Row(y);
            for (var x = 0; x < size; x++)
            {
                double red = 0, green = 0, blue = 0;
                for (var sample = 0; sample < Samples * Samples; sample++)
                {
                    var color = At(((x * Samples) + (sample % Samples) + 0.5) * step, ((y * Samples) + (sample / Samples) + 0.5) * step);
                    (red, green, blue) = (red + color.Red, green + color.Green, blue + color.Blue);
                }
                var grain = random.Bits();
                row[3 * x] = Level(red, grain);
                row[(3 * x) + 1] = Level(green, grain >> 8);
                row[(3 * x) + 2] = Level(blue, grain >> 16);
            }
        }
        return image;
    }

    private Rgb At(double x, double y)
    {
        foreach (var stroke in _before)
        {
            if (stroke.Contains(x, y))
                return stroke.Color;
        }
        var (dx, dy) = (x - _centerX, y - _centerY);
        if (ShapeGeometry.Contains(_kind, ((dx * _cosine) + (dy * _sine)) * _inverseWidth, ((dy * _cosine) - (dx * _sine)) * _inverseHeight))
            return _fill.At(x, y);
        foreach (var stroke in _behind)
        {
            if (stroke.Contains(x, y))
                return stroke.Color;
        }
        return _ground.At(x, y);
    }

    /// <summary>
    /// Half the pictures lean to a hue of their class, as ripe tomatoes are red: something is learned early, and outlines
    /// must be learned for the rest.
    /// </summary>
    private Rgb DrawFillColor(Rgb ground)
    {
        var hasClassHue = _random.Uniform(0, 1) < ClassHueShare;
        while (true)
        {
            var hue = hasClassHue ? ((int)_kind + _random.Uniform(-1, 1)) / Enum.GetValues<ShapeKind>().Length : _random.Uniform(0, 1);
            var color = Rgb.FromHsv(hue, _random.Uniform(0.3, 1), _random.Uniform(0.3, 1));
            // Some colour of every hue lies this far from any ground, so the loop ends.
            if (color.Distance(ground) >= LeastContrast)
                return color;
        }
    }

    private static byte Level(double sum, uint grain) =>
        (byte)Math.Clamp(Math.Round((sum * 255 / (Samples * Samples)) + (Grain * (((grain & 0xFF) / 255.0) - 0.5))), 0, 255);

    /// <summary>A straight line with round ends; of no length, a dot.</summary>
    private readonly record struct Stroke(double X, double Y, double DirectionX, double DirectionY, double HalfLength, double Radius, Rgb Color)
    {
        public static Stroke Draw(double x, double y, ref SampleRandom random)
        {
            var (sine, cosine) = Math.SinCos(random.Uniform(0, Math.PI));
            var isDot = random.Below(3) == 0;
            return new(x, y, cosine, sine, isDot ? 0 : random.Uniform(0.1, 0.3), random.Uniform(0.015, isDot ? 0.08 : 0.045), Rgb.Draw(ref random));
        }

        public bool Contains(double x, double y)
        {
            var (dx, dy) = (x - X, y - Y);
            var along = Math.Clamp((dx * DirectionX) + (dy * DirectionY), -HalfLength, HalfLength);
            var (ex, ey) = (dx - (along * DirectionX), dy - (along * DirectionY));
            return (ex * ex) + (ey * ey) < Radius * Radius;
        }
    }
}
