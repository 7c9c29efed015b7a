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
