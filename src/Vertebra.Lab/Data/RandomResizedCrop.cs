namespace Vertebra.Lab.Data;

/// <summary>A part of an image, in pixels.</summary>
public readonly record struct CropBox(int Left, int Top, int Width, int Height);

/// <summary>Chooses the part of an image that becomes a training sample, by the rule of torchvision's and timm's RandomResizedCrop.</summary>
public static class RandomResizedCrop
{
    private const int Attempts = 10;

    /// <summary>
    /// Ten times: area uniform in <paramref name="scale"/>, width / height log-uniform in <paramref name="ratio"/>, taken
    /// if it fits; then the largest centred part whose proportions are allowed.
    /// </summary>
    /// <param name="width">Width of the image.</param>
    /// <param name="height">Height of the image.</param>
    /// <param name="scale">Range of the area's share.</param>
    /// <param name="ratio">Range of width / height.</param>
    /// <param name="random">Numbers of this sample; each attempt draws two, a fitting one two more.</param>
    public static CropBox Choose(int width, int height, (double Low, double High) scale, (double Low, double High) ratio, ref SampleRandom random)
    {
        var area = (double)width * height;
        var (logLow, logHigh) = (Math.Log(ratio.Low), Math.Log(ratio.High));
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var targetArea = area * random.Uniform(scale.Low, scale.High);
            var aspect = Math.Exp(random.Uniform(logLow, logHigh));
            var cropWidth = (int)Math.Round(Math.Sqrt(targetArea * aspect));
            var cropHeight = (int)Math.Round(Math.Sqrt(targetArea / aspect));
            if (cropWidth > 0 && cropWidth <= width && cropHeight > 0 && cropHeight <= height)
                return new(random.Below(width - cropWidth + 1), random.Below(height - cropHeight + 1), cropWidth, cropHeight);
        }
        return Centered(width, height, ratio);
    }

    private static CropBox Centered(int width, int height, (double Low, double High) ratio)
    {
        var own = (double)width / height;
        var (cropWidth, cropHeight) = own < ratio.Low ? (width, (int)Math.Round(width / ratio.Low))
            : own > ratio.High ? ((int)Math.Round(height * ratio.High), height)
            : (width, height);
        // Rounding may overshoot an image of one or two pixels.
        (cropWidth, cropHeight) = (Math.Clamp(cropWidth, 1, width), Math.Clamp(cropHeight, 1, height));
        return new((width - cropWidth) / 2, (height - cropHeight) / 2, cropWidth, cropHeight);
    }
}
