using Vertebra.Lab.Data.Augment;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>How a training image is cut to the network's size.</summary>
public enum TrainingCrop
{
    /// <summary>As in evaluation: nothing random.</summary>
    None,

    /// <summary>A random part of random area and shape, resized: the usual recipe for photos.</summary>
    RandomResized,

    /// <summary>A black border is added and a random window of the network's size cut out: the usual recipe for CIFAR.</summary>
    Padded,
}

/// <summary>
/// What is varied at random while training. Every sample has random numbers of its own, by its place in the epoch, and draws
/// them in this order: crop, mirror, flip, filter; then, for each view that is not the clean one, policy, colour jitter, grey
/// and blur, and for each view erasing. What is not asked for draws nothing.
/// </summary>
public sealed record Augmentation
{
    public TrainingCrop Crop { get; init; } = TrainingCrop.RandomResized;

    /// <summary>For <see cref="TrainingCrop.RandomResized"/>: least and greatest share of the image's area, in (0, 1].</summary>
    public (double Low, double High) Scale { get; init; } = (0.08, 1);

    /// <summary>For <see cref="TrainingCrop.RandomResized"/>: least and greatest width / height of the part.</summary>
    public (double Low, double High) Ratio { get; init; } = (3.0 / 4, 4.0 / 3);

    /// <summary>For <see cref="TrainingCrop.Padded"/>: width of the border, in pixels.</summary>
    public int Padding { get; init; } = 4;

    /// <summary>Probability of mirroring left and right.</summary>
    public double FlipProbability { get; init; } = 0.5;

    /// <summary>Probability of turning upside down.</summary>
    public double VerticalFlipProbability { get; init; }

    /// <summary>For <see cref="TrainingCrop.RandomResized"/> and policies: how pixels between others are found; null: as in evaluation.</summary>
    public ResampleFilter? Interpolation { get; init; }

    /// <summary>Draw bilinear or bicubic for each sample, and for each operation of a policy.</summary>
    public bool RandomInterpolation { get; init; }

    /// <summary>A policy as timm's <c>--aa</c> writes it: <c>rand-m9-mstd0.5-inc1</c>, <c>augmix-m5-w4-d2</c>, <c>v0</c>, <c>original</c>, <c>3a</c>, <c>ta_wide</c>; null for none.</summary>
    public string? Policy { get; init; }

    /// <summary>Random colours; left out, as in timm, where a policy other than <c>3a</c> varies them. Null for none.</summary>
    public ColorJitter? ColorJitter { get; init; }

    /// <summary>Probability of grey.</summary>
    public double GrayscaleProbability { get; init; }

    /// <summary>Probability of a Gaussian blur of 0.1 to 2 pixels.</summary>
    public double BlurProbability { get; init; }

    /// <summary>Erased rectangles; null for none.</summary>
    public RandomErasing? Erasing { get; init; }

    /// <summary>
    /// Views made of each sample. They share crop and flips; when there are several, the first one is clean: no policy, colour
    /// jitter, grey or blur.
    /// </summary>
    public int Views { get; init; } = 1;

    /// <summary>Random-resized-crop and flip.</summary>
    public static Augmentation Photos { get; } = new();

    /// <summary>Padded crop and flip.</summary>
    public static Augmentation SmallImages { get; } = new() { Crop = TrainingCrop.Padded };

    /// <summary>Checks every value.</summary>
    /// <returns>This object.</returns>
    /// <exception cref="VertebraException">A value is out of range.</exception>
    public Augmentation Validate()
    {
        if (!(Scale.Low > 0 && Scale.Low <= Scale.High && Scale.High <= 1))
            throw new VertebraException($"augmentation: crop scale {Scale.Low} to {Scale.High} is not a range in (0, 1]");
        if (!(Ratio.Low > 0 && Ratio.Low <= Ratio.High && double.IsFinite(Ratio.High)))
            throw new VertebraException($"augmentation: crop ratio {Ratio.Low} to {Ratio.High} is not a range above 0");
        if (Padding is < 0 or > 1024)
            throw new VertebraException($"augmentation: padding {Padding} is outside 0 to 1024");
        if (!(FlipProbability is >= 0 and <= 1))
            throw new VertebraException($"augmentation: flip probability {FlipProbability} is outside 0 to 1");
        if (!(VerticalFlipProbability is >= 0 and <= 1))
            throw new VertebraException($"augmentation: vertical flip probability {VerticalFlipProbability} is outside 0 to 1");
        if (!(GrayscaleProbability is >= 0 and <= 1 && BlurProbability is >= 0 and <= 1))
            throw new VertebraException($"augmentation: probabilities of grey {GrayscaleProbability} and blur {BlurProbability} must be 0 to 1");
        if (Views is < 1 or > 16)
            throw new VertebraException($"augmentation: {Views} views of a sample are outside 1 to 16");
        if (Policy is not null)
            PolicyText.Check(Policy);
        ColorJitter?.Validate();
        Erasing?.Validate();
        return this;
    }
}
