using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// What happens to a sample after crop and flips: policy, colour jitter, grey, blur; and erasing after normalisation. Each
/// draws its numbers in this order, and none where it is not asked for.
/// </summary>
internal sealed class SampleAugmenter
{
    private const double LeastSigma = 0.1;
    private const double MostSigma = 2;

    private readonly Augmentation _augmentation;
    private readonly AugmentPolicy? _policy;
    private readonly ColorJitter? _jitter;

    /// <param name="preprocessing">Size and mean of the input.</param>
    /// <param name="augmentation">What is asked for, checked.</param>
    public SampleAugmenter(Preprocessing preprocessing, Augmentation augmentation)
    {
        _augmentation = augmentation;
        if (augmentation.Policy is { } text)
            _policy = PolicyText.Parse(text, new(Math.Min(preprocessing.Width, preprocessing.Height), StyleOf(preprocessing, augmentation)));
        _jitter = PolicyText.AllowsColorJitter(augmentation.Policy) ? augmentation.ColorJitter : null;
    }

    /// <summary>Changes the picture.</summary>
    public void Apply(PixelCanvas canvas, ref SampleRandom random)
    {
        _policy?.Apply(canvas, ref random);
        _jitter?.Apply(canvas, ref random);
        if (_augmentation.GrayscaleProbability > 0 && random.Uniform(0, 1) < _augmentation.GrayscaleProbability)
            PixelOperations.Apply(canvas, PixelOperation.Grayscale, 0, default, ref random);
        if (_augmentation.BlurProbability > 0 && random.Uniform(0, 1) < _augmentation.BlurProbability)
            PixelOperations.Apply(canvas, PixelOperation.GaussianBlur, random.Uniform(LeastSigma, MostSigma), default, ref random);
    }

    private static WarpStyle StyleOf(Preprocessing preprocessing, Augmentation augmentation)
    {
        var fill = Enumerable.Range(0, 3).Select(i => (byte)Math.Clamp(Math.Round(255 * preprocessing.Mean[i % preprocessing.Channels]), 0, 255)).ToArray();
        WarpFilter? filter = augmentation.RandomInterpolation ? null : (augmentation.Interpolation ?? preprocessing.Interpolation) switch
        {
            ResampleFilter.Nearest => WarpFilter.Nearest,
            ResampleFilter.Bicubic => WarpFilter.Bicubic,
            _ => WarpFilter.Bilinear,
        };
        return new(filter, fill[0], fill[1], fill[2]);
    }
}
