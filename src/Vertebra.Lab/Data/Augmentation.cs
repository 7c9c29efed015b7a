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

/// <summary>What is varied at random while training.</summary>
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
        return this;
    }
}
