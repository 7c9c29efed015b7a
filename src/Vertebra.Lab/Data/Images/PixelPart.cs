using System.Buffers;
using System.Runtime.InteropServices;

namespace Vertebra.Lab.Data.Images;

/// <summary>
/// The pixels of a part of a picture: 8-bit RGB, interleaved, rows without gaps. Positions are those of the whole
/// picture. A rented part gives its memory back when disposed of; a lent one may only be read.
/// </summary>
internal sealed class PixelPart : IDisposable
{
    /// <summary>Bytes behind the last row of a rented part, so that kernels may read and write whole vectors.</summary>
    private const int Slack = 64;

    private const int Channels = 3;

    private byte[]? _rented;
    private Memory<byte> _pixels;

    private PixelPart(CropBox box, Memory<byte> pixels, byte[]? rented) => (Box, _pixels, _rented) = (box, pixels, rented);

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
        var rented = ArrayPool<byte>.Shared.Rent((int)bytes);
        return new(box, rented, rented);
    }

    /// <summary>A whole picture, not copied.</summary>
    public static PixelPart Of(RgbImage image) => new(new(0, 0, image.Width, image.Height), image.Pixels, null);

    /// <summary>A whole picture in memory that belongs to somebody else and must not be written to.</summary>
    public static PixelPart Lent(ReadOnlyMemory<byte> pixels, int width, int height) => new(new(0, 0, width, height), MemoryMarshal.AsMemory(pixels), null);

    /// <summary>The bytes from a row's first pixel on, to the end of the memory: at least the rows that follow.</summary>
    /// <param name="y">Row of the picture, inside <see cref="Box"/>.</param>
    public Span<byte> From(int y) => _pixels.Span[((y - Box.Top) * Stride)..];

    /// <summary>The bytes of all rows.</summary>
    public Span<byte> Pixels => _pixels.Span[..(Box.Height * Stride)];

    public void Dispose()
    {
        if (_rented is not null)
            ArrayPool<byte>.Shared.Return(_rented);
        (_rented, _pixels) = (null, default);
    }
}
