using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// Pillow's <c>ImageFilter.GaussianBlur</c>: three extended box filters in each direction (Gwosdek, Grewenig, Bruhn and
/// Weickert, "Theoretical foundations of Gaussian convolution by extended box filtering", SSVM 2011), in fixed point of 24 bits.
/// </summary>
internal static class GaussianBlur
{
    private const int Passes = 3;
    private const int Channels = 3;
    private const uint One = 1 << 24;

    /// <summary>Blurs the picture.</summary>
    /// <param name="canvas">The picture.</param>
    /// <param name="sigma">Standard deviation in pixels, at least 0.</param>
    public static void Run(PixelCanvas canvas, double sigma)
    {
        var radius = BoxRadius((float)sigma);
        if (radius == 0)
            return;
        var whole = (int)radius;
        var inner = (uint)(One / ((radius * 2) + 1));
        var box = new Box(whole, inner, (One - ((uint)((whole * 2) + 1) * inner)) / 2);
        Span<int> offsets = stackalloc int[box.Taps <= 64 ? box.Taps : 0];
        if (box.Taps > 64)
            offsets = new int[box.Taps];
        Horizontal(canvas, box, offsets);
        for (var pass = 0; pass < Passes; pass++)
            Vertical(canvas, box, offsets);
    }

    /// <summary>A box of 2 · radius + 1 whole pixels and a share of one more at either end.</summary>
    private readonly record struct Box(int Radius, uint Inner, uint Outer)
    {
        public int Taps => (Radius * 2) + 3;
    }

    /// <summary>Half the length of the boxes, in float32 as in the reference.</summary>
    private static float BoxRadius(float sigma)
    {
        var variance = sigma * sigma / Passes;
        var length = (float)Math.Sqrt((12.0 * variance) + 1.0);
        var whole = (float)Math.Floor((length - 1.0) / 2.0);
        var share = ((2 * whole) + 1) * ((whole * (whole + 1)) - (3 * variance));
        share /= 6 * (variance - ((whole + 1) * (whole + 1)));
        return whole + share;
    }

    /// <summary>All passes of one row while it is in the cache. Beyond its ends the row goes on as its first and last pixel.</summary>
    private static void Horizontal(PixelCanvas canvas, Box box, Span<int> offsets)
    {
        for (var k = 0; k < offsets.Length; k++)
            offsets[k] = k * Channels;
        var border = (box.Radius + 1) * Channels;
        var rented = ArrayPool<byte>.Shared.Rent(canvas.Stride + (2 * border));
        var padded = rented.AsSpan(0, canvas.Stride + (2 * border));
        for (var start = 0; start < canvas.Length; start += canvas.Stride)
        {
            var row = canvas.Pixels.Slice(start, canvas.Stride);
            for (var pass = 0; pass < Passes; pass++)
            {
                row.CopyTo(padded[border..]);
                for (var i = 0; i < border; i += Channels)
                {
                    row[..Channels].CopyTo(padded[i..]);
                    row[^Channels..].CopyTo(padded[(border + row.Length + i)..]);
                }
                Sum(padded, offsets, box, row);
            }
        }
        ArrayPool<byte>.Shared.Return(rented);
    }

    private static void Vertical(PixelCanvas canvas, Box box, Span<int> offsets)
    {
        ReadOnlySpan<byte> pixels = canvas.Pixels;
        for (var y = 0; y < canvas.Height; y++)
        {
            for (var k = 0; k < offsets.Length; k++)
                offsets[k] = Math.Clamp(y + k - (box.Radius + 1), 0, canvas.Height - 1) * canvas.Stride;
            Sum(pixels, offsets, box, canvas.Spare.Slice(y * canvas.Stride, canvas.Stride));
        }
        canvas.Swap();
    }

    /// <summary>Weighted sums of the bytes at the offsets, side by side: the first and the last with the outer weight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sum(ReadOnlySpan<byte> source, ReadOnlySpan<int> offsets, Box box, Span<byte> result)
    {
        var i = 0;
        for (; i <= result.Length - 16; i += 16)
        {
            var ends = Lanes.LoadWidened(source, offsets[0] + i) + Lanes.LoadWidened(source, offsets[^1] + i);
            var middle = Vector256<ushort>.Zero;
            Vector256<uint> low = Vector256.Create(One / 2), high = low;
            for (var k = 1; k < offsets.Length - 1; k++)
            {
                middle += Lanes.LoadWidened(source, offsets[k] + i);
                // 257 bytes fit a sum of sixteen bits.
                if (k % 256 == 0 || k == offsets.Length - 2)
                {
                    var (middleLow, middleHigh) = Vector256.Widen(middle);
                    (low, high, middle) = (low + (middleLow * box.Inner), high + (middleHigh * box.Inner), Vector256<ushort>.Zero);
                }
            }
            var (endsLow, endsHigh) = Vector256.Widen(ends);
            var levels = Vector256.Narrow((low + (endsLow * box.Outer)) >> 24, (high + (endsHigh * box.Outer)) >> 24);
            Vector128.Narrow(levels.GetLower(), levels.GetUpper()).CopyTo(result[i..]);
        }
        for (; i < result.Length; i++)
        {
            var sum = (One / 2) + ((uint)(source[offsets[0] + i] + source[offsets[^1] + i]) * box.Outer);
            for (var k = 1; k < offsets.Length - 1; k++)
                sum += source[offsets[k] + i] * box.Inner;
            result[i] = (byte)(sum >> 24);
        }
    }
}
