namespace Vertebra.Lab.Data.Images;

/// <summary>Reads one image file that is in memory. Each object decodes once.</summary>
internal interface IPictureReader : IDisposable
{
    /// <summary>What the header says. May be called before a picture is decoded.</summary>
    /// <exception cref="FileFormatException">The header is damaged, cut short or of an unsupported kind.</exception>
    ImageInfo ReadInfo();

    /// <summary>Decodes the picture, and tells its EXIF orientation (not applied).</summary>
    /// <exception cref="FileFormatException">The file is damaged, cut short, too large or of an unsupported kind.</exception>
    (RgbImage Image, int Orientation) Decode();

    /// <summary>Decodes at least a part of the picture, to the bits that <see cref="Decode"/> gives there.</summary>
    /// <param name="box">The part, not empty and inside the picture.</param>
    /// <param name="checksRest">Also find damage that does not touch the part, as decoding everything would; otherwise reading may end with the part.</param>
    /// <returns>The part, or more.</returns>
    /// <exception cref="FileFormatException">The file is damaged, cut short, too large or of an unsupported kind.</exception>
    PixelPart DecodePart(CropBox box, bool checksRest);
}
