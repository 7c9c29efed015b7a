using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Images;

/// <summary>A region of a picture in pixels, whose borders may lie inside pixels.</summary>
/// <param name="Left">Left border, at least 0.</param>
/// <param name="Top">Upper border, at least 0.</param>
/// <param name="Right">Right border, at most the width.</param>
/// <param name="Bottom">Lower border, at most the height.</param>
public readonly record struct SourceBox(double Left, double Top, double Right, double Bottom);

/// <summary>
/// Resizes with the arithmetic of Pillow's <c>Image.resize</c> (checked against version 9.4), bit for bit: two passes over
/// 8-bit values, rows first, weights in fixed point, antialiased when shrinking.
/// </summary>
public static class Resampler
{
    private const int Channels = 3;
    private const int Half = 1 << (ResampleWeights.PrecisionBits - 1);

    /// <summary>Resizes a picture, or a region of it.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="width">Width of the result, at least 1.</param>
    /// <param name="height">Height of the result, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    /// <param name="box">Region to resize, null for all; filters reach beyond it, into the picture, as with Pillow's <c>box</c>.</param>
    /// <returns>A new picture; a copy when nothing changes.</returns>
    /// <exception cref="VertebraException">The size is not positive, or the region is empty or not inside the picture.</exception>
    public static RgbImage Resize(RgbImage source, int width, int height, ResampleFilter filter = ResampleFilter.Bilinear, SourceBox? box = null)
    {
        var region = box ?? new SourceBox(0, 0, source.Width, source.Height);
        if (!(region.Left >= 0 && region.Top >= 0 && region.Right <= source.Width && region.Bottom <= source.Height && region.Left < region.Right && region.Top < region.Bottom))
            throw new VertebraException($"region {region.Left},{region.Top} to {region.Right},{region.Bottom} is empty or not inside the image of {source.Width}x{source.Height}");
        return Resize(new Window(source, 0, 0, source.Width, source.Height), width, height, filter, region);
    }

    /// <summary>Crops and resizes in one step: equal to cropping first, so filters do not see beyond the crop (torchvision's <c>resized_crop</c>).</summary>
    /// <param name="source">The picture.</param>
    /// <param name="left">First column of the crop.</param>
    /// <param name="top">First row of the crop.</param>
    /// <param name="cropWidth">Columns of the crop.</param>
    /// <param name="cropHeight">Rows of the crop.</param>
    /// <param name="width">Width of the result, at least 1.</param>
    /// <param name="height">Height of the result, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    /// <exception cref="VertebraException">The size is not positive, or the crop is empty or not inside the picture.</exception>
    public static RgbImage ResizeCrop(RgbImage source, int left, int top, int cropWidth, int cropHeight, int width, int height, ResampleFilter filter = ResampleFilter.Bilinear)
    {
        ImageTransforms.CheckCrop(source, left, top, cropWidth, cropHeight);
        return Resize(new Window(source, left, top, cropWidth, cropHeight), width, height, filter, new SourceBox(0, 0, cropWidth, cropHeight));
    }

    /// <summary>Resizes so that the shorter side gets a length, and the longer one floor(shorterSide · long / short): torchvision's and timm's <c>Resize(int)</c>.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="shorterSide">Length of the shorter side of the result, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    public static RgbImage ResizeShorterSide(RgbImage source, int shorterSide, ResampleFilter filter = ResampleFilter.Bilinear)
    {
        var (width, height) = source.Width <= source.Height
            ? (shorterSide, LongSide(source.Height, source.Width))
            : (LongSide(source.Width, source.Height), shorterSide);
        return Resize(source, width, height, filter);

        int LongSide(int longSide, int shortSide) => (int)Math.Min((long)shorterSide * longSide / shortSide, int.MaxValue);
    }

    /// <summary>The part of a picture that a resize can see.</summary>
    private readonly record struct Window(RgbImage Image, int Left, int Top, int Width, int Height)
    {
        public ReadOnlySpan<byte> Row(int y) => Image.Row(Top + y).Slice(Left * Channels, Width * Channels);
    }

    private static RgbImage Resize(Window source, int width, int height, ResampleFilter filter, SourceBox box)
    {
        if (width < 1 || height < 1)
            throw new VertebraException($"cannot resize to {width}x{height}; both sides must be at least 1");
        var result = RgbImage.Uninitialized(width, height);
        var isWidthKept = width == source.Width && box.Left == 0 && box.Right == source.Width;
        var isHeightKept = height == source.Height && box.Top == 0 && box.Bottom == source.Height;
        if (isWidthKept && isHeightKept)
        {
            for (var y = 0; y < height; y++)
                source.Row(y).CopyTo(result.Row(y));
        }
        else if (filter == ResampleFilter.Nearest)
            PickNearest(source, result, box);
        else if (isHeightKept)
            ResampleRows(source, 0, height, new ResampleWeights(filter, source.Width, box.Left, box.Right, width), result.Pixels);
        else
        {
            var vertical = new ResampleWeights(filter, source.Height, box.Top, box.Bottom, height);
            // Only the rows that the second pass reads are made by the first one.
            var firstRow = vertical.First[0];
            var rows = vertical.First[^1] + vertical.Count[^1] - firstRow;
            if (isWidthKept && source.Width == source.Image.Width)
                ResampleColumns(source.Image.Pixels.AsSpan((source.Top + firstRow) * width * Channels), firstRow, vertical, result);
            else
                ResampleBoth(source, box, filter, vertical, firstRow, rows, result);
        }
        return result;
    }

    private static void ResampleBoth(Window source, SourceBox box, ResampleFilter filter, ResampleWeights vertical, int firstRow, int rows, RgbImage result)
    {
        var bytes = (long)rows * result.Width * Channels;
        if (bytes > Array.MaxLength)
            throw new VertebraException($"resizing {source.Width}x{source.Height} to {result.Width}x{result.Height} needs {bytes} bytes in between; do it in two steps");
        var between = ArrayPool<byte>.Shared.Rent((int)bytes);
        try
        {
            var horizontal = new ResampleWeights(filter, source.Width, box.Left, box.Right, result.Width);
            ResampleRows(source, firstRow, rows, horizontal, between.AsSpan(0, (int)bytes));
            ResampleColumns(between.AsSpan(0, (int)bytes), firstRow, vertical, result);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(between);
        }
    }

    /// <summary>First pass: every row of the source becomes as wide as the result.</summary>
    private static void ResampleRows(Window source, int firstRow, int rows, ResampleWeights weights, Span<byte> target)
    {
        var rowBytes = weights.First.Length * Channels;
        // Copies of two rows, each with room behind it, let every pixel be read as four bytes; likewise for writing.
        var sourceStride = source.Width * Channels + sizeof(uint);
        var targetStride = rowBytes + sizeof(uint);
        var scratch = ArrayPool<byte>.Shared.Rent(2 * (sourceStride + targetStride));
        var padded = scratch.AsSpan(0, 2 * sourceStride);
        var results = scratch.AsSpan(2 * sourceStride, 2 * targetStride);
        for (var y = 0; y < rows; y += 2)
        {
            var isPair = y + 1 < rows;
            source.Row(firstRow + y).CopyTo(padded);
            source.Row(firstRow + y + (isPair ? 1 : 0)).CopyTo(padded[sourceStride..]);
            ResampleTwoRows(padded, sourceStride, weights, results, targetStride);
            results[..rowBytes].CopyTo(target[(y * rowBytes)..]);
            if (isPair)
                results.Slice(targetStride, rowBytes).CopyTo(target[((y + 1) * rowBytes)..]);
        }
        ArrayPool<byte>.Shared.Return(scratch);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ResampleTwoRows(ReadOnlySpan<byte> rows, int sourceStride, ResampleWeights weights, Span<byte> target, int targetStride)
    {
        var fixedWeights = weights.Fixed;
        for (int x = 0, at = 0; x < weights.First.Length; x++, at += Channels)
        {
            var kernel = fixedWeights.AsSpan(x * weights.Capacity, weights.Count[x]);
            ref var pixel = ref Lanes.At(rows, weights.First[x] * Channels);
            // One lane per channel; the fourth is the next pixel's red, which the next pixel's result writes over.
            // The low half is of the first row, the high half of the second.
            var sum = Vector256.Create(Half);
            foreach (var weight in kernel)
            {
                sum += Lanes.LoadWidenedPair(ref pixel, sourceStride) * weight;
                pixel = ref Unsafe.Add(ref pixel, Channels);
            }
            var shorts = Lanes.PackSaturated(sum >> ResampleWeights.PrecisionBits, sum);
            var bytes = Lanes.PackBytes(shorts, shorts).AsUInt32();
            Unsafe.WriteUnaligned(ref Lanes.At(target, at), bytes[0]);
            Unsafe.WriteUnaligned(ref Lanes.At(target, at + targetStride), bytes[4]);
        }
    }

    /// <summary>Second pass: every column becomes as high as the result.</summary>
    /// <param name="source">Rows as wide as the result, the first being row <paramref name="firstRow"/>.</param>
    /// <param name="firstRow">Number that the weights give the first row.</param>
    /// <param name="weights">Weights by row of the result.</param>
    /// <param name="result">Receives all its rows.</param>
    private static void ResampleColumns(ReadOnlySpan<byte> source, int firstRow, ResampleWeights weights, RgbImage result)
    {
        var rowBytes = result.Width * Channels;
        for (var y = 0; y < result.Height; y++)
        {
            var kernel = weights.Fixed.AsSpan(y * weights.Capacity, weights.Count[y]);
            var rows = source.Slice((weights.First[y] - firstRow) * rowBytes, kernel.Length * rowBytes);
            BlendRows(rows, rowBytes, kernel, result.Row(y));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BlendRows(ReadOnlySpan<byte> rows, int rowBytes, ReadOnlySpan<int> kernel, Span<byte> target)
    {
        var x = 0;
        for (; x + 16 <= rowBytes; x += 16)
        {
            Vector256<int> low = Vector256.Create(Half), high = low;
            for (var k = 0; k < kernel.Length; k++)
            {
                var values = Lanes.LoadWidened(ref Lanes.At(rows, k * rowBytes + x));
                var weight = Vector256.Create(kernel[k]);
                low += Vector256.WidenLower(values) * weight;
                high += Vector256.WidenUpper(values) * weight;
            }
            // Packing by halves leaves the middle quarters exchanged.
            var packed = Lanes.SwapMiddleQuarters(Lanes.PackSaturated(low >> ResampleWeights.PrecisionBits, high >> ResampleWeights.PrecisionBits));
            var bytes = Lanes.SwapMiddleQuarters(Lanes.PackBytes(packed, packed));
            Lanes.Store(bytes.GetLower(), ref Lanes.At(target, x));
        }
        for (; x < rowBytes; x++)
        {
            var sum = Half;
            for (var k = 0; k < kernel.Length; k++)
                sum += rows[k * rowBytes + x] * kernel[k];
            target[x] = (byte)Math.Clamp(sum >> ResampleWeights.PrecisionBits, 0, 255);
        }
    }

    private static void PickNearest(Window source, RgbImage result, SourceBox box)
    {
        var columns = NearestIndices(box.Left, box.Right, result.Width, source.Width);
        var rows = NearestIndices(box.Top, box.Bottom, result.Height, source.Height);
        for (var y = 0; y < rows.Length; y++)
        {
            var from = source.Row(rows[y]);
            var to = result.Row(y);
            for (var x = 0; x < columns.Length; x++)
                from.Slice(columns[x] * Channels, Channels).CopyTo(to[(x * Channels)..]);
        }
    }

    /// <summary>Positions are added up step by step, as Pillow does: the rounding of the sum decides between neighbours.</summary>
    private static int[] NearestIndices(double start, double end, int size, int sourceSize)
    {
        var indices = new int[size];
        var step = (end - start) / size;
        var position = start + step * 0.5;
        for (var i = 0; i < size; i++, position += step)
            indices[i] = Math.Min((int)position, sourceSize - 1);
        return indices;
    }
}
