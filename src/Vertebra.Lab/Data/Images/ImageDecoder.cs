using Vertebra.Lab.Data.Images.Jpeg;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Lab.Data.Images;

/// <summary>
/// Reads JPEG (ITU-T T.81, baseline, extended and progressive Huffman, 8 bit) and PNG (ISO/IEC 15948, all colour types,
/// depths and interlace) to RGB. Files are taken to be hostile: sizes are checked before memory is allocated, and a
/// damaged, truncated or unsupported file gives a <see cref="FileFormatException"/> of one line.
/// </summary>
public static class ImageDecoder
{
    /// <summary>Bytes read first by <see cref="ReadInfo(string)"/>; headers are nearly always within them.</summary>
    private const int HeaderBytes = 64 * 1024;

    /// <summary>Decodes an image file.</summary>
    /// <param name="path">A JPEG or PNG file; the name's ending does not matter.</param>
    /// <param name="options">Limits and orientation; null for <see cref="ImageDecodeOptions.Default"/>.</param>
    /// <exception cref="FileFormatException">The file is damaged, cut short, too large or of an unsupported kind.</exception>
    /// <exception cref="VertebraException">The file cannot be read.</exception>
    public static RgbImage Decode(string path, ImageDecodeOptions? options = null)
    {
        options ??= ImageDecodeOptions.Default;
        using var file = RentedFile.Read(path, options.MaxFileBytes);
        return Decode(file.Data, path, options);
    }

    /// <summary>Decodes an image that is in memory.</summary>
    /// <param name="data">The whole file.</param>
    /// <param name="name">What errors call it.</param>
    /// <param name="options">Limits and orientation; null for <see cref="ImageDecodeOptions.Default"/>.</param>
    /// <exception cref="FileFormatException">The data is damaged, cut short, too large or of an unsupported kind.</exception>
    public static RgbImage Decode(ReadOnlyMemory<byte> data, string name = "image", ImageDecodeOptions? options = null)
    {
        options ??= ImageDecodeOptions.Default;
        using var reader = Open(data, name, options.MaxPixels);
        var (image, orientation) = reader.Decode();
        return options.ApplyOrientation ? ExifOrientation.Apply(image, orientation) : image;
    }

    /// <summary>Reads size and kind without decoding.</summary>
    /// <param name="path">A JPEG or PNG file.</param>
    /// <exception cref="FileFormatException">The header is damaged, cut short or of an unsupported kind.</exception>
    /// <exception cref="VertebraException">The file cannot be read.</exception>
    public static ImageInfo ReadInfo(string path)
    {
        using (var beginning = RentedFile.Read(path, limit: long.MaxValue, HeaderBytes))
        {
            try
            {
                return ReadInfo(beginning.Data, path);
            }
            catch (FileFormatException) when (beginning.Data.Length == HeaderBytes)
            {
                // Large metadata (thumbnails, colour profiles) pushed the frame header further back: below.
            }
        }
        using var file = RentedFile.Read(path, ImageDecodeOptions.Default.MaxFileBytes);
        return ReadInfo(file.Data, path);
    }

    /// <summary>Reads size and kind of an image in memory without decoding.</summary>
    /// <param name="data">The file, at least up to its frame header.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="FileFormatException">The header is damaged, cut short or of an unsupported kind.</exception>
    public static ImageInfo ReadInfo(ReadOnlyMemory<byte> data, string name = "image")
    {
        using var reader = Open(data, name, long.MaxValue);
        return reader.ReadInfo();
    }

    /// <summary>A reader for the format that the first bytes tell.</summary>
    /// <param name="data">The file; used as long as the reader is.</param>
    /// <param name="name">What errors call it.</param>
    /// <param name="maxPixels">Largest width times height accepted.</param>
    /// <exception cref="FileFormatException">The data is of an unsupported kind.</exception>
    internal static IPictureReader Open(ReadOnlyMemory<byte> data, string name, long maxPixels) =>
        RecognizeFormat(data.Span, name) == ImageFormat.Jpeg ? new JpegReader(data, name, maxPixels) : new PngReader(data, name, maxPixels);

    private static ImageFormat RecognizeFormat(ReadOnlySpan<byte> data, string name)
    {
        if (data.Length == 0)
            throw new FileFormatException($"{name}: the file is empty; get the whole file or remove it");
        if (data.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8]))
            return ImageFormat.Jpeg;
        if (data.StartsWith(PngReader.Signature))
            return ImageFormat.Png;
        throw new FileFormatException(ForeignFormat(data) is { } other
            ? $"{name}: a {other} file; only JPEG and PNG are decoded, convert it"
            : $"{name}: neither JPEG nor PNG by its first bytes; replace the file or remove it");
    }

    private static string? ForeignFormat(ReadOnlySpan<byte> data)
    {
        var brand = data.Length >= 12 && data[4..8].SequenceEqual("ftyp"u8) ? data[8..12] : default;
        return data switch
        {
            _ when data.StartsWith("BM"u8) => "BMP",
            _ when data.StartsWith("GIF8"u8) => "GIF",
            _ when data.StartsWith("RIFF"u8) && data.Length >= 12 && data[8..12].SequenceEqual("WEBP"u8) => "WebP",
            _ when data.StartsWith("II*\0"u8) || data.StartsWith("MM\0*"u8) => "TIFF",
            _ when data.StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 12, 0x6A, 0x50, 0x20, 0x20]) || data.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x4F, 0xFF, 0x51]) => "JPEG 2000",
            _ when data.StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 12, 0x4A, 0x58, 0x4C, 0x20]) || data.StartsWith((ReadOnlySpan<byte>)[0xFF, 0x0A]) => "JPEG XL",
            _ when brand.SequenceEqual("avif"u8) || brand.SequenceEqual("avis"u8) => "AVIF",
            _ when brand.StartsWith("hei"u8) || brand.StartsWith("hev"u8) || brand.SequenceEqual("mif1"u8) => "HEIF",
            _ when data.StartsWith((ReadOnlySpan<byte>)[0, 0, 1, 0]) => "ICO",
            _ when data.StartsWith("8BPS"u8) => "Photoshop",
            _ when data.Length >= 3 && data[0] == 'P' && data[1] is >= (byte)'1' and <= (byte)'6' && data[2] is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t' => "Netpbm",
            _ => null,
        };
    }
}
