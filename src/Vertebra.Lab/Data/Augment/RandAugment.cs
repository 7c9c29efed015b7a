namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// Some operations out of a list, all of one strength (Cubuk, Zoph, Shlens and Le, "RandAugment: Practical automated data
/// augmentation with a reduced search space", 2019), with timm's lists, levels and weights.
/// </summary>
internal sealed class RandAugment : AugmentPolicy
{
    /// <summary>timm's list, in which a greater level is not always a stronger change.</summary>
    public static IReadOnlyList<string> Plain { get; } =
    [
        "AutoContrast", "Equalize", "Invert", "Rotate", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast",
        "Brightness", "Sharpness", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
    ];

    /// <summary>The same with levels that grow stronger (<c>inc1</c>).</summary>
    public static IReadOnlyList<string> Increasing { get; } =
    [
        "AutoContrast", "Equalize", "Invert", "Rotate", "PosterizeIncreasing", "SolarizeIncreasing", "SolarizeAdd", "ColorIncreasing", "ContrastIncreasing",
        "BrightnessIncreasing", "SharpnessIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
    ];

    /// <summary>Weights of the lists above under <c>w0</c>, from timm's first versions.</summary>
    public static IReadOnlyList<double> FirstWeights { get; } = [0.025, 0.005, 0, 0.3, 0, 0.005, 0.005, 0.025, 0.005, 0.005, 0.025, 0.2, 0.2, 0.1, 0.1];

    /// <summary>Lists with weights under the names that <c>t</c> takes; equal weights mean that operations may repeat.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<(string Name, double Weight)>> Sets { get; } = new Dictionary<string, IReadOnlyList<(string, double)>>(StringComparer.Ordinal)
    {
        ["3a"] = [("SolarizeIncreasing", 1), ("Desaturate", 1), ("GaussianBlur", 1)],
        ["3aw"] =
        [
            ("SolarizeIncreasing", 6), ("Desaturate", 6), ("GaussianBlur", 6), ("Rotate", 3), ("ShearX", 2), ("ShearY", 2), ("PosterizeIncreasing", 1),
            ("AutoContrast", 1), ("ColorIncreasing", 1), ("SharpnessIncreasing", 1), ("ContrastIncreasing", 1), ("BrightnessIncreasing", 1), ("Equalize", 1), ("Invert", 1),
        ],
        ["weights"] =
        [
            ("Rotate", 3), ("ShearX", 2), ("ShearY", 2), ("TranslateXRel", 1), ("TranslateYRel", 1), ("ColorIncreasing", 0.25), ("SharpnessIncreasing", 0.25),
            ("AutoContrast", 0.25), ("SolarizeIncreasing", 0.05), ("SolarizeAdd", 0.05), ("ContrastIncreasing", 0.05), ("BrightnessIncreasing", 0.05), ("Equalize", 0.05),
            ("PosterizeIncreasing", 0.05), ("Invert", 0.05),
        ],
    };

    private readonly PolicyStep[] _steps;
    private readonly int _count;
    private readonly double[]? _weights;

    /// <param name="steps">The operations to choose from, 64 at most.</param>
    /// <param name="count">How many are chosen; with weights, no more than have one.</param>
    /// <param name="weights">How likely each is, drawn without repetition; null: equally, with repetition.</param>
    public RandAugment(IReadOnlyList<PolicyStep> steps, int count, IReadOnlyList<double>? weights = null) =>
        (_steps, _count, _weights) = ([.. steps], count, weights?.ToArray());

    /// <inheritdoc/>
    public override void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        // All choices come first, so that what an operation draws does not depend on those before it.
        Span<int> chosen = stackalloc int[_count];
        if (_weights is null)
        {
            foreach (ref var choice in chosen)
                choice = random.Below(_steps.Length);
        }
        else
            DrawWithoutRepetition(chosen, ref random);
        foreach (var choice in chosen)
            _steps[choice].Apply(canvas, ref random);
    }

    private void DrawWithoutRepetition(Span<int> chosen, ref SampleRandom random)
    {
        Span<double> left = stackalloc double[_weights!.Length];
        _weights.CopyTo(left);
        foreach (ref var choice in chosen)
        {
            var total = 0.0;
            foreach (var weight in left)
                total += weight;
            var target = random.Uniform(0, total);
            choice = 0;
            // Rounding may leave a rest behind the last weight: then the last one that has any is taken.
            for (var i = 0; i < left.Length && target >= 0; i++)
            {
                if (left[i] > 0)
                    choice = i;
                target -= left[i];
            }
            left[choice] = 0;
        }
    }
}
