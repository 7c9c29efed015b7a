using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>
/// Turns rows of components into rows of interleaved RGB. YCbCr is that of JFIF 1.02 with the 16-bit fixed-point
/// constants of libjpeg; CMYK goes to RGB as Pillow's <c>convert("RGB")</c> does.
/// </summary>
/// <remarks>
/// Component rows may be read up to <see cref="BlockPixels"/> - 1 bytes past the width. Targets begin with the row and
/// may go on behind it: what lies there may be written over, as the rows that follow are written later.
/// </remarks>
internal static class ColorConverter
{
    private const int BlockPixels = 16;

    // round(c * 65536) for the JFIF factors 1.402, 1.772, 0.34414, 0.71414.
    private const int RedFromCr = 91881;
    private const int BlueFromCb = 116130;
    private const int GreenFromCb = 22554;
    private const int GreenFromCr = 46802;

    /// <summary>Grey to RGB.</summary>
    public static void Gray(ReadOnlySpan<byte> gray, Span<byte> target, int width)
    {
        for (var x = 0; x < width; x += BlockPixels)
        {
            var value = Unsafe.ReadUnaligned<Vector128<byte>>(ref Lanes.At(gray, x));
            StoreInterleaved(value, value, value, target, x);
        }
    }

    /// <summary>Three planes to interleaved.</summary>
    public static void Rgb(ReadOnlySpan<byte> red, ReadOnlySpan<byte> green, ReadOnlySpan<byte> blue, Span<byte> target, int width)
    {
        for (var x = 0; x < width; x += BlockPixels)
        {
            StoreInterleaved(
                Unsafe.ReadUnaligned<Vector128<byte>>(ref Lanes.At(red, x)),
                Unsafe.ReadUnaligned<Vector128<byte>>(ref Lanes.At(green, x)),
                Unsafe.ReadUnaligned<Vector128<byte>>(ref Lanes.At(blue, x)), target, x);
        }
    }

    /// <summary>YCbCr to RGB.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void YCbCr(ReadOnlySpan<byte> luma, ReadOnlySpan<byte> cb, ReadOnlySpan<byte> cr, Span<byte> target, int width)
    {
        var center = Vector256.Create((short)128);
        for (var x = 0; x < width; x += BlockPixels)
        {
            var y = Lanes.LoadWidened(ref Lanes.At(luma, x));
            var b = Lanes.LoadWidened(ref Lanes.At(cb, x)) - center;
            var r = Lanes.LoadWidened(ref Lanes.At(cr, x)) - center;

            // The factors do not fit in 16 bits, so whole multiples of the sample are split off.
            var red = y + r + ScaledRounded(r, RedFromCr - 0x10000);
            var blue = y + b + b + ScaledRounded(b, BlueFromCb - 0x20000);
            var green = y - r + GreenFraction(b, r);

            var redGreen = Lanes.SwapMiddleQuarters(Lanes.PackBytes(red, green));
            var blueBlue = Lanes.SwapMiddleQuarters(Lanes.PackBytes(blue, blue));
            StoreInterleaved(redGreen.GetLower(), redGreen.GetUpper(), blueBlue.GetLower(), target, x);
        }
    }

    /// <summary>
    /// CMYK as Adobe writes it (255 for no ink), or YCCK, to RGB. Pillow takes every CMYK JPEG to be inverted so.
    /// </summary>
    /// <param name="first">C, or Y.</param>
    /// <param name="second">M, or Cb.</param>
    /// <param name="third">Y, or Cr.</param>
    /// <param name="black">K.</param>
    /// <param name="isYcck">The first three are YCbCr of the colour's complement.</param>
    /// <param name="target">RGB row.</param>
    /// <param name="width">Its pixels.</param>
    public static void Cmyk(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, ReadOnlySpan<byte> black, bool isYcck, Span<byte> target, int width)
    {
        if (isYcck)
            YCbCr(first, second, third, target, width);
        else
            Rgb(first, second, third, target, width);
        for (var x = 0; x < width; x++)
        {
            var pixel = target.Slice(x * 3, 3);
            foreach (ref var value in pixel)
            {
                var ink = isYcck ? value : 255 - value;
                value = (byte)Math.Max(0, black[x] - DividedBy255(ink * black[x]));
            }
        }
    }

    /// <summary>round(a / 255) for a in 0..255².</summary>
    private static int DividedBy255(int a)
    {
        a += 128;
        return ((a >> 8) + a) >> 8;
    }

    /// <summary>(value * factor + 2^15) >> 16, by rounding the high half of the doubled product.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> ScaledRounded(Vector256<short> value, int factor) =>
        (Lanes.MultiplyHigh(value + value, Vector256.Create((short)factor)) + Vector256<short>.One) >> 1;

    /// <summary>(-0.34414 b + (1 - 0.71414) r) in 16-bit fixed point with one rounding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> GreenFraction(Vector256<short> b, Vector256<short> r)
    {
        var factors = Vector256.Create(((0x10000 - GreenFromCr) << 16) | (-GreenFromCb & 0xFFFF)).AsInt16();
        var rounding = Vector256.Create(1 << 15);
        Lanes.InterleaveShorts(b, r, out var low, out var high);
        return Lanes.PackSaturated((Lanes.DotPairs(low, factors) + rounding) >> 16, (Lanes.DotPairs(high, factors) + rounding) >> 16);
    }

    /// <summary>Writes 16 pixels, or as many as there is room for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreInterleaved(Vector128<byte> red, Vector128<byte> green, Vector128<byte> blue, Span<byte> target, int x)
    {
        const byte n = 0xFF;
        var first = Vector128.Shuffle(red, Vector128.Create(0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n, n, 5))
            | Vector128.Shuffle(green, Vector128.Create(n, 0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n, n))
            | Vector128.Shuffle(blue, Vector128.Create(n, n, 0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n));
        var second = Vector128.Shuffle(red, Vector128.Create(n, n, 6, n, n, 7, n, n, 8, n, n, 9, n, n, 10, n))
            | Vector128.Shuffle(green, Vector128.Create(5, n, n, 6, n, n, 7, n, n, 8, n, n, 9, n, n, 10))
            | Vector128.Shuffle(blue, Vector128.Create(n, 5, n, n, 6, n, n, 7, n, n, 8, n, n, 9, n, n));
        var third = Vector128.Shuffle(red, Vector128.Create(n, 11, n, n, 12, n, n, 13, n, n, 14, n, n, 15, n, n))
            | Vector128.Shuffle(green, Vector128.Create(n, n, 11, n, n, 12, n, n, 13, n, n, 14, n, n, 15, n))
            | Vector128.Shuffle(blue, Vector128.Create(10, n, n, 11, n, n, 12, n, n, 13, n, n, 14, n, n, 15));
        var at = x * 3;
        if (at + BlockPixels * 3 <= target.Length)
        {
            Lanes.Store(first, ref Lanes.At(target, at));
            Lanes.Store(second, ref Lanes.At(target, at + 16));
            Lanes.Store(third, ref Lanes.At(target, at + 32));
        }
        else
            StoreTail(first, second, third, target[at..]);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void StoreTail(Vector128<byte> first, Vector128<byte> second, Vector128<byte> third, Span<byte> target)
    {
        Span<byte> block = stackalloc byte[BlockPixels * 3];
        first.CopyTo(block);
        second.CopyTo(block[16..]);
        third.CopyTo(block[32..]);
        block[..target.Length].CopyTo(target);
    }
}
