namespace Vertebra.Kernels;

/// <summary>How an image axis is resampled.</summary>
public enum InterpolationMode
{
    /// <summary>The input at floor(o · in / out).</summary>
    Nearest,

    /// <summary>Linear on both axes.</summary>
    Bilinear,

    /// <summary>Cubic convolution (Keys 1981) on both axes, with a = -0.75, or a = -0.5 with antialiasing.</summary>
    Bicubic,
}

/// <summary>
/// A linear map along one axis as a band matrix: output o is the sum over j of Weights[Offset[o] + j] · input Begin[o] + j.
/// The tables follow PyTorch's float32 arithmetic, so that places near a rounding boundary fall on the same side.
/// </summary>
internal sealed class AxisWeights
{
    private const float Keys = -0.75f;
    private const float KeysAntialiased = -0.5f;

    private AxisWeights(int size, int[] begin, float[][] rows)
    {
        (Size, Count, Begin, Offset) = (size, begin.Length, begin, new int[begin.Length + 1]);
        for (var o = 0; o < Count; o++)
            Offset[o + 1] = Offset[o] + rows[o].Length;
        Weights = [.. rows.SelectMany(r => r)];
        IsIdentity = Size == Count && Weights.Length == Count && Begin.Index().All(p => p.Index == p.Item) && Weights.All(w => w == 1);
    }

    /// <summary>Size of the input axis.</summary>
    public int Size { get; }

    /// <summary>Size of the output axis.</summary>
    public int Count { get; }

    public int[] Begin { get; }

    /// <summary>Where each output's weights begin; one more than there are outputs.</summary>
    public int[] Offset { get; }

    public float[] Weights { get; }

    public bool IsIdentity { get; }

    public int LengthOf(int output) => Offset[output + 1] - Offset[output];

    public static AxisWeights Create(int size, int count, InterpolationMode mode, bool alignCorners, bool antialias)
    {
        var scale = ScaleOf(size, count, mode != InterpolationMode.Nearest && alignCorners);
        var (begin, rows) = (new int[count], new float[count][]);
        for (var o = 0; o < count; o++)
        {
            (begin[o], rows[o]) = mode switch
            {
                InterpolationMode.Nearest => (Math.Min((int)MathF.Floor(o * scale), size - 1), [1f]),
                _ when antialias => Antialiased(o, size, scale, mode),
                InterpolationMode.Bilinear => Linear(o, size, scale, alignCorners),
                InterpolationMode.Bicubic => Cubic(o, size, scale, alignCorners),
                _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "no such mode"),
            };
        }
        return new(size, begin, rows);
    }

    /// <summary>The matrix's transpose, from the output axis back to the input axis: its gradient.</summary>
    public AxisWeights Transpose()
    {
        var (first, end) = (new int[Size], new int[Size]);
        Array.Fill(first, Count);
        for (var o = 0; o < Count; o++)
        {
            for (var i = Begin[o]; i < Begin[o] + LengthOf(o); i++)
                (first[i], end[i]) = (Math.Min(first[i], o), o + 1);
        }
        var rows = new float[Size][];
        for (var i = 0; i < Size; i++)
            rows[i] = new float[Math.Max(0, end[i] - first[i])];
        for (var o = 0; o < Count; o++)
        {
            for (var j = 0; j < LengthOf(o); j++)
                rows[Begin[o] + j][o - first[Begin[o] + j]] = Weights[Offset[o] + j];
        }
        return new(Count, first, rows);
    }

    private static float ScaleOf(int size, int count, bool alignCorners) =>
        !alignCorners ? (float)size / count : count > 1 ? (float)(size - 1) / (count - 1) : 0;

    private static (int, float[]) Linear(int o, int size, float scale, bool alignCorners)
    {
        var place = alignCorners ? scale * o : Math.Max(0, (scale * (o + 0.5f)) - 0.5f);
        var left = Math.Min((int)place, size - 1);
        var share = Math.Clamp(place - left, 0, 1);
        return left == size - 1 || share == 0 ? (left, [1f]) : (left, [1 - share, share]);
    }

    private static (int, float[]) Cubic(int o, int size, float scale, bool alignCorners)
    {
        var place = alignCorners ? scale * o : (scale * (o + 0.5f)) - 0.5f;
        var left = Math.Min((int)MathF.Floor(place), size - 1);
        var share = Math.Clamp(place - left, 0, 1);
        ReadOnlySpan<float> taps = [KeysFar(share + 1, Keys), KeysNear(share, Keys), KeysNear(1 - share, Keys), KeysFar(2 - share, Keys)];
        // Taps outside the image take its border, so their weights add up there.
        var begin = Math.Clamp(left - 1, 0, size - 1);
        var weights = new float[Math.Clamp(left + 2, 0, size - 1) - begin + 1];
        for (var j = 0; j < taps.Length; j++)
            weights[Math.Clamp(left - 1 + j, 0, size - 1) - begin] += taps[j];
        return (begin, weights);
    }

    // The filter grows with the reduction, and what of it lies inside the image is normalised to 1 (as in Pillow).
    private static (int, float[]) Antialiased(int o, int size, float scale, InterpolationMode mode)
    {
        var radius = mode == InterpolationMode.Bilinear ? 1f : 2f;
        var support = scale >= 1 ? radius * scale : radius;
        var sharpness = scale >= 1 ? 1 / scale : 1;
        var center = scale * (o + 0.5f);
        var begin = Math.Max((int)(center - support + 0.5f), 0);
        var weights = new float[Math.Max(0, Math.Min((int)(center + support + 0.5f), size) - begin)];
        float total = 0;
        for (var j = 0; j < weights.Length; j++)
        {
            var distance = MathF.Abs((j + begin - center + 0.5f) * sharpness);
            weights[j] = mode == InterpolationMode.Bilinear ? Math.Max(0, 1 - distance)
                : distance < 1 ? KeysNear(distance, KeysAntialiased)
                : distance < 2 ? KeysFar(distance, KeysAntialiased) : 0;
            total += weights[j];
        }
        for (var j = 0; j < weights.Length && total != 0; j++)
            weights[j] /= total;
        return (begin, weights);
    }

    // Keys' kernel for distances up to 1 and from 1 to 2.
    private static float KeysNear(float x, float a) => ((((a + 2) * x) - (a + 3)) * x * x) + 1;

    private static float KeysFar(float x, float a) => (((((a * x) - (5 * a)) * x) + (8 * a)) * x) - (4 * a);
}
