namespace Vertebra.Kernels;

/// <summary>What lies beyond the border of an image that is sampled at free places.</summary>
public enum GridPadding
{
    /// <summary>Zeros.</summary>
    Zeros,

    /// <summary>The outermost pixels, repeated.</summary>
    Border,

    /// <summary>The image mirrored at its border.</summary>
    Reflection,
}

/// <summary>
/// The pixels of one axis that a place reads: up to four, with their weights and the slopes of the weights along the place's
/// normalised coordinate, in which -1 and 1 are the ends of the axis. Pixels outside that count as zero are left out.
/// </summary>
internal unsafe struct GridTaps
{
    private const float Keys = -0.75f;

    // Beyond this a float32 cannot tell neighbouring pixels apart, and an int overflows soon.
    private const float Farthest = 1 << 24;

    public fixed int Index[4];
    public fixed float Weight[4];
    public fixed float Slope[4];
    public int Count;

    public static GridTaps At(float coordinate, int size, InterpolationMode mode, GridPadding padding, bool alignCorners)
    {
        var taps = default(GridTaps);
        var place = alignCorners ? (coordinate + 1) / 2 * (size - 1) : (((coordinate + 1) * size) - 1) / 2;
        var scale = alignCorners ? (size - 1) / 2f : size / 2f;
        if (!(MathF.Abs(place) < Farthest)) // NaN included
        {
            if (padding == GridPadding.Zeros)
                return taps;
            (place, scale) = (place > 0 ? Farthest : -Farthest, 0);
        }
        if (mode == InterpolationMode.Bicubic)
        {
            taps.AddCubic(place, scale, size, padding, alignCorners);
            return taps;
        }
        (place, scale) = padding switch
        {
            GridPadding.Border => Clipped(place, scale, size),
            GridPadding.Reflection => Reflected(place, scale, size, alignCorners),
            _ => (place, scale),
        };
        if (mode == InterpolationMode.Nearest)
        {
            taps.Add((int)MathF.Round(place), 1, 0, size);
            return taps;
        }
        var left = MathF.Floor(place);
        taps.Add((int)left, 1 - (place - left), -scale, size);
        taps.Add((int)left + 1, place - left, scale, size);
        return taps;
    }

    private void Add(int index, float weight, float slope, int size)
    {
        if ((uint)index >= (uint)size)
            return;
        (Index[Count], Weight[Count], Slope[Count]) = (index, weight, slope);
        Count++;
    }

    // As in PyTorch, the four pixels are found first and each is brought back into the image by itself.
    private void AddCubic(float place, float scale, int size, GridPadding padding, bool alignCorners)
    {
        var left = MathF.Floor(place);
        for (var tap = -1; tap <= 2; tap++)
        {
            var (weight, slope) = Cubic(tap - (place - left));
            var index = padding switch
            {
                GridPadding.Border => Clipped(left + tap, 0, size).Place,
                GridPadding.Reflection => Reflected(left + tap, 0, size, alignCorners).Place,
                _ => left + tap,
            };
            Add((int)index, weight, -slope * scale, size);
        }
    }

    /// <summary>Keys' kernel and its derivative at a distance.</summary>
    private static (float Value, float Slope) Cubic(float distance)
    {
        var x = MathF.Abs(distance);
        var value = x <= 1 ? ((((Keys + 2) * x) - (Keys + 3)) * x * x) + 1 : (((((Keys * x) - (5 * Keys)) * x) + (8 * Keys)) * x) - (4 * Keys);
        var slope = x <= 1 ? ((3 * (Keys + 2) * x) - (2 * (Keys + 3))) * x : (((3 * Keys * x) - (10 * Keys)) * x) + (8 * Keys);
        return (value, distance < 0 ? -slope : slope);
    }

    private static (float Place, float Scale) Clipped(float place, float scale, int size) =>
        place <= 0 ? (0, 0) : place >= size - 1 ? (size - 1, 0) : (place, scale);

    // Mirrors lie on the outermost pixels' centres when corners are aligned, else on their outer edges.
    private static (float Place, float Scale) Reflected(float place, float scale, int size, bool alignCorners)
    {
        var low = alignCorners ? 0 : -0.5f;
        float span = alignCorners ? size - 1 : size;
        if (span == 0)
            return (0, 0);
        var distance = MathF.Abs(place - low);
        var flips = MathF.Floor(distance / span);
        var rest = distance - (flips * span);
        var isMirrored = flips % 2 != 0;
        var inside = low + (isMirrored ? span - rest : rest);
        return Clipped(inside, (place < low) != isMirrored ? -scale : scale, size);
    }
}
