using System.Buffers;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// Makes a network's input from an image in two steps: <see cref="Prepare"/>, the same every time, whose result may be
/// kept; and <see cref="Finish"/>, which draws crop and flip and writes normalised numbers.
/// </summary>
public sealed class InputTransform
{
    // Beyond this ratio of the sides only the middle is looked at: resizing the whole would take memory without bound.
    private const int LargestRatio = 16;

    private readonly Augmentation? _augmentation;
    private readonly PixelNormalizer _normalizer;

    /// <param name="preprocessing">Size, channels, mean and deviation of the input, and how evaluation crops.</param>
    /// <param name="augmentation">What is varied at random; null for evaluation.</param>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public InputTransform(Preprocessing preprocessing, Augmentation? augmentation = null)
    {
        Preprocessing = preprocessing.Validate();
        _augmentation = augmentation?.Validate();
        _normalizer = new(preprocessing);
    }

    public Preprocessing Preprocessing { get; }

    /// <summary>Number of float32 values of one input, height * width * channels.</summary>
    public int InputLength => Preprocessing.Height * Preprocessing.Width * Preprocessing.Channels;

    /// <summary>The part that is the same every time: grey where the network has one channel, and the size unless a random crop decides it.</summary>
    /// <returns>The image itself where there is nothing to do, otherwise a new one.</returns>
    public RgbImage Prepare(RgbImage image)
    {
        if (Preprocessing.Channels == 1)
            image = ToGrey(image);
        return _augmentation?.Crop switch
        {
            TrainingCrop.RandomResized => image,
            TrainingCrop.Padded => Fit(image, cropPct: 1),
            _ => Fit(image, Preprocessing.CropPct),
        };
    }

    /// <summary>The random part, and the normalised numbers.</summary>
    /// <param name="prepared">Result of <see cref="Prepare"/>; it is not changed.</param>
    /// <param name="random">Numbers of this sample.</param>
    /// <param name="target">Receives [height, width, channels]; <see cref="InputLength"/> floats.</param>
    public void Finish(RgbImage prepared, SampleRandom random, Span<float> target)
    {
        if (_augmentation is null)
        {
            _normalizer.Run(prepared.Pixels, target);
            return;
        }
        var length = Preprocessing.Height * Preprocessing.Width * 3;
        var rented = ArrayPool<byte>.Shared.Rent(length);
        var pixels = rented.AsSpan(0, length);
        Crop(prepared, ref random, pixels);
        if (random.Uniform(0, 1) < _augmentation.FlipProbability)
            Mirror(pixels);
        _normalizer.Run(pixels, target);
        ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>The evaluation input of one image: float32 [1, height, width, channels].</summary>
    public Tensor Apply(RgbImage image)
    {
        var tensor = Tensor.Empty([1, Preprocessing.Height, Preprocessing.Width, Preprocessing.Channels]);
        Finish(Prepare(image), default, tensor.AsSpan<float>());
        tensor.MarkWritten();
        return tensor;
    }

    private void Crop(RgbImage image, ref SampleRandom random, Span<byte> pixels)
    {
        switch (_augmentation!.Crop)
        {
            case TrainingCrop.RandomResized:
                var box = RandomResizedCrop.Choose(image.Width, image.Height, _augmentation.Scale, _augmentation.Ratio, ref random);
                Resampler.ResizeCrop(image, box.Left, box.Top, box.Width, box.Height, Preprocessing.Width, Preprocessing.Height, Preprocessing.Interpolation)
                    .Pixels.CopyTo(pixels);
                break;
            case TrainingCrop.Padded:
                var padding = _augmentation.Padding;
                CopyWindow(image, random.Below((2 * padding) + 1) - padding, random.Below((2 * padding) + 1) - padding, pixels);
                break;
            default:
                image.Pixels.CopyTo(pixels);
                break;
        }
    }

    /// <summary>Copies the window of the image's own size that begins at (left, top); black where it lies outside.</summary>
    private static void CopyWindow(RgbImage image, int left, int top, Span<byte> target)
    {
        var rowBytes = image.Width * 3;
        var first = Math.Clamp(-left, 0, image.Width) * 3;
        var end = Math.Clamp(image.Width - left, 0, image.Width) * 3;
        for (var y = 0; y < image.Height; y++)
        {
            var row = target.Slice(y * rowBytes, rowBytes);
            if ((uint)(top + y) >= (uint)image.Height || first >= end)
            {
                row.Clear();
                continue;
            }
            row[..first].Clear();
            image.Row(top + y).Slice(first + (left * 3), end - first).CopyTo(row[first..]);
            row[end..].Clear();
        }
    }

    private void Mirror(Span<byte> pixels)
    {
        var rowBytes = Preprocessing.Width * 3;
        for (var start = 0; start < pixels.Length; start += rowBytes)
        {
            var row = pixels.Slice(start, rowBytes);
            for (int left = 0, right = rowBytes - 3; left < right; left += 3, right -= 3)
            {
                (row[left], row[right]) = (row[right], row[left]);
                (row[left + 1], row[right + 1]) = (row[right + 1], row[left + 1]);
                (row[left + 2], row[right + 2]) = (row[right + 2], row[left + 2]);
            }
        }
    }

    /// <summary>Resizes to size / crop_pct and cuts out the centre; an image of the right size is left as it is when nothing is to be cut off.</summary>
    private RgbImage Fit(RgbImage image, double cropPct)
    {
        var (width, height, filter) = (Preprocessing.Width, Preprocessing.Height, Preprocessing.Interpolation);
        var (wideWidth, wideHeight) = ((int)Math.Floor(width / cropPct), (int)Math.Floor(height / cropPct));
        if (image.Width == width && image.Height == height && wideWidth == width && wideHeight == height)
            return image;
        if (Preprocessing.CropMode == CropMode.Squash)
            return ImageTransforms.CenterCrop(Resampler.Resize(image, wideWidth, wideHeight, filter), width, height);
        image = LimitRatio(image);
        if (width == height)
            return ImageTransforms.CenterCrop(Resampler.ResizeShorterSide(image, wideWidth, filter), width, height);
        // timm's ResizeKeepRatio: the side that is relatively shorter fits.
        var ratio = Math.Min((double)image.Width / wideWidth, (double)image.Height / wideHeight);
        var resized = Resampler.Resize(image, Math.Max(width, (int)Math.Round(image.Width / ratio)), Math.Max(height, (int)Math.Round(image.Height / ratio)), filter);
        return ImageTransforms.CenterCrop(resized, width, height);
    }

    private static RgbImage LimitRatio(RgbImage image)
    {
        var limit = (long)Math.Min(image.Width, image.Height) * LargestRatio;
        return Math.Max(image.Width, image.Height) <= limit ? image
            : ImageTransforms.CenterCrop(image, (int)Math.Min(image.Width, limit), (int)Math.Min(image.Height, limit));
    }

    /// <summary>Luma of ITU-R 601 in Pillow's fixed point, in all three channels; grey pixels stay as they are.</summary>
    private static RgbImage ToGrey(RgbImage image)
    {
        var grey = RgbImage.Uninitialized(image.Width, image.Height);
        var (from, to) = (image.Pixels, grey.Pixels);
        for (var i = 0; i < from.Length; i += 3)
            to[i] = to[i + 1] = to[i + 2] = (byte)(((from[i] * 19595) + (from[i + 1] * 38470) + (from[i + 2] * 7471) + 0x8000) >> 16);
        return grey;
    }
}
