using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.Augment;

/// <summary>Pillow's <c>ImageFilter.SMOOTH</c>: the 3x3 kernel of ones around a five, by 13; the outermost pixels stay.</summary>
internal static class Smoothing
{
    // floor((s + 6) / 13), which is s / 13 rounded: no sum lies halfway between two levels.
    private const uint Reciprocal = 5042;
    private const ushort Half = 6;

    /// <summary>Smooths a picture.</summary>
    /// <param name="pixels">RGB.</param>
    /// <param name="stride">Bytes of a row.</param>
    /// <param name="result">Receives as many bytes; other memory.</param>
    public static void Run(ReadOnlySpan<byte> pixels, int stride, Span<byte> result)
    {
        pixels[..stride].CopyTo(result);
        var y = stride;
        for (; y < pixels.Length - stride; y += stride)
            Row(pixels.Slice(y - stride, stride), pixels.Slice(y, stride), pixels.Slice(y + stride, stride), result.Slice(y, stride));
        if (y < pixels.Length)
            pixels[y..].CopyTo(result[y..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row(ReadOnlySpan<byte> above, ReadOnlySpan<byte> row, ReadOnlySpan<byte> below, Span<byte> result)
    {
        row[..3].CopyTo(result);
        var i = 3;
        for (; i <= row.Length - 3 - 16; i += 16)
        {
            var sum = Three(above, i) + Three(row, i) + Three(below, i) + (Lanes.LoadWidened(row, i) << 2);
            var (low, high) = Vector256.Widen(sum + Vector256.Create(Half));
            var levels = Vector256.Narrow((low * Reciprocal) >> 16, (high * Reciprocal) >> 16);
            Vector128.Narrow(levels.GetLower(), levels.GetUpper()).CopyTo(result[i..]);
        }
        for (; i < row.Length - 3; i++)
        {
            var sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + (5 * row[i]) + row[i + 3] + below[i - 3] + below[i] + below[i + 3];
            result[i] = (byte)((sum + Half) / 13);
        }
        if (row.Length > 3)
            row[^3..].CopyTo(result[^3..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Three(ReadOnlySpan<byte> row, int i) => Lanes.LoadWidened(row, i - 3) + Lanes.LoadWidened(row, i) + Lanes.LoadWidened(row, i + 3);
}
