namespace Vertebra.Lab.Data.Images;

/// <summary>
/// A decoded picture: 8-bit RGB, interleaved, rows from top to bottom without padding. Every decoder gives this form,
/// whatever the file holds (grey replicated, palette expanded, CMYK converted, alpha dropped, 16 bits cut to 8).
/// </summary>
public sealed class RgbImage
{
    /// <summary>A black picture.</summary>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    public RgbImage(int width, int height)
        : this(width, height, new byte[ByteCount(width, height)])
    {
    }

    /// <summary>Wraps pixels without copying them.</summary>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="pixels">Exactly <c>width * height * 3</c> bytes: R, G, B of the top left pixel first.</param>
    public RgbImage(int width, int height, byte[] pixels)
    {
        if (pixels.Length != ByteCount(width, height))
            throw new VertebraException($"an RGB image of {width}x{height} needs {ByteCount(width, height)} bytes, not {pixels.Length}");
        Width = width;
        Height = height;
        Pixels = pixels;
    }

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>R, G, B of each pixel in turn, row by row; <c>Width * Height * 3</c> bytes.</summary>
    public byte[] Pixels { get; }

    /// <summary>The bytes of row <paramref name="y"/>, <c>Width * 3</c> of them.</summary>
    public Span<byte> Row(int y) => Pixels.AsSpan(y * Width * 3, Width * 3);

    /// <summary>A picture whose bytes are not cleared: for code that writes every one of them.</summary>
    internal static RgbImage Uninitialized(int width, int height) =>
        new(width, height, GC.AllocateUninitializedArray<byte>(ByteCount(width, height)));

    private static int ByteCount(int width, int height)
    {
        if (width < 1 || height < 1)
            throw new VertebraException($"an image needs a width and height of at least 1, not {width}x{height}");
        var bytes = (long)width * height * 3;
        if (bytes > Array.MaxLength)
            throw new VertebraException($"an image of {width}x{height} needs {bytes} bytes, more than one array can hold; make it smaller");
        return (int)bytes;
    }
}
