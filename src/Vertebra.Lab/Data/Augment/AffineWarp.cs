using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Lab.Data.Augment;

/// <summary>How a warp finds the colour between pixels.</summary>
internal enum WarpFilter
{
    /// <summary>The pixel under the point.</summary>
    Nearest,

    /// <summary>Between the four pixels around the point.</summary>
    Bilinear,

    /// <summary>Cubic convolution with a = -1 over sixteen pixels.</summary>
    Bicubic,
}

/// <summary>
/// Pillow's <c>Image.transform</c> with an affine map: float64 coordinates, interpolation in float64 without antialiasing,
/// cut to whole levels. Checked against version 9.4, pixel for pixel.
/// </summary>
internal static class AffineWarp
{
    private const int Channels = 3;

    /// <summary>Warps the picture.</summary>
    /// <param name="canvas">The picture.</param>
    /// <param name="map">Where each pixel comes from.</param>
    /// <param name="filter">How colours between pixels are found.</param>
    /// <param name="fill">Colour of what comes from outside, three bytes.</param>
    public static void Run(PixelCanvas canvas, in AffineMap map, WarpFilter filter, ReadOnlySpan<byte> fill)
    {
        Fill(canvas, fill);
        if (filter == WarpFilter.Nearest)
            NearestWarp.Run(canvas, map);
        else if (filter == WarpFilter.Bilinear)
            Run<BilinearTaps>(canvas, map);
        else
            Run<BicubicTaps>(canvas, map);
        canvas.Swap();
    }

    private static void Fill(PixelCanvas canvas, ReadOnlySpan<byte> fill)
    {
        var row = canvas.Spare[..canvas.Stride];
        for (var i = 0; i < row.Length; i += Channels)
            fill[..Channels].CopyTo(row[i..]);
        for (var start = canvas.Stride; start < canvas.Length; start += canvas.Stride)
            row.CopyTo(canvas.Spare[start..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TTaps>(PixelCanvas canvas, in AffineMap map)
        where TTaps : struct, ITaps
    {
        var pixels = canvas.PixelsWithSlack;
        var (width, height) = (canvas.Width, canvas.Height);
        var (a, c, d, f) = (map.A, map.C, map.D, map.F);
        var result = canvas.Spare;
        for (var y = 0; y < height; y++)
        {
            var (b, e) = (map.B * (y + 0.5), map.E * (y + 0.5));
            var row = result.Slice(y * canvas.Stride, canvas.Stride);
            for (var x = 0; x < width; x++)
            {
                var sourceX = (a * (x + 0.5)) + b + c;
                var sourceY = (d * (x + 0.5)) + e + f;
                if (sourceX >= 0 && sourceX < width && sourceY >= 0 && sourceY < height)
                    Store(TTaps.At(pixels, width, height, sourceX - 0.5, sourceY - 0.5), row.Slice(x * Channels, Channels));
            }
        }
    }

    /// <summary>The three channels, cut to whole levels; values are in [0, 255].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<double> value, Span<byte> target)
    {
        var levels = Avx.IsSupported ? Avx.ConvertToVector128Int32WithTruncation(value)
            : Vector128.Create((int)value[0], (int)value[1], (int)value[2], 0);
        target[2] = (byte)levels[2];
        target[1] = (byte)levels[1];
        target[0] = (byte)levels[0];
    }

    /// <summary>Red, green and blue at an offset; the fourth number means nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Load(ReadOnlySpan<byte> pixels, int offset)
    {
        var bytes = Vector128.CreateScalarUnsafe(BinaryPrimitives.ReadUInt32LittleEndian(pixels.Slice(offset, 4))).AsByte();
        return Avx.IsSupported ? Avx.ConvertToVector256Double(Sse41.ConvertToVector128Int32(bytes))
            : Vector256.Create((double)bytes[0], bytes[1], bytes[2], 0);
    }

    /// <summary>Offset of a column or row; the outermost ones go on for ever.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Offset(int place, int count, int step) => Math.Min(Math.Max(place, 0), count - 1) * step;

    private interface ITaps
    {
        /// <summary>The colour at a point, counted from the centre of the first pixel; inside the picture or half a pixel beyond.</summary>
        static abstract Vector256<double> At(ReadOnlySpan<byte> pixels, int width, int height, double x, double y);
    }

    private readonly struct BilinearTaps : ITaps
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> At(ReadOnlySpan<byte> pixels, int width, int height, double x, double y)
        {
            var (left, top) = ((int)Math.Floor(x), (int)Math.Floor(y));
            int column0 = Offset(left, width, Channels), column1 = Offset(left + 1, width, Channels);
            var row = Offset(top, height, width * Channels);
            var upper = Between(Load(pixels, row + column0), Load(pixels, row + column1), x - left);
            // A shift along the rows leaves the second row without weight.
            if (y == top)
                return upper;
            row = Offset(top + 1, height, width * Channels);
            return Between(upper, Between(Load(pixels, row + column0), Load(pixels, row + column1), x - left), y - top);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> Between(Vector256<double> first, Vector256<double> second, double part) => first + ((second - first) * part);
    }

    private readonly struct BicubicTaps : ITaps
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> At(ReadOnlySpan<byte> pixels, int width, int height, double x, double y)
        {
            var (left, top) = ((int)Math.Floor(x), (int)Math.Floor(y));
            var value = Along(pixels, width, Offset(top, height, width * Channels), left, x - left);
            if (y != top)
            {
                value = Cubic(
                    Along(pixels, width, Offset(top - 1, height, width * Channels), left, x - left), value,
                    Along(pixels, width, Offset(top + 1, height, width * Channels), left, x - left),
                    Along(pixels, width, Offset(top + 2, height, width * Channels), left, x - left), y - top);
            }
            return Vector256.Min(Vector256.Max(value, Vector256<double>.Zero), Vector256.Create(255.0));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> Along(ReadOnlySpan<byte> pixels, int width, int row, int left, double part)
        {
            var second = Load(pixels, row + Offset(left, width, Channels));
            return part == 0 ? second : Cubic(
                Load(pixels, row + Offset(left - 1, width, Channels)), second,
                Load(pixels, row + Offset(left + 1, width, Channels)), Load(pixels, row + Offset(left + 2, width, Channels)), part);
        }

        // Pillow's order of operations: its rounding decides which level a value is cut to.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> Cubic(Vector256<double> v1, Vector256<double> v2, Vector256<double> v3, Vector256<double> v4, double part)
        {
            var p2 = v3 - v1;
            var p3 = ((v1 - v2) * 2.0) + v3 - v4;
            var p4 = v2 - v1 - v3 + v4;
            return v2 + ((p2 + ((p3 + (p4 * part)) * part)) * part);
        }
    }
}
