namespace Vertebra.Onnx;

/// <summary>How pixels between others are found inside an exported file, with Pillow's definitions.</summary>
public enum OnnxResizeFilter
{
    /// <summary>Triangle, one pixel to each side, wider when the image shrinks.</summary>
    Bilinear,

    /// <summary>Cubic convolution with a = -0.5, two pixels to each side, wider when the image shrinks.</summary>
    Bicubic,
}

/// <summary>
/// What happens to an image inside the file before the network sees it, so that the file takes uint8 images [N, H, W, 3] of any size:
/// resize to size / crop share (as Pillow does), centre crop, normalise.
/// </summary>
public sealed record OnnxPreprocessing
{
    /// <summary>Rows of the network's input.</summary>
    public required int Height { get; init; }

    /// <summary>Columns of the network's input.</summary>
    public required int Width { get; init; }

    /// <summary>Share of the resized image's side that the crop keeps, in (0, 1].</summary>
    public double CropShare { get; init; } = 0.875;

    /// <summary>Resize both sides whatever the proportions, instead of keeping them.</summary>
    public bool Squash { get; init; }

    public OnnxResizeFilter Filter { get; init; } = OnnxResizeFilter.Bicubic;

    /// <summary>Subtracted from each channel of pixel / 255. One number: the network takes grey images, and colours become luma (ITU-R 601).</summary>
    public required IReadOnlyList<double> Mean { get; init; }

    /// <summary>Divides each channel after that.</summary>
    public required IReadOnlyList<double> Std { get; init; }
}
