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
        var source = new Source(canvas.PixelsWithSlack, canvas.Width, canvas.Height);
        var (a, c, d, f) = (map.A, map.C, map.D, map.F);
        var result = canvas.Spare;
        var position = 0;
        for (var y = 0; y < source.Height; y++)
        {
            var (b, e) = (map.B * (y + 0.5), map.E * (y + 0.5));
            for (var x = 0; x < source.Width; x++, position += Channels)
            {
                var sourceX = (a * (x + 0.5)) + b + c;
                var sourceY = (d * (x + 0.5)) + e + f;
                if (sourceX >= 0 && sourceX < source.Width && sourceY >= 0 && sourceY < source.Height)
                    Store(TTaps.At(source, sourceX - 0.5, sourceY - 0.5), result.Slice(position, Channels));
            }
        }
    }

    /// <summary>The three channels, cut to whole levels; values are in [0, 255].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<double> value, Span<byte> target)
    {
        var levels = Avx.IsSupported ? Avx.ConvertToVector128Int32WithTruncation(value)
            : Vector128.Create((int)value[0], (int)value[1], (int)value[2], 0);
        (target[0], target[1], target[2]) = ((byte)levels[0], (byte)levels[1], (byte)levels[2]);
    }

    /// <summary>A picture from which colours are taken.</summary>
    private readonly ref struct Source(ReadOnlySpan<byte> pixels, int width, int height)
    {
        private readonly ReadOnlySpan<byte> _pixels = pixels;

        public int Width { get; } = width;

        public int Height { get; } = height;

        /// <summary>Offset of a column; the outermost ones go on for ever.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public int Column(int x) => Math.Min(Math.Max(x, 0), Width - 1) * Channels;

        /// <summary>Offset of a row, likewise.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public int Row(int y) => Math.Min(Math.Max(y, 0), Height - 1) * Width * Channels;

        /// <summary>Red, green and blue at an offset; the fourth number means nothing.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector256<double> At(int offset)
        {
            var word = Vector128.CreateScalarUnsafe(BinaryPrimitives.ReadUInt32LittleEndian(_pixels.Slice(offset, 4)));
            if (Avx.IsSupported)
                return Avx.ConvertToVector256Double(Sse41.ConvertToVector128Int32(word.AsByte()));
            var bytes = word.AsByte();
            return Vector256.Create((double)bytes[0], bytes[1], bytes[2], 0);
        }
    }

    private interface ITaps
    {
        /// <summary>The colour at a point, counted from the centre of the first pixel; inside the picture or half a pixel beyond.</summary>
        static abstract Vector256<double> At(in Source source, double x, double y);
    }

    private readonly struct BilinearTaps : ITaps
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> At(in Source source, double x, double y)
        {
            var (left, top) = ((int)Math.Floor(x), (int)Math.Floor(y));
            var (column0, column1, part) = (source.Column(left), source.Column(left + 1), x - left);
            var upper = Between(source, source.Row(top) + column0, source.Row(top) + column1, part);
            // A shift along the rows leaves the second row without weight.
            if (y == top)
                return upper;
            var lower = Between(source, source.Row(top + 1) + column0, source.Row(top + 1) + column1, part);
            return upper + ((lower - upper) * (y - top));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> Between(in Source source, int offset0, int offset1, double part)
        {
            var first = source.At(offset0);
            return first + ((source.At(offset1) - first) * part);
        }
    }

    private readonly struct BicubicTaps : ITaps
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> At(in Source source, double x, double y)
        {
            var (left, top) = ((int)Math.Floor(x), (int)Math.Floor(y));
            var (part, rowPart) = (x - left, y - top);
            var second = Along(source, source.Row(top), left, part);
            var value = rowPart == 0 ? second : Cubic(
                Along(source, source.Row(top - 1), left, part), second,
                Along(source, source.Row(top + 1), left, part), Along(source, source.Row(top + 2), left, part), rowPart);
            return Vector256.Min(Vector256.Max(value, Vector256<double>.Zero), Vector256.Create(255.0));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<double> Along(in Source source, int row, int left, double part)
        {
            var second = source.At(row + source.Column(left));
            return part == 0 ? second : Cubic(
                source.At(row + source.Column(left - 1)), second,
                source.At(row + source.Column(left + 1)), source.At(row + source.Column(left + 2)), part);
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
