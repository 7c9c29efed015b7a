namespace Vertebra.Lab.Data.Augment;

/// <summary>What levels are turned into arguments with.</summary>
/// <param name="TranslatePixels">Farthest that <c>TranslateX</c> and <c>TranslateY</c> move, in pixels.</param>
/// <param name="TranslateShare">Farthest that <c>TranslateXRel</c> and <c>TranslateYRel</c> move, as a share of the side.</param>
internal readonly record struct LevelLimits(double TranslatePixels, double TranslateShare);

/// <summary>
/// An operation under the name that timm's <c>auto_augment.py</c> gives it, with the meaning of its level: a strength from 0
/// to 10 (or beyond, with <c>mmax</c>).
/// </summary>
internal sealed class LeveledOperation
{
    private const double Top = 10;

    private readonly PixelOperation _operation;
    private readonly Argument _argument;

    private LeveledOperation(string name, PixelOperation operation, Argument argument) => (Name, _operation, _argument) = (name, operation, argument);

    private delegate double Argument(double level, LevelLimits limits, ref SampleRandom random);

    public string Name { get; }

    public PixelOperation Operation => _operation;

    /// <summary>All of them by name.</summary>
    public static IReadOnlyDictionary<string, LeveledOperation> All { get; } = new[]
    {
        Plain("AutoContrast", PixelOperation.AutoContrast),
        Plain("Equalize", PixelOperation.Equalize),
        Plain("Invert", PixelOperation.Invert),
        Signed("Rotate", PixelOperation.Rotate, static (share, _) => share * 30),
        Fixed("Posterize", PixelOperation.Posterize, static share => (int)(share * 4)),
        Fixed("PosterizeIncreasing", PixelOperation.Posterize, static share => 4 - (int)(share * 4)),
        Fixed("PosterizeOriginal", PixelOperation.Posterize, static share => (int)(share * 4) + 4),
        Fixed("Solarize", PixelOperation.Solarize, static share => Math.Min(256, (int)(share * 256))),
        Fixed("SolarizeIncreasing", PixelOperation.Solarize, static share => 256 - Math.Min(256, (int)(share * 256))),
        Fixed("SolarizeAdd", PixelOperation.SolarizeAdd, static share => Math.Min(128, (int)(share * 110))),
        Fixed("Color", PixelOperation.Color, Factor),
        Increasing("ColorIncreasing", PixelOperation.Color),
        Fixed("Contrast", PixelOperation.Contrast, Factor),
        Increasing("ContrastIncreasing", PixelOperation.Contrast),
        Fixed("Brightness", PixelOperation.Brightness, Factor),
        Increasing("BrightnessIncreasing", PixelOperation.Brightness),
        Fixed("Sharpness", PixelOperation.Sharpness, Factor),
        Increasing("SharpnessIncreasing", PixelOperation.Sharpness),
        Signed("ShearX", PixelOperation.ShearX, static (share, _) => share * 0.3),
        Signed("ShearY", PixelOperation.ShearY, static (share, _) => share * 0.3),
        Signed("TranslateX", PixelOperation.TranslateX, static (share, limits) => share * limits.TranslatePixels),
        Signed("TranslateY", PixelOperation.TranslateY, static (share, limits) => share * limits.TranslatePixels),
        Signed("TranslateXRel", PixelOperation.TranslateXRel, static (share, limits) => share * limits.TranslateShare),
        Signed("TranslateYRel", PixelOperation.TranslateYRel, static (share, limits) => share * limits.TranslateShare),
        Fixed("Desaturate", PixelOperation.Color, static share => 1 - Between(share, 0.5, 1)),
        Fixed("GaussianBlur", PixelOperation.GaussianBlur, static share => Between(share, 0.1, 2)),
        new("GaussianBlurRand", PixelOperation.GaussianBlur, static (double level, LevelLimits _, ref SampleRandom random) => random.Uniform(0.1, 2 * Between(level / Top, 0, 1))),
    }.ToDictionary(o => o.Name, StringComparer.Ordinal);

    /// <summary>Changes the picture.</summary>
    /// <param name="canvas">The picture.</param>
    /// <param name="level">Strength, at least 0.</param>
    /// <param name="limits">What the level is turned into an argument with.</param>
    /// <param name="style">For warps.</param>
    /// <param name="random">Draws the sign of operations that have one, then the filter of warps where the style leaves it open.</param>
    public void Apply(PixelCanvas canvas, double level, LevelLimits limits, WarpStyle style, ref SampleRandom random)
    {
        var argument = _argument(level, limits, ref random);
        PixelOperations.Apply(canvas, _operation, argument, style, ref random);
    }

    /// <summary>What a level means; see <see cref="PixelOperation"/>.</summary>
    internal double ArgumentOf(double level, LevelLimits limits, ref SampleRandom random) => _argument(level, limits, ref random);

    private static LeveledOperation Plain(string name, PixelOperation operation) => Fixed(name, operation, static _ => 0);

    private static LeveledOperation Fixed(string name, PixelOperation operation, Func<double, double> argument) =>
        new(name, operation, (double level, LevelLimits _, ref SampleRandom _) => argument(level / Top));

    private static LeveledOperation Signed(string name, PixelOperation operation, Func<double, LevelLimits, double> argument) =>
        new(name, operation, (double level, LevelLimits limits, ref SampleRandom random) => Sign(ref random) * argument(level / Top, limits));

    /// <summary>Away from 1, which changes nothing, to either side.</summary>
    private static LeveledOperation Increasing(string name, PixelOperation operation) =>
        new(name, operation, static (double level, LevelLimits _, ref SampleRandom random) => Math.Max(0.1, 1 + (Sign(ref random) * (level / Top * 0.9))));

    private static double Factor(double share) => (share * 1.8) + 0.1;

    private static double Between(double share, double least, double most) => Math.Clamp(least + ((most - least) * share), least, most);

    private static int Sign(ref SampleRandom random) => random.Below(2) == 0 ? 1 : -1;
}
