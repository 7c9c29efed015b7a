using System.Buffers;

namespace Vertebra.Lab.Data.Images;

/// <summary>
/// The pixels of a part of a picture: 8-bit RGB, interleaved, rows without gaps. Positions are those of the whole
/// picture. A rented part gives its memory back when disposed of.
/// </summary>
internal sealed class PixelPart : IDisposable
{
    /// <summary>Bytes behind the last row of a rented part, so that kernels may read and write whole vectors.</summary>
    private const int Slack = 64;

    private const int Channels = 3;

    private readonly bool _isRented;
    private byte[] _pixels;

    private PixelPart(CropBox box, byte[] pixels, bool isRented) => (Box, _pixels, _isRented) = (box, pixels, isRented);

    /// <summary>Which part of the picture it is.</summary>
    public CropBox Box { get; }

    /// <summary>Bytes of a row.</summary>
    public int Stride => Box.Width * Channels;

    /// <summary>Rented memory for a part; its bytes are not cleared.</summary>
    /// <exception cref="VertebraException">The part is larger than one array can be.</exception>
    public static PixelPart Rent(CropBox box)
    {
        var bytes = ((long)box.Width * box.Height * Channels) + Slack;
        if (bytes > Array.MaxLength)
            throw new VertebraException($"{box.Width}x{box.Height} pixels need {bytes} bytes, more than one array can hold; make the picture smaller");
        return new(box, ArrayPool<byte>.Shared.Rent((int)bytes), isRented: true);
    }

    /// <summary>A whole picture, not copied.</summary>
    public static PixelPart Of(RgbImage image) => new(new(0, 0, image.Width, image.Height), image.Pixels, isRented: false);

    /// <summary>The bytes from a row's first pixel on, to the end of the memory: at least the rows that follow.</summary>
    /// <param name="y">Row of the picture, inside <see cref="Box"/>.</param>
    public Span<byte> From(int y) => _pixels.AsSpan((y - Box.Top) * Stride);

    /// <summary>The bytes of all rows.</summary>
    public Span<byte> Pixels => _pixels.AsSpan(0, Box.Height * Stride);

    public void Dispose()
    {
        if (_isRented && _pixels.Length > 0)
            ArrayPool<byte>.Shared.Return(_pixels);
        _pixels = [];
    }
}
