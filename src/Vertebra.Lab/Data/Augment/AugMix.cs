using System.Buffers;

namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// Chains of operations beside each other, mixed with one another and with the picture (Hendrycks, Mu, Cubuk, Zoph, Gilmer
/// and Lakshminarayanan, "AugMix: A simple data processing method to improve robustness and uncertainty", ICLR 2020), with
/// timm's list of operations.
/// </summary>
internal sealed class AugMix : AugmentPolicy
{
    /// <summary>timm's list: the paper's, and four enhancements that it leaves out as too close to the corruptions it tests with.</summary>
    public static IReadOnlyList<string> Operations { get; } =
    [
        "AutoContrast", "ColorIncreasing", "ContrastIncreasing", "BrightnessIncreasing", "SharpnessIncreasing", "Equalize", "Rotate",
        "PosterizeIncreasing", "SolarizeIncreasing", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel",
    ];

    private const int MostDepth = 3;

    private readonly PolicyStep[] _steps;
    private readonly int _width;
    private readonly int _depth;
    private readonly double _alpha;
    private readonly bool _isBlended;

    /// <param name="steps">The operations to choose from.</param>
    /// <param name="width">Number of chains.</param>
    /// <param name="depth">Operations of a chain; 0 draws 1 to 3 for each.</param>
    /// <param name="alpha">Parameter of the Dirichlet and Beta distributions of the shares, above 0.</param>
    /// <param name="isBlended">Blend chain after chain into the picture, in whole levels, instead of adding them up first (timm's <c>b1</c>).</param>
    public AugMix(IReadOnlyList<PolicyStep> steps, int width, int depth, double alpha, bool isBlended) =>
        (_steps, _width, _depth, _alpha, _isBlended) = ([.. steps], width, depth, alpha, isBlended);

    /// <summary>
    /// Changes the picture. Draws the chains' shares (Dirichlet), the mixture's share (Beta), then for each chain its length
    /// where that is open and, for each of its operations, which, and what it draws itself.
    /// </summary>
    public override void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        Span<float> shares = stackalloc float[_width];
        DrawShares(shares, ref random);
        double first = random.Gamma(_alpha), second = random.Gamma(_alpha);
        var mixture = (float)(first / (first + second));
        if (_isBlended)
            Blend(canvas, shares, mixture, ref random);
        else
            Mix(canvas, shares, mixture, ref random);
    }

    /// <summary>A Dirichlet vector: gamma numbers by their sum.</summary>
    private void DrawShares(Span<float> shares, ref SampleRandom random)
    {
        Span<double> numbers = stackalloc double[shares.Length];
        var sum = 0.0;
        foreach (ref var number in numbers)
            sum += number = random.Gamma(_alpha);
        for (var i = 0; i < shares.Length; i++)
            shares[i] = (float)(numbers[i] / sum);
    }

    private void Mix(PixelCanvas canvas, ReadOnlySpan<float> shares, float mixture, ref SampleRandom random)
    {
        var rented = ArrayPool<float>.Shared.Rent(canvas.Length);
        var sums = rented.AsSpan(0, canvas.Length);
        sums.Clear();
        foreach (var share in shares)
        {
            using var chain = RunChain(canvas, share, ref random);
            Blending.Add(chain.Pixels, share, sums);
        }
        var mixed = canvas.Spare;
        Blending.Cut(sums, mixed);
        ArrayPool<float>.Shared.Return(rented);
        Blending.Run(canvas.Pixels, mixed, mixture, canvas.Pixels);
        canvas.Log?.Add(FormattableString.Invariant($"mixed in {mixture:0.##}"));
    }

    private void Blend(PixelCanvas canvas, ReadOnlySpan<float> shares, float mixture, ref SampleRandom random)
    {
        // What each chain takes of what is there when its turn comes, so that it ends up with its share.
        Span<float> steps = stackalloc float[shares.Length];
        var left = 1f;
        for (var i = shares.Length - 1; i >= 0; i--)
        {
            steps[i] = shares[i] * mixture / left;
            left *= 1 - steps[i];
        }
        using var original = canvas.Copy();
        foreach (var step in steps)
        {
            using var chain = RunChain(original, step, ref random);
            Blending.Run(canvas.Pixels, chain.Pixels, step, canvas.Pixels);
        }
    }

    /// <summary>A copy of the picture, changed by one chain.</summary>
    private PixelCanvas RunChain(PixelCanvas canvas, float share, ref SampleRandom random)
    {
        canvas.Log?.Add(FormattableString.Invariant($"chain of {share:0.##}:"));
        var chain = canvas.Copy();
        var depth = _depth > 0 ? _depth : 1 + random.Below(MostDepth);
        for (var i = 0; i < depth; i++)
            _steps[random.Below(_steps.Length)].Apply(chain, ref random);
        return chain;
    }
}
