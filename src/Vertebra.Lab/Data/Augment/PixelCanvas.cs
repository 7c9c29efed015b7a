using System.Buffers;

namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// A picture that operations change: 8-bit RGB, interleaved, rows without gaps, in rented memory. Operations that cannot
/// work in place write into a second buffer, which then becomes the picture.
/// </summary>
internal sealed class PixelCanvas : IDisposable
{
    private const int Channels = 3;

    // Whole words of four bytes are read at the last pixel.
    private const int Slack = 1;

    private byte[] _pixels;
    private byte[]? _spare;

    /// <summary>A canvas whose bytes are not cleared.</summary>
    /// <param name="width">Pixels per row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    public PixelCanvas(int width, int height)
    {
        (Width, Height, Length) = (width, height, checked(width * height * Channels));
        _pixels = ArrayPool<byte>.Shared.Rent(Length + Slack);
    }

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Bytes of the picture.</summary>
    public int Length { get; }

    /// <summary>Bytes of a row.</summary>
    public int Stride => Width * Channels;

    /// <summary>The picture.</summary>
    public Span<byte> Pixels => _pixels.AsSpan(0, Length);

    /// <summary>The picture and one byte behind it.</summary>
    public ReadOnlySpan<byte> PixelsWithSlack => _pixels.AsSpan(0, Length + Slack);

    /// <summary>As many bytes as the picture has, for a result.</summary>
    public Span<byte> Spare => (_spare ??= ArrayPool<byte>.Shared.Rent(Length + Slack)).AsSpan(0, Length);

    /// <summary>Told each operation with its strength; null where nobody asks.</summary>
    public List<string>? Log { get; set; }

    /// <summary>Makes what was written to <see cref="Spare"/> the picture.</summary>
    public void Swap() => (_pixels, _spare) = (_spare ?? throw new InvalidOperationException("nothing was written to the spare buffer"), _pixels);

    /// <summary>Another canvas with the same picture and log.</summary>
    public PixelCanvas Copy()
    {
        var copy = new PixelCanvas(Width, Height) { Log = Log };
        Pixels.CopyTo(copy.Pixels);
        return copy;
    }

    public void Dispose()
    {
        if (_pixels.Length > 0)
            ArrayPool<byte>.Shared.Return(_pixels);
        if (_spare is not null)
            ArrayPool<byte>.Shared.Return(_spare);
        (_pixels, _spare) = ([], null);
    }
}
