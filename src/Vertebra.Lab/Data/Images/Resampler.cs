using System.Buffers;
using System.Runtime.Intrinsics.X86;

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
        return Run(source, Framing.Whole(source.Width, source.Height, width, height), filter, region);
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
        return Run(source, new Framing(new CropBox(left, top, cropWidth, cropHeight), width, height, new CropBox(0, 0, width, height)), filter);
    }

    /// <summary>Resizes so that the shorter side gets a length, and the longer one floor(shorterSide · long / short): torchvision's and timm's <c>Resize(int)</c>.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="shorterSide">Length of the shorter side of the result, at least 1.</param>
    /// <param name="filter">How pixels are weighted.</param>
    public static RgbImage ResizeShorterSide(RgbImage source, int shorterSide, ResampleFilter filter = ResampleFilter.Bilinear)
    {
        var (width, height) = ShorterSide(source.Width, source.Height, shorterSide);
        return Resize(source, width, height, filter);
    }

    /// <summary>Width and height that <see cref="ResizeShorterSide"/> gives.</summary>
    internal static (int Width, int Height) ShorterSide(int width, int height, int shorterSide)
    {
        return width <= height ? (shorterSide, LongSide(height, width)) : (LongSide(width, height), shorterSide);

        int LongSide(int longSide, int shortSide) => (int)Math.Min((long)shorterSide * longSide / shortSide, int.MaxValue);
    }

    /// <summary>Makes a new picture of what is framed.</summary>
    internal static RgbImage Run(RgbImage source, Framing framing, ResampleFilter filter, SourceBox? box = null)
    {
        var result = RgbImage.Uninitialized(framing.Part.Width, framing.Part.Height);
        using var plan = new ResizePlan(framing, filter, isMirrored: false, box);
        using var pixels = PixelPart.Of(source);
        Run(pixels, plan, result.Pixels);
        return result;
    }

    /// <summary>Carries out a plan.</summary>
    /// <param name="source">Pixels of the picture, at least those the plan needs.</param>
    /// <param name="plan">What is to be made of them.</param>
    /// <param name="result">Receives the result, <see cref="ResizePlan.ResultBytes"/> bytes.</param>
    internal static void Run(PixelPart source, ResizePlan plan, Span<byte> result)
    {
        if (plan.Filter == ResampleFilter.Nearest)
        {
            PickNearest(source, plan, result);
            return;
        }
        var rows = source.From(plan.Needed.Top)[((plan.Needed.Left - source.Box.Left) * Channels)..];
        if (plan.Horizontal is null)
        {
            ResampleColumns(rows, source.Stride, plan, result);
            return;
        }
        var stride = ResamplePasses.StrideOf(plan.Part.Width * Channels);
        var bytes = (long)ResamplePasses.RowsOf(plan.Needed.Height) * stride;
        if (bytes > Array.MaxLength)
            throw new VertebraException($"resizing {plan.Window.Width}x{plan.Window.Height} to {plan.Columns.Size}x{plan.Rows.Size} needs {bytes} bytes in between; do it in two steps");
        var between = ArrayPool<byte>.Shared.Rent((int)bytes);
        if (Avx512F.IsSupported)
            ResamplePasses.Rows<WideSum512>(rows, source.Stride, plan, between, stride);
        else
            ResamplePasses.Rows<WideSum256>(rows, source.Stride, plan, between, stride);
        ResampleColumns(between, stride, plan, result);
        ArrayPool<byte>.Shared.Return(between);
    }

    /// <summary>Second pass, or a copy where the rows stay as they are.</summary>
    private static void ResampleColumns(ReadOnlySpan<byte> rows, int stride, ResizePlan plan, Span<byte> result)
    {
        var rowBytes = plan.Part.Width * Channels;
        if (plan.Vertical is null)
        {
            for (var y = 0; y < plan.Part.Height; y++)
                rows.Slice(y * stride, rowBytes).CopyTo(result[(y * rowBytes)..]);
        }
        else if (Avx512F.IsSupported)
            ResamplePasses.Columns<WideSum512>(rows, stride, plan.Vertical, result, rowBytes);
        else
            ResamplePasses.Columns<WideSum256>(rows, stride, plan.Vertical, result, rowBytes);
    }

    private static void PickNearest(PixelPart source, ResizePlan plan, Span<byte> result)
    {
        var columns = NearestIndices(plan.Columns);
        if (plan.IsMirrored)
            columns.AsSpan().Reverse();
        var to = result;
        foreach (var row in NearestIndices(plan.Rows))
        {
            var from = source.From(plan.Window.Top + row)[((plan.Window.Left - source.Box.Left) * Channels)..];
            foreach (var column in columns)
            {
                from.Slice(column * Channels, Channels).CopyTo(to);
                to = to[Channels..];
            }
        }
    }

    /// <summary>Positions are added up step by step, as Pillow does: the rounding of the sum decides between neighbours.</summary>
    private static int[] NearestIndices(ResampleAxis axis)
    {
        var indices = new int[axis.Count];
        var position = axis.Start + (axis.Scale * 0.5);
        for (var i = 0; i < axis.First + axis.Count; i++, position += axis.Scale)
        {
            if (i >= axis.First)
                indices[i - axis.First] = Math.Min((int)position, axis.SourceSize - 1);
        }
        return indices;
    }
}
