namespace Vertebra.Lab.Data.Images;

/// <summary>Pixels that are stored as they are: any part is there without decoding or copying.</summary>
/// <param name="pixels">R, G, B of each pixel, row by row.</param>
/// <param name="width">Pixels per row.</param>
/// <param name="height">Rows.</param>
internal sealed class RawPicture(ReadOnlyMemory<byte> pixels, int width, int height) : IPictureReader
{
    public ImageInfo ReadInfo() => new(ImageFormat.Raw, width, height, 3, 8, ExifOrientation.Upright);

    public (RgbImage Image, int Orientation) Decode()
    {
        var image = RgbImage.Uninitialized(width, height);
        pixels.Span.CopyTo(image.Pixels);
        return (image, ExifOrientation.Upright);
    }

    public PixelPart DecodePart(CropBox box, bool checksRest) => PixelPart.Lent(pixels, width, height);

    public void Dispose()
    {
    }
}
