namespace Vertebra.Lab.Data.Images;

/// <summary>The file formats that are decoded.</summary>
public enum ImageFormat
{
    Jpeg,
    Png,

    /// <summary>No file format: 8-bit RGB pixels as they are, in a record of a pack.</summary>
    Raw,
}

/// <summary>What the header of an image file says.</summary>
/// <param name="Format">Recognised by its first bytes, not by the file's name.</param>
/// <param name="Width">Pixels per row as stored, before any EXIF orientation.</param>
/// <param name="Height">Rows as stored, before any EXIF orientation.</param>
/// <param name="Channels">Colour channels as stored, alpha included: 1 grey (or palette), 2 grey and alpha, 3 colour, 4 CMYK or colour and alpha.</param>
/// <param name="BitDepth">Bits per channel as stored, 1 to 16.</param>
/// <param name="Orientation">EXIF orientation, 1 (upright) to 8; 1 where the file states none.</param>
public readonly record struct ImageInfo(ImageFormat Format, int Width, int Height, int Channels, int BitDepth, int Orientation);

/// <summary>How to decode, and what to refuse.</summary>
public sealed record ImageDecodeOptions
{
    /// <summary>The defaults: no rotation, Pillow's limit of pixels.</summary>
    public static ImageDecodeOptions Default { get; } = new();

    /// <summary>Turn and mirror the picture as its EXIF orientation says. Off by default, because the tools whose published accuracies are compared with do not.</summary>
    public bool ApplyOrientation { get; init; }

    /// <summary>Largest width times height accepted; checked before pixels are allocated. The default is the size at which Pillow raises its decompression bomb error.</summary>
    public long MaxPixels { get; init; } = 178_956_970;

    /// <summary>Largest file read, in bytes.</summary>
    public long MaxFileBytes { get; init; } = 1L << 30;
}
