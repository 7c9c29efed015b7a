namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// One operation, of a strength drawn from all of its strengths (Müller and Hutter, "TrivialAugment: Tuning-free yet
/// state-of-the-art data augmentation", ICCV 2021): the wide search space, with the table of torchvision's
/// <c>TrivialAugmentWide</c>.
/// </summary>
/// <param name="style">How warps fill the gaps.</param>
internal sealed class TrivialAugment(WarpStyle style) : AugmentPolicy
{
    /// <summary>Strengths of an operation that has any.</summary>
    public const int Bins = 31;

    /// <summary>Operation, whether its strength has a sign, and its argument by strength, from 0 to <see cref="Bins"/> - 1; null where it has none.</summary>
    public static IReadOnlyList<(PixelOperation Operation, bool IsSigned, Func<int, double>? Argument)> Table { get; } =
    [
        (PixelOperation.Identity, false, null),
        (PixelOperation.ShearX, true, static bin => Linear(bin, 0.99)),
        (PixelOperation.ShearY, true, static bin => Linear(bin, 0.99)),
        (PixelOperation.TranslateX, true, static bin => Linear(bin, 32)),
        (PixelOperation.TranslateY, true, static bin => Linear(bin, 32)),
        (PixelOperation.Rotate, true, static bin => Linear(bin, 135)),
        (PixelOperation.Brightness, true, static bin => Linear(bin, 0.99)),
        (PixelOperation.Color, true, static bin => Linear(bin, 0.99)),
        (PixelOperation.Contrast, true, static bin => Linear(bin, 0.99)),
        (PixelOperation.Sharpness, true, static bin => Linear(bin, 0.99)),
        (PixelOperation.Posterize, false, static bin => 8 - Math.Round(bin / ((Bins - 1) / 6.0))),
        (PixelOperation.Solarize, false, static bin => 255 - Linear(bin, 255)),
        (PixelOperation.AutoContrast, false, null),
        (PixelOperation.Equalize, false, null),
    ];

    /// <summary>Changes the picture. Draws operation, strength, sign, then a warp's filter where the style leaves it open.</summary>
    public override void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        var (operation, isSigned, argument) = Table[random.Below(Table.Count)];
        var strength = argument is null ? 0 : argument(random.Below(Bins));
        if (isSigned && random.Below(2) == 1)
            strength = -strength;
        PixelOperations.Apply(canvas, operation, ArgumentOf(operation, strength), style, ref random);
    }

    /// <summary>What torchvision makes of a strength: whole pixels, which it counts to the right and down, and factors around 1.</summary>
    internal static double ArgumentOf(PixelOperation operation, double strength) => operation switch
    {
        PixelOperation.TranslateX or PixelOperation.TranslateY => -Math.Truncate(strength),
        PixelOperation.Brightness or PixelOperation.Color or PixelOperation.Contrast or PixelOperation.Sharpness => 1 + strength,
        _ => strength,
    };

    // float32, as torchvision's tables are: where a warp's point falls between two pixels exactly, the last bit decides.
    private static double Linear(int bin, double most) => (float)(most * bin / (Bins - 1));
}
