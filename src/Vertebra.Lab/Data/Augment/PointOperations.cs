namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// Operations that give every level of a channel another one: a table of 256 bytes, as in Pillow's <c>ImageOps</c> and
/// timm's <c>auto_augment.py</c>. Checked against Pillow 9.4, pixel for pixel.
/// </summary>
internal static class PointOperations
{
    private const int Levels = 256;

    /// <summary>255 - level.</summary>
    public static void Invert(Span<byte> pixels) => Solarize(pixels, 0);

    /// <summary>Keeps the upper bits of each level.</summary>
    /// <param name="pixels">The picture.</param>
    /// <param name="bits">How many, 0 (black) to 8 (no change).</param>
    public static void Posterize(Span<byte> pixels, int bits)
    {
        Span<byte> table = stackalloc byte[Levels];
        var mask = ~((1 << (8 - Math.Clamp(bits, 0, 8))) - 1);
        for (var i = 0; i < Levels; i++)
            table[i] = (byte)(i & mask);
        Apply(pixels, table);
    }

    /// <summary>Inverts the levels from a threshold on.</summary>
    public static void Solarize(Span<byte> pixels, double threshold)
    {
        Span<byte> table = stackalloc byte[Levels];
        for (var i = 0; i < Levels; i++)
            table[i] = (byte)(i < threshold ? i : 255 - i);
        Apply(pixels, table);
    }

    /// <summary>Adds to the levels below 128.</summary>
    public static void SolarizeAdd(Span<byte> pixels, int add)
    {
        Span<byte> table = stackalloc byte[Levels];
        for (var i = 0; i < Levels; i++)
            table[i] = (byte)(i < 128 ? Math.Min(255, i + add) : i);
        Apply(pixels, table);
    }

    /// <summary>Blends with black: factor 0 is black, 1 changes nothing, more is brighter (<c>ImageEnhance.Brightness</c>).</summary>
    public static void Brightness(Span<byte> pixels, double factor) => BlendWithLevel(pixels, 0, factor);

    /// <summary>Blends with the grey of the mean luma (<c>ImageEnhance.Contrast</c>).</summary>
    public static void Contrast(Span<byte> pixels, double factor) =>
        BlendWithLevel(pixels, (byte)(Luma.Mean(pixels) + 0.5), factor);

    /// <summary>Stretches each channel so that its darkest level becomes 0 and its lightest 255 (<c>ImageOps.autocontrast</c>).</summary>
    public static void AutoContrast(Span<byte> pixels)
    {
        Span<int> histograms = stackalloc int[3 * Levels];
        Span<byte> tables = stackalloc byte[3 * Levels];
        CountLevels(pixels, histograms);
        for (var channel = 0; channel < 3; channel++)
        {
            var table = tables.Slice(channel * Levels, Levels);
            var (low, high) = Extremes(histograms.Slice(channel * Levels, Levels));
            var scale = high > low ? 255.0 / (high - low) : 1;
            var offset = high > low ? -low * scale : 0;
            for (var i = 0; i < Levels; i++)
                table[i] = (byte)Math.Clamp((int)((i * scale) + offset), 0, 255);
        }
        ApplyByChannel(pixels, tables);
    }

    /// <summary>Makes each channel's levels equally frequent (<c>ImageOps.equalize</c>).</summary>
    public static void Equalize(Span<byte> pixels)
    {
        Span<int> histograms = stackalloc int[3 * Levels];
        Span<byte> tables = stackalloc byte[3 * Levels];
        CountLevels(pixels, histograms);
        for (var channel = 0; channel < 3; channel++)
        {
            var histogram = histograms.Slice(channel * Levels, Levels);
            var table = tables.Slice(channel * Levels, Levels);
            var (low, high) = Extremes(histogram);
            // A single level gives a step of 0 too.
            var step = (pixels.Length / 3 - histogram[high]) / 255;
            var sum = step / 2;
            for (var i = 0; i < Levels; i++)
            {
                table[i] = (byte)(step == 0 || high == low ? i : Math.Min(255, sum / step));
                sum += histogram[i];
            }
        }
        ApplyByChannel(pixels, tables);
    }

    private static void BlendWithLevel(Span<byte> pixels, byte level, double factor)
    {
        Span<byte> table = stackalloc byte[Levels];
        Span<byte> grey = stackalloc byte[Levels];
        for (var i = 0; i < Levels; i++)
            table[i] = (byte)i;
        grey.Fill(level);
        Blending.Run(grey, table, (float)factor, table);
        Apply(pixels, table);
    }

    private static void Apply(Span<byte> pixels, ReadOnlySpan<byte> table)
    {
        table = table[..Levels];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = table[pixels[i]];
    }

    private static void ApplyByChannel(Span<byte> pixels, ReadOnlySpan<byte> tables)
    {
        ReadOnlySpan<byte> red = tables[..Levels], green = tables.Slice(Levels, Levels), blue = tables.Slice(2 * Levels, Levels);
        for (var i = 0; i + 2 < pixels.Length; i += 3)
        {
            pixels[i] = red[pixels[i]];
            pixels[i + 1] = green[pixels[i + 1]];
            pixels[i + 2] = blue[pixels[i + 2]];
        }
    }

    private static void CountLevels(ReadOnlySpan<byte> pixels, Span<int> histograms)
    {
        histograms.Clear();
        Span<int> red = histograms[..Levels], green = histograms.Slice(Levels, Levels), blue = histograms.Slice(2 * Levels, Levels);
        for (var i = 0; i + 2 < pixels.Length; i += 3)
        {
            red[pixels[i]]++;
            green[pixels[i + 1]]++;
            blue[pixels[i + 2]]++;
        }
    }

    /// <summary>Lowest and highest level that occurs.</summary>
    private static (int Low, int High) Extremes(ReadOnlySpan<int> histogram) => (histogram.IndexOfAnyExcept(0), histogram.LastIndexOfAnyExcept(0));
}
