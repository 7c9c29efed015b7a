namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// One of several short lists of operations, found by search for ImageNet (Cubuk, Zoph, Mané, Vasudevan and Le,
/// "AutoAugment: Learning augmentation policies from data", CVPR 2019), and 3-Augment (Touvron, Cord and Jégou, "DeiT III:
/// Revenge of the ViT", ECCV 2022), under timm's names.
/// </summary>
internal sealed class AutoAugment : AugmentPolicy
{
    private static readonly (string Name, double Probability, double Level)[][] V0 =
    [
        [("Equalize", 0.8, 1), ("ShearY", 0.8, 4)], [("Color", 0.4, 9), ("Equalize", 0.6, 3)], [("Color", 0.4, 1), ("Rotate", 0.6, 8)],
        [("Solarize", 0.8, 3), ("Equalize", 0.4, 7)], [("Solarize", 0.4, 2), ("Solarize", 0.6, 2)], [("Color", 0.2, 0), ("Equalize", 0.8, 8)],
        [("Equalize", 0.4, 8), ("SolarizeAdd", 0.8, 3)], [("ShearX", 0.2, 9), ("Rotate", 0.6, 8)], [("Color", 0.6, 1), ("Equalize", 1, 2)],
        [("Invert", 0.4, 9), ("Rotate", 0.6, 0)], [("Equalize", 1, 9), ("ShearY", 0.6, 3)], [("Color", 0.4, 7), ("Equalize", 0.6, 0)],
        [("Posterize", 0.4, 6), ("AutoContrast", 0.4, 7)], [("Solarize", 0.6, 8), ("Color", 0.6, 9)], [("Solarize", 0.2, 4), ("Rotate", 0.8, 9)],
        [("Rotate", 1, 7), ("TranslateYRel", 0.8, 9)], [("ShearX", 0, 0), ("Solarize", 0.8, 4)], [("ShearY", 0.8, 0), ("Color", 0.6, 4)],
        [("Color", 1, 0), ("Rotate", 0.6, 2)], [("Equalize", 0.8, 4), ("Equalize", 0, 8)], [("Equalize", 1, 4), ("AutoContrast", 0.6, 2)],
        [("ShearY", 0.4, 7), ("SolarizeAdd", 0.6, 7)], [("Posterize", 0.8, 2), ("Solarize", 0.6, 10)], [("Solarize", 0.6, 8), ("Equalize", 0.6, 1)],
        [("Color", 0.8, 6), ("Rotate", 0.4, 5)],
    ];

    // The last rows repeat earlier ones, as they do in the paper's table.
    private static readonly (string Name, double Probability, double Level)[][] Original =
    [
        [("PosterizeOriginal", 0.4, 8), ("Rotate", 0.6, 9)], [("Solarize", 0.6, 5), ("AutoContrast", 0.6, 5)], [("Equalize", 0.8, 8), ("Equalize", 0.6, 3)],
        [("PosterizeOriginal", 0.6, 7), ("PosterizeOriginal", 0.6, 6)], [("Equalize", 0.4, 7), ("Solarize", 0.2, 4)], [("Equalize", 0.4, 4), ("Rotate", 0.8, 8)],
        [("Solarize", 0.6, 3), ("Equalize", 0.6, 7)], [("PosterizeOriginal", 0.8, 5), ("Equalize", 1, 2)], [("Rotate", 0.2, 3), ("Solarize", 0.6, 8)],
        [("Equalize", 0.6, 8), ("PosterizeOriginal", 0.4, 6)], [("Rotate", 0.8, 8), ("Color", 0.4, 0)], [("Rotate", 0.4, 9), ("Equalize", 0.6, 2)],
        [("Equalize", 0, 7), ("Equalize", 0.8, 8)], [("Invert", 0.6, 4), ("Equalize", 1, 8)], [("Color", 0.6, 4), ("Contrast", 1, 8)],
        [("Rotate", 0.8, 8), ("Color", 1, 2)], [("Color", 0.8, 8), ("Solarize", 0.8, 7)], [("Sharpness", 0.4, 7), ("Invert", 0.6, 8)],
        [("ShearX", 0.6, 5), ("Equalize", 1, 9)], [("Color", 0.4, 0), ("Equalize", 0.6, 3)], [("Equalize", 0.4, 7), ("Solarize", 0.2, 4)],
        [("Solarize", 0.6, 5), ("AutoContrast", 0.6, 5)], [("Invert", 0.6, 4), ("Equalize", 1, 8)], [("Color", 0.6, 4), ("Contrast", 1, 8)],
        [("Equalize", 0.8, 8), ("Equalize", 0.6, 3)],
    ];

    /// <summary>Solarised from the middle, grey, or blurred by 0.1 to 2 pixels.</summary>
    private static readonly (string Name, double Probability, double Level)[][] ThreeAugment =
        [[("Solarize", 1, 5)], [("Desaturate", 1, 10)], [("GaussianBlurRand", 1, 10)]];

    /// <summary>The tables by timm's names; those ending in r posterise more with a greater level.</summary>
    public static IReadOnlyDictionary<string, (string Name, double Probability, double Level)[][]> Tables { get; } = new Dictionary<string, (string, double, double)[][]>(StringComparer.Ordinal)
    {
        ["v0"] = V0,
        ["v0r"] = WithIncreasingPosterize(V0),
        ["original"] = Original,
        ["originalr"] = WithIncreasingPosterize(Original),
        ["3a"] = ThreeAugment,
    };

    private readonly PolicyStep[][] _lists;

    /// <param name="table">One of <see cref="Tables"/>.</param>
    /// <param name="strength">How levels vary and what they mean.</param>
    public AutoAugment((string Name, double Probability, double Level)[][] table, PolicyStrength strength) =>
        _lists = [.. table.Select(list => list.Select(s => new PolicyStep(s.Name, s.Probability, s.Level, strength)).ToArray())];

    /// <inheritdoc/>
    public override void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        foreach (var step in _lists[random.Below(_lists.Length)])
            step.Apply(canvas, ref random);
    }

    private static (string, double, double)[][] WithIncreasingPosterize((string Name, double Probability, double Level)[][] table) =>
        [.. table.Select(list => list.Select(s => (s.Name.StartsWith("Posterize", StringComparison.Ordinal) ? "PosterizeIncreasing" : s.Name, s.Probability, s.Level)).ToArray())];
}
