using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Images;

/// <summary>Pillow's resize written plainly, number by number: what the vector kernels must equal.</summary>
internal static class PillowResize
{
    private const int Precision = 32 - 8 - 2;

    /// <summary>Crops, resizes, cuts a part out and mirrors it.</summary>
    public static byte[] Run(RgbImage source, Framing framing, ResampleFilter filter, bool isMirrored)
    {
        var window = framing.Window;
        var cropped = ImageTransforms.Crop(source, window.Left, window.Top, window.Width, window.Height);
        var wide = Rows(cropped, framing.Width, filter);
        var whole = Transposed(Rows(Transposed(wide), framing.Height, filter));
        var part = ImageTransforms.Crop(whole, framing.Part.Left, framing.Part.Top, framing.Part.Width, framing.Part.Height);
        return (isMirrored ? ImageTransforms.FlipHorizontal(part) : part).Pixels;
    }

    private static RgbImage Rows(RgbImage source, int width, ResampleFilter filter)
    {
        var result = new RgbImage(width, source.Height);
        for (var x = 0; x < width; x++)
        {
            var (first, weights) = Weights(source.Width, width, x, filter);
            for (var y = 0; y < source.Height; y++)
            {
                for (var c = 0; c < 3; c++)
                {
                    var sum = 1 << (Precision - 1);
                    for (var k = 0; k < weights.Length; k++)
                        sum += weights[k] * source.Row(y)[((first + k) * 3) + c];
                    result.Row(y)[(x * 3) + c] = (byte)Math.Clamp(sum >> Precision, 0, 255);
                }
            }
        }
        return result;
    }

    private static (int First, int[] Weights) Weights(int sourceSize, int size, int i, ResampleFilter filter)
    {
        var scale = (double)sourceSize / size;
        var filterScale = Math.Max(scale, 1);
        var support = ResampleKernels.Support(filter) * filterScale;
        var center = (i + 0.5) * scale;
        var first = Math.Max(0, (int)(center - support + 0.5));
        var last = Math.Min(sourceSize, (int)(center + support + 0.5));
        var weights = Enumerable.Range(first, last - first).Select(k => ResampleKernels.Weight(filter, (k - center + 0.5) * (1 / filterScale))).ToArray();
        var sum = 0.0;
        foreach (var weight in weights)
            sum += weight;
        return (first, [.. weights.Select(w => (int)Math.Round((sum != 0 ? w / sum : w) * (1 << Precision), MidpointRounding.AwayFromZero))]);
    }

    private static RgbImage Transposed(RgbImage image)
    {
        var result = new RgbImage(image.Height, image.Width);
        for (var y = 0; y < image.Height; y++)
        {
            for (var x = 0; x < image.Width; x++)
                image.Row(y).Slice(x * 3, 3).CopyTo(result.Row(x)[(y * 3)..]);
        }
        return result;
    }
}
