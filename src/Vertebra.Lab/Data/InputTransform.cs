using System.Diagnostics;
using Vertebra.Lab.Data.Augment;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// Makes a network's input from an image in two steps: <see cref="Prepare"/>, the same every time, whose result may be
/// kept; and <see cref="Finish(RgbImage, SampleRandom, Span{float})"/>, which draws what varies and writes normalised numbers.
/// </summary>
public sealed class InputTransform
{
    // Beyond this ratio of the sides only the middle is looked at: resizing the whole would take memory without bound.
    private const int LargestRatio = 16;

    private readonly Augmentation? _augmentation;
    private readonly PixelNormalizer _normalizer;
    private readonly SampleAugmenter? _augmenter;

    /// <param name="preprocessing">Size, channels, mean and deviation of the input, and how evaluation crops.</param>
    /// <param name="augmentation">What is varied at random; null for evaluation.</param>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public InputTransform(Preprocessing preprocessing, Augmentation? augmentation = null)
    {
        Preprocessing = preprocessing.Validate();
        _augmentation = augmentation?.Validate();
        _normalizer = new(preprocessing);
        _augmenter = augmentation is null ? null : new(preprocessing, augmentation);
    }

    public Preprocessing Preprocessing { get; }

    /// <summary>Inputs made of each sample: 1, or the first of several is clean (<see cref="Augmentation.Views"/>).</summary>
    public int Views => _augmentation?.Views ?? 1;

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
    /// <param name="target">Receives [views, height, width, channels]; <see cref="InputLength"/> floats a view.</param>
    public void Finish(RgbImage prepared, SampleRandom random, Span<float> target) => Finish(prepared, random, target, log: null);

    /// <summary>The same, and tells which operations were drawn, and where a view of several begins.</summary>
    internal void Finish(RgbImage prepared, SampleRandom random, Span<float> target, List<string>? log) =>
        Finish(prepared, random, new(target, 0, 1, InputLength), clock: null, log);

    internal void Finish(RgbImage prepared, SampleRandom random, SampleViews views, LoaderClock? clock, List<string>? log = null)
    {
        if (_augmentation?.Crop == TrainingCrop.RandomResized)
        {
            var (plan, isUpsideDown) = RandomPlan(prepared.Width, prepared.Height, ref random);
            using (plan)
            using (var pixels = PixelPart.Of(prepared))
                Finish(pixels, plan, isUpsideDown, random, views, clock, log);
            return;
        }
        var start = Stopwatch.GetTimestamp();
        if (_augmentation is null)
            _normalizer.Run(prepared.Pixels, views[0]);
        else
            FinishWindow(prepared, random, views, log);
        clock?.Add(LoaderStage.Finish, start);
    }

    /// <summary>True when <see cref="Prepare"/> gives back the image itself, so that keeping its result is keeping the image.</summary>
    internal bool PreparesNothing => _augmentation?.Crop == TrainingCrop.RandomResized && Preprocessing.Channels == 3;

    /// <summary>True when <see cref="Make"/> does what <see cref="Prepare"/> and <see cref="Finish(RgbImage, SampleRandom, Span{float})"/> do.</summary>
    internal bool CanMake => _augmentation?.Crop is null or TrainingCrop.RandomResized;

    /// <summary>Makes an input in one go, decoding only what it shows, to the same bits.</summary>
    /// <param name="picture">The image's file.</param>
    /// <param name="checksRest">Find damage elsewhere in the file too.</param>
    /// <param name="random">Numbers of this sample.</param>
    /// <param name="views">Receive [height, width, channels] each.</param>
    /// <param name="clock">Told how long decoding and resizing took.</param>
    /// <exception cref="VertebraException">The image cannot be decoded or resized.</exception>
    internal void Make(IPictureReader picture, bool checksRest, SampleRandom random, SampleViews views, LoaderClock? clock)
    {
        var start = Stopwatch.GetTimestamp();
        var info = picture.ReadInfo();
        var (plan, isUpsideDown) = _augmentation is null ? (new ResizePlan(FitFraming(info.Width, info.Height, Preprocessing.CropPct), Preprocessing.Interpolation), false)
            : RandomPlan(info.Width, info.Height, ref random);
        using (plan)
        using (var decoded = picture.DecodePart(plan.Needed, checksRest))
        using (var pixels = Preprocessing.Channels == 1 ? ToGrey(decoded) : decoded)
        {
            clock?.Add(LoaderStage.Decode, start);
            Finish(pixels, plan, isUpsideDown, random, views, clock);
        }
    }

    /// <summary>The evaluation input of one image: float32 [1, height, width, channels].</summary>
    public Tensor Apply(RgbImage image)
    {
        var tensor = Tensor.Empty([1, Preprocessing.Height, Preprocessing.Width, Preprocessing.Channels]);
        Finish(Prepare(image), default, tensor.AsSpan<float>());
        tensor.MarkWritten();
        return tensor;
    }

    /// <summary>Draws crop, flips and filter.</summary>
    private (ResizePlan Plan, bool IsUpsideDown) RandomPlan(int width, int height, ref SampleRandom random)
    {
        var box = RandomResizedCrop.Choose(width, height, _augmentation!.Scale, _augmentation.Ratio, ref random);
        var (newWidth, newHeight) = (Preprocessing.Width, Preprocessing.Height);
        var (isMirrored, isUpsideDown) = DrawFlips(ref random);
        var filter = !_augmentation.RandomInterpolation ? _augmentation.Interpolation ?? Preprocessing.Interpolation
            : random.Below(2) == 0 ? ResampleFilter.Bilinear : ResampleFilter.Bicubic;
        return (new(new(box, newWidth, newHeight, new(0, 0, newWidth, newHeight)), filter, isMirrored), isUpsideDown);
    }

    private (bool IsMirrored, bool IsUpsideDown) DrawFlips(ref SampleRandom random)
    {
        var isMirrored = random.Uniform(0, 1) < _augmentation!.FlipProbability;
        return (isMirrored, _augmentation.VerticalFlipProbability > 0 && random.Uniform(0, 1) < _augmentation.VerticalFlipProbability);
    }

    /// <summary>Resizes, and does what follows.</summary>
    private void Finish(PixelPart source, ResizePlan plan, bool isUpsideDown, SampleRandom random, SampleViews views, LoaderClock? clock, List<string>? log = null)
    {
        var start = Stopwatch.GetTimestamp();
        using var canvas = new PixelCanvas(plan.Part.Width, plan.Part.Height) { Log = log };
        Resampler.Run(source, plan, canvas.Pixels);
        start = clock?.Add(LoaderStage.Resize, start) ?? start;
        if (isUpsideDown)
            TurnUpsideDown(canvas);
        WriteViews(canvas, random, views);
        clock?.Add(LoaderStage.Finish, start);
    }

    /// <summary>Cuts the prepared image's own size out of it and its border, or takes it whole, and does what follows.</summary>
    private void FinishWindow(RgbImage prepared, SampleRandom random, SampleViews views, List<string>? log)
    {
        using var canvas = new PixelCanvas(prepared.Width, prepared.Height) { Log = log };
        if (_augmentation!.Crop == TrainingCrop.Padded)
        {
            var places = (2 * _augmentation.Padding) + 1;
            CopyWindow(prepared, random.Below(places) - _augmentation.Padding, random.Below(places) - _augmentation.Padding, canvas.Pixels);
        }
        else
            prepared.Pixels.CopyTo(canvas.Pixels);
        var (isMirrored, isUpsideDown) = DrawFlips(ref random);
        if (isMirrored)
            Mirror(canvas.Pixels);
        if (isUpsideDown)
            TurnUpsideDown(canvas);
        WriteViews(canvas, random, views);
    }

    /// <summary>Augments, normalises, erases.</summary>
    private void WriteViews(PixelCanvas canvas, SampleRandom random, SampleViews views)
    {
        for (var view = 0; view < Views; view++)
        {
            if (Views == 1)
                WriteView(canvas, isClean: false, ref random, views[view]);
            else
            {
                canvas.Log?.Add(NameOfView(view));
                using var copy = canvas.Copy();
                WriteView(copy, isClean: view == 0, ref random, views[view]);
            }
        }
    }

    /// <summary>What logs call a view of several.</summary>
    internal static string NameOfView(int view) => view == 0 ? "clean view" : $"view {view}";

    private void WriteView(PixelCanvas canvas, bool isClean, ref SampleRandom random, Span<float> target)
    {
        if (!isClean)
            _augmenter?.Apply(canvas, ref random);
        _normalizer.Run(canvas.Pixels, target);
        if (_augmentation?.Erasing is { } erasing && !(isClean && erasing.SparesClean))
            erasing.Apply(target, Preprocessing.Height, Preprocessing.Width, ref random);
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

    private static void TurnUpsideDown(PixelCanvas canvas)
    {
        for (var y = 0; y < canvas.Height; y++)
            canvas.Pixels.Slice(y * canvas.Stride, canvas.Stride).CopyTo(canvas.Spare[((canvas.Height - 1 - y) * canvas.Stride)..]);
        canvas.Swap();
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
        var framing = FitFraming(image.Width, image.Height, cropPct);
        return framing == Framing.Whole(image.Width, image.Height, image.Width, image.Height) ? image
            : Resampler.Run(image, framing, Preprocessing.Interpolation);
    }

    private Framing FitFraming(int imageWidth, int imageHeight, double cropPct)
    {
        var (width, height) = (Preprocessing.Width, Preprocessing.Height);
        var (wideWidth, wideHeight) = ((int)Math.Floor(width / cropPct), (int)Math.Floor(height / cropPct));
        if ((imageWidth, imageHeight) == (width, height) && (wideWidth, wideHeight) == (width, height))
            return Framing.Whole(width, height, width, height);
        var whole = new CropBox(0, 0, imageWidth, imageHeight);
        if (Preprocessing.CropMode == CropMode.Squash)
            return Centered(whole, wideWidth, wideHeight);
        // The middle of very long images, cut out before they are resized.
        var limit = (long)Math.Min(imageWidth, imageHeight) * LargestRatio;
        var window = Math.Max(imageWidth, imageHeight) <= limit ? whole
            : ImageTransforms.CenterBox(imageWidth, imageHeight, (int)Math.Min(imageWidth, limit), (int)Math.Min(imageHeight, limit));
        if (width == height)
        {
            var (resizedWidth, resizedHeight) = Resampler.ShorterSide(window.Width, window.Height, wideWidth);
            return Centered(window, resizedWidth, resizedHeight);
        }
        // timm's ResizeKeepRatio: the side that is relatively shorter fits.
        var ratio = Math.Min((double)window.Width / wideWidth, (double)window.Height / wideHeight);
        return Centered(window, Math.Max(width, (int)Math.Round(window.Width / ratio)), Math.Max(height, (int)Math.Round(window.Height / ratio)));

        Framing Centered(CropBox window, int resizedWidth, int resizedHeight) =>
            new(window, resizedWidth, resizedHeight, ImageTransforms.CenterBox(resizedWidth, resizedHeight, width, height));
    }

    private static PixelPart ToGrey(PixelPart colour)
    {
        var grey = PixelPart.Rent(colour.Box);
        Luma.ToGrey(colour.Pixels, grey.Pixels);
        return grey;
    }

    private static RgbImage ToGrey(RgbImage image)
    {
        var grey = RgbImage.Uninitialized(image.Width, image.Height);
        Luma.ToGrey(image.Pixels, grey.Pixels);
        return grey;
    }
}
