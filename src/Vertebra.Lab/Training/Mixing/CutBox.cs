using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Mixing;

/// <summary>A rectangle of an image: rows <paramref name="Top"/> to <paramref name="Bottom"/> and columns <paramref name="Left"/> to <paramref name="Right"/>, ends excluded.</summary>
internal readonly record struct CutBox(int Top, int Bottom, int Left, int Right)
{
    public int Area => (Bottom - Top) * (Right - Left);

    /// <summary>CutMix's: sides √(1 - λ) of the image's, around a pixel of it, cut off at its border.</summary>
    public static CutBox Of(ref SampleRandom random, int height, int width, double lambda)
    {
        var ratio = Math.Sqrt(1 - lambda);
        var (halfHeight, halfWidth) = ((int)(height * ratio) / 2, (int)(width * ratio) / 2);
        var (y, x) = (random.Below(height), random.Below(width));
        return new(Math.Max(0, y - halfHeight), Math.Min(height, y + halfHeight), Math.Max(0, x - halfWidth), Math.Min(width, x + halfWidth));
    }

    /// <summary>timm's other: sides drawn between two shares of the image's, wholly inside.</summary>
    public static CutBox Between(ref SampleRandom random, int height, int width, double least, double most)
    {
        var (h, w) = (Side(ref random, height, least, most), Side(ref random, width, least, most));
        var (top, left) = (random.Below(height - h + 1), random.Below(width - w + 1));
        return new(top, top + h, left, left + w);
    }

    private static int Side(ref SampleRandom random, int side, double least, double most)
    {
        var from = (int)(side * least);
        return from + random.Below(Math.Max(1, (int)(side * most) - from));
    }
}
