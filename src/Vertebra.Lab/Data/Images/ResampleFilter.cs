namespace Vertebra.Lab.Data.Images;

/// <summary>Resampling filters, with Pillow's names and definitions.</summary>
public enum ResampleFilter
{
    /// <summary>The pixel under the centre of the new one; no averaging.</summary>
    Nearest,

    /// <summary>Mean of the pixels under the new one.</summary>
    Box,

    /// <summary>Triangle, one pixel to each side.</summary>
    Bilinear,

    /// <summary>Hamming-windowed sinc, one pixel to each side.</summary>
    Hamming,

    /// <summary>Cubic convolution with a = -0.5, two pixels to each side.</summary>
    Bicubic,

    /// <summary>Lanczos-windowed sinc, three pixels to each side.</summary>
    Lanczos,
}

/// <summary>The filters as functions.</summary>
internal static class ResampleKernels
{
    /// <summary>How far a filter reaches to each side, in source pixels at scale 1.</summary>
    public static double Support(ResampleFilter filter) => filter switch
    {
        ResampleFilter.Box => 0.5,
        ResampleFilter.Bilinear or ResampleFilter.Hamming => 1,
        ResampleFilter.Bicubic => 2,
        ResampleFilter.Lanczos => 3,
        _ => throw new VertebraException($"unknown resampling filter {(int)filter}"),
    };

    /// <summary>Weight (not normalised) of a pixel whose centre lies <paramref name="x"/> from the new pixel's.</summary>
    public static double Weight(ResampleFilter filter, double x) => filter switch
    {
        // Half open, so that a pixel on the border counts once.
        ResampleFilter.Box => x is > -0.5 and <= 0.5 ? 1 : 0,
        ResampleFilter.Bilinear => Math.Max(0, 1 - Math.Abs(x)),
        ResampleFilter.Hamming => Hamming(Math.Abs(x)),
        ResampleFilter.Bicubic => Bicubic(Math.Abs(x)),
        _ => x is >= -3 and < 3 ? Sinc(x) * Sinc(x / 3) : 0,
    };

    private static double Hamming(double x)
    {
        if (x == 0)
            return 1;
        if (x >= 1)
            return 0;
        x *= Math.PI;
        return Math.Sin(x) / x * (0.54 + 0.46 * Math.Cos(x));
    }

    private static double Bicubic(double x)
    {
        const double a = -0.5;
        return x switch
        {
            < 1 => ((a + 2) * x - (a + 3)) * x * x + 1,
            < 2 => (((x - 5) * x + 8) * x - 4) * a,
            _ => 0,
        };
    }

    private static double Sinc(double x)
    {
        if (x == 0)
            return 1;
        x *= Math.PI;
        return Math.Sin(x) / x;
    }
}

/// <summary>For every pixel of one axis of the result: which source pixels it takes, and with what fixed-point weights.</summary>
internal sealed class ResampleWeights
{
    /// <summary>Bits behind the point: 32 less 8 for the sample and 2 for overshoot, as in Pillow.</summary>
    public const int PrecisionBits = 32 - 8 - 2;

    /// <summary>Most weights per result pixel times result pixels; more than any sensible picture asks for.</summary>
    private const long MaxWeights = 1L << 28;

    /// <param name="filter">Any but nearest.</param>
    /// <param name="sourceSize">Pixels of the source along the axis.</param>
    /// <param name="start">Where the source region begins, in pixels.</param>
    /// <param name="end">Where the source region ends.</param>
    /// <param name="size">Pixels of the result along the axis.</param>
    public ResampleWeights(ResampleFilter filter, int sourceSize, double start, double end, int size)
    {
        var scale = (end - start) / size;
        // A filter that shrinks is widened by the same factor: every source pixel counts (antialiasing).
        var filterScale = Math.Max(scale, 1);
        var support = ResampleKernels.Support(filter) * filterScale;
        var capacity = Math.Ceiling(support) * 2 + 1;
        if (capacity * size > MaxWeights)
            throw new VertebraException($"resizing {sourceSize} to {size} pixels needs too large a filter");
        Capacity = (int)capacity;
        First = new int[size];
        Count = new int[size];
        Fixed = new int[size * Capacity];
        var weights = new double[Capacity];
        for (var i = 0; i < size; i++)
        {
            var center = start + (i + 0.5) * scale;
            var first = Math.Max(0, (int)(center - support + 0.5));
            var last = Math.Min(sourceSize, (int)(center + support + 0.5));
            First[i] = first;
            Count[i] = last - first;
            var sum = 0.0;
            for (var k = 0; k < Count[i]; k++)
            {
                weights[k] = ResampleKernels.Weight(filter, (k + first - center + 0.5) * (1 / filterScale));
                sum += weights[k];
            }
            for (var k = 0; k < Count[i]; k++)
            {
                // Divided before it is scaled, and rounded half away from zero: the order decides the last bit.
                var weight = (sum != 0 ? weights[k] / sum : weights[k]) * (1 << PrecisionBits);
                Fixed[i * Capacity + k] = (int)(weight < 0 ? weight - 0.5 : weight + 0.5);
            }
        }
    }

    /// <summary>Weights per result pixel in <see cref="Fixed"/>; fewer may be used.</summary>
    public int Capacity { get; }

    /// <summary>First source pixel of each result pixel.</summary>
    public int[] First { get; }

    /// <summary>Number of source pixels of each result pixel.</summary>
    public int[] Count { get; }

    /// <summary>Weights times 2^<see cref="PrecisionBits"/>, <see cref="Capacity"/> per result pixel.</summary>
    public int[] Fixed { get; }
}
