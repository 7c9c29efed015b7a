using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Augment;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Training;

/// <summary>What the training options say about augmentation.</summary>
public static class AugmentationOptions
{
    // Images up to this side are augmented as CIFAR is: a padded crop, not a random part of them.
    private const int SmallSide = 64;

    /// <summary>What is varied in training images; null with <c>--no-aug</c>.</summary>
    /// <param name="options">The options, checked.</param>
    /// <param name="kind">What kind of set the images are from (<see cref="IImageDataset.Kind"/>).</param>
    /// <param name="preprocessing">Size of the input.</param>
    public static Augmentation? Of(TrainingOptions options, string kind, Preprocessing preprocessing)
    {
        if (options.NoAug)
            return null;
        var isSmall = Math.Max(preprocessing.Height, preprocessing.Width) <= SmallSide && kind != "folder";
        return new Augmentation
        {
            Crop = options.TrainCropMode switch
            {
                "rrc" => TrainingCrop.RandomResized,
                "pad" => TrainingCrop.Padded,
                "none" => TrainingCrop.None,
                _ => isSmall ? TrainingCrop.Padded : TrainingCrop.RandomResized,
            },
            Padding = options.CropPadding,
            Scale = (options.Scale[0], options.Scale[1]),
            Ratio = (options.Ratio[0], options.Ratio[1]),
            // Digits are not mirrored: a mirrored 3 is no 3.
            FlipProbability = kind == "mnist" ? 0 : options.Hflip,
            VerticalFlipProbability = options.Vflip,
            Interpolation = options.TrainInterpolation is null or "random" ? null : NetworkPreprocessing.Filter(options.TrainInterpolation, "--train-interpolation"),
            RandomInterpolation = options.TrainInterpolation == "random",
            Policy = options.Aa,
            ColorJitter = Jitter(options),
            GrayscaleProbability = options.GrayscaleProb,
            BlurProbability = options.GaussianBlurProb,
            Erasing = options.Reprob == 0 ? null : new(options.Reprob) { Mode = Enum.Parse<ErasingMode>(options.Remode, ignoreCase: true), Count = options.Recount, SparesClean = options.Resplit },
            Views = Math.Max(1, options.AugSplits),
        };
    }

    /// <summary>Checks the options' ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag and the range.</exception>
    internal static void Validate(TrainingOptions options)
    {
        if (options.Aa is { } policy)
        {
            try
            {
                PolicyText.Check(policy);
            }
            catch (VertebraException e)
            {
                throw new VertebraException($"--aa: {e.Message}", e);
            }
        }
        if (options.TrainInterpolation is not (null or "random"))
            _ = NetworkPreprocessing.Filter(options.TrainInterpolation, "--train-interpolation");
        Share("vflip", options.Vflip);
        Share("color-jitter-prob", options.ColorJitterProb ?? 1);
        Share("grayscale-prob", options.GrayscaleProb);
        Share("gaussian-blur-prob", options.GaussianBlurProb);
        Share("reprob", options.Reprob);
        var jitter = options.ColorJitter ?? [0];
        TrainingOptions.Check(
            jitter.Count is 1 or 3 or 4 && jitter.All(s => s is >= 0 and <= 100) && jitter.Skip(3).All(hue => hue <= 0.5),
            "color-jitter", string.Join(' ', jitter), "1, 3 or 4 numbers, at least 0, the fourth at most 0.5");
        TrainingOptions.Check(options.Remode is "const" or "rand" or "pixel", "remode", options.Remode, "const, rand or pixel");
        TrainingOptions.Check(options.Recount is >= 1 and <= 1000, "recount", options.Recount, "1 to 1000");
        TrainingOptions.Check(options.AugRepeats is >= 0 and <= 100, "aug-repeats", options.AugRepeats, "0 to 100");
        TrainingOptions.Check(options.AugSplits is 0 or (>= 2 and <= 16), "aug-splits", options.AugSplits, "0, or 2 to 16");
        TrainingOptions.Check(!options.NoAug || options.AugSplits == 0, "aug-splits", options.AugSplits, "0 with --no-aug");

        static void Share(string flag, double value) => TrainingOptions.Check(value is >= 0 and <= 1, flag, value, "0 to 1");
    }

    private static ColorJitter? Jitter(TrainingOptions options) =>
        options.ColorJitter is { } strengths ? ColorJitter.Of(strengths) with { Probability = options.ColorJitterProb ?? 1 } : null;
}
