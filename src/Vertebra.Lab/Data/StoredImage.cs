using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>
/// The stored form of one image, lent until it is disposed of: the bytes of a JPEG or PNG file, or raw pixels. Nothing is
/// decoded yet, so that whoever needs a part of the picture decodes no more.
/// </summary>
public sealed class StoredImage : IDisposable
{
    private readonly (int Width, int Height)? _rawSize;
    private readonly IDisposable? _owner;

    private StoredImage(string name, ReadOnlyMemory<byte> data, (int Width, int Height)? rawSize, IDisposable? owner) =>
        (Name, Data, _rawSize, _owner) = (name, data, rawSize, owner);

    /// <summary>What messages call it.</summary>
    public string Name { get; }

    /// <summary>The file's bytes, or R, G, B of each pixel, row by row; not to be used once the object is disposed of.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>True when <see cref="Data"/> are pixels.</summary>
    public bool IsRaw => _rawSize is not null;

    /// <summary>An image file in memory.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="file">The bytes.</param>
    /// <param name="owner">Disposed of with the loan; null for nobody.</param>
    public static StoredImage Encoded(string name, ReadOnlyMemory<byte> file, IDisposable? owner = null) => new(name, file, null, owner);

    /// <summary>An image file, read whole.</summary>
    /// <param name="path">The file.</param>
    /// <inheritdoc cref="IImageDataset.Borrow" path="/exception"/>
    public static StoredImage ReadFile(string path)
    {
        var file = RentedFile.Read(path, ImageDecodeOptions.Default.MaxFileBytes);
        return Encoded(path, file.Data, file);
    }

    /// <summary>Pixels in memory.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="pixels">Exactly <c>width * height * 3</c> bytes; they are only read.</param>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <exception cref="VertebraException">The number of bytes is another one.</exception>
    public static StoredImage Raw(string name, ReadOnlyMemory<byte> pixels, int width, int height) =>
        width > 0 && height > 0 && pixels.Length == 3L * width * height ? new(name, pixels, (width, height), null)
            : throw new VertebraException($"{name}: {pixels.Length} bytes are not {width}x{height} pixels of 3");

    /// <summary>The picture.</summary>
    /// <exception cref="FileFormatException">The image is damaged or of an unsupported kind.</exception>
    public RgbImage Decode()
    {
        using var reader = Open();
        return reader.Decode().Image;
    }

    public void Dispose() => _owner?.Dispose();

    /// <summary>Reads the picture or a part of it; not to be used longer than the loan.</summary>
    internal IPictureReader Open() => _rawSize is var (width, height) ? new RawPicture(Data, width, height)
        : ImageDecoder.Open(Data, Name, ImageDecodeOptions.Default.MaxPixels);
}
