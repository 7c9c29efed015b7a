namespace Vertebra.Lab.Training.Mixing;

/// <summary>What shares a mixing coefficient.</summary>
public enum MixingMode
{
    /// <summary>All images of a batch.</summary>
    Batch,

    /// <summary>Two images that are mixed with each other.</summary>
    Pair,

    /// <summary>None: every image has its own.</summary>
    Elem,
}

/// <summary>How images of a batch are mixed; names and defaults are those of timm's <c>Mixup</c>.</summary>
public sealed record MixingOptions
{
    /// <summary>α of mixup's Beta(α, α); 0: no mixup.</summary>
    public double MixupAlpha { get; init; }

    /// <summary>α of CutMix's; 0: no CutMix.</summary>
    public double CutmixAlpha { get; init; }

    /// <summary>Least and largest side of CutMix's rectangle, as shares of the image's, instead of a side that follows from λ.</summary>
    public (double Least, double Most)? CutmixSides { get; init; }

    /// <summary>Probability of mixing at all.</summary>
    public double Probability { get; init; } = 1;

    /// <summary>Probability of CutMix where both are on.</summary>
    public double SwitchProbability { get; init; } = 0.5;

    public MixingMode Mode { get; init; }

    /// <summary>Epoch from which on nothing is mixed; 0: never.</summary>
    public int OffEpoch { get; init; }

    /// <summary>What the training options say; null when they do not ask for mixing.</summary>
    public static MixingOptions? Of(TrainingOptions options)
    {
        if (options.Mixup == 0 && options.Cutmix == 0 && options.CutmixMinmax is null)
            return null;
        return new()
        {
            MixupAlpha = options.Mixup,
            CutmixAlpha = options.CutmixMinmax is null ? options.Cutmix : 1,
            CutmixSides = options.CutmixMinmax is { } sides ? (sides[0], sides[1]) : null,
            Probability = options.MixupProb,
            SwitchProbability = options.MixupSwitchProb,
            Mode = Enum.Parse<MixingMode>(options.MixupMode, ignoreCase: true),
            OffEpoch = options.MixupOffEpoch,
        };
    }

    /// <summary>Checks the options' ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag and the range.</exception>
    internal static void Validate(TrainingOptions options)
    {
        TrainingOptions.Check(options.Mixup is >= 0 and <= 1000, "mixup", options.Mixup, "0 to 1000 (0: off)");
        TrainingOptions.Check(options.Cutmix is >= 0 and <= 1000, "cutmix", options.Cutmix, "0 to 1000 (0: off)");
        TrainingOptions.Check(
            options.CutmixMinmax is not { } sides || (sides.Count == 2 && sides[0] >= 0 && sides[0] <= sides[1] && sides[1] <= 1),
            "cutmix-minmax", string.Join(' ', options.CutmixMinmax ?? []), "two ascending shares, 0 to 1");
        TrainingOptions.Check(options.MixupProb is >= 0 and <= 1, "mixup-prob", options.MixupProb, "0 to 1");
        TrainingOptions.Check(options.MixupSwitchProb is >= 0 and <= 1, "mixup-switch-prob", options.MixupSwitchProb, "0 to 1");
        TrainingOptions.Check(options.MixupMode is "batch" or "pair" or "elem", "mixup-mode", options.MixupMode, "batch, pair or elem");
        TrainingOptions.Check(options.MixupOffEpoch >= 0, "mixup-off-epoch", options.MixupOffEpoch, "at least 0 (0: never off)");
        TrainingOptions.Check(options.AugSplits == 0 || Of(options) is null, "aug-splits", options.AugSplits, "0 with --mixup or --cutmix");
    }
}
