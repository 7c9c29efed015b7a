using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;

namespace Vertebra.Lab.Data.Images.Png;

/// <summary>Reads PNG (ISO/IEC 15948) to RGB.</summary>
internal sealed class PngReader : IPictureReader
{
    /// <summary>Type and checksum of a chunk, and its length field.</summary>
    private const int ChunkOverhead = 12;

    /// <summary>Deflate cannot shrink anything by more than this: 258 bytes of output cost at least two bits.</summary>
    private const int MaxCompression = 1032;

    private readonly ReadOnlyMemory<byte> _data;
    private readonly ImageFileErrors _errors;
    private readonly long _maxPixels;
    private readonly List<ReadOnlyMemory<byte>> _imageData = [];
    private PngHeader _header;
    private byte[] _palette = [];
    private int _orientation = ExifOrientation.Upright;
    private int _position = Signature.Length;

    /// <param name="data">The file, beginning with the signature.</param>
    /// <param name="name">What errors call the file.</param>
    /// <param name="maxPixels">Largest width times height accepted.</param>
    public PngReader(ReadOnlyMemory<byte> data, string name, long maxPixels)
    {
        _data = data;
        _errors = new ImageFileErrors(name, "PNG");
        _maxPixels = maxPixels;
    }

    /// <summary>The first eight bytes of every PNG file.</summary>
    public static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <inheritdoc/>
    /// <remarks>Tells the orientation if it comes before the pixels.</remarks>
    public ImageInfo ReadInfo()
    {
        ReadHeader();
        try
        {
            while (!TryReadChunk(stopAtImageData: true))
            {
            }
        }
        catch (FileFormatException)
        {
            // Only the orientation is looked for: a header is all that is asked of a file that may be cut off.
        }
        _position = Signature.Length;
        _imageData.Clear();
        return new ImageInfo(ImageFormat.Png, _header.Width, _header.Height, _header.Channels, _header.BitDepth, _orientation);
    }

    /// <inheritdoc/>
    public (RgbImage Image, int Orientation) Decode()
    {
        ReadToEnd();
        var image = RgbImage.Uninitialized(_header.Width, _header.Height);
        ReadPixels(PixelPart.Of(image));
        return (image, _orientation);
    }

    /// <inheritdoc/>
    /// <remarks>Rows are predicted from the rows above, and nothing is gained by leaving columns out: the part is everything.</remarks>
    public PixelPart DecodePart(CropBox box, bool checksRest)
    {
        ReadToEnd();
        var part = PixelPart.Rent(new(0, 0, _header.Width, _header.Height));
        try
        {
            ReadPixels(part);
            return part;
        }
        catch
        {
            part.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
    }

    private PngPass[] Passes => _header.IsInterlaced ? PngPass.Adam7 : PngPass.Whole;

    /// <summary>Reads every chunk that matters, and shows that they can hold the picture.</summary>
    private void ReadToEnd()
    {
        ReadHeader();
        while (!TryReadChunk(stopAtImageData: false))
        {
        }
        if (_header.ColorType == PngColorType.Palette && _palette.Length == 0)
            throw _errors.Damaged("no palette", _position);
        CheckEnoughData();
        // 8 bytes a pixel at most, and the width is bounded by the data, so this fits wherever the picture does.
        if (_header.RowBytes(_header.Width) >= Array.MaxLength)
            throw _errors.TooLarge(_header.Width, _header.Height, _maxPixels);
    }

    private void ReadHeader()
    {
        var body = ReadChunk(out var type).Span;
        if (!type.SequenceEqual("IHDR"u8) || body.Length != 13)
            throw _errors.Damaged("no image header", _position);
        uint width = BinaryPrimitives.ReadUInt32BigEndian(body), height = BinaryPrimitives.ReadUInt32BigEndian(body[4..]);
        if (width is 0 or > int.MaxValue || height is 0 or > int.MaxValue)
            throw _errors.Damaged($"picture size {width}x{height}", _position);
        _header = new PngHeader((int)width, (int)height, body[8], (PngColorType)body[9], body[12] == 1);
        if (!_header.IsValid || body[10] != 0 || body[11] != 0 || body[12] > 1)
            throw _errors.Damaged($"colour type {body[9]} of {body[8]} bits, compression {body[10]}, filter {body[11]}, interlace {body[12]}", _position);
        if ((long)_header.Width * _header.Height > _maxPixels)
            throw _errors.TooLarge(_header.Width, _header.Height, _maxPixels);
    }

    /// <summary>Reads one chunk.</summary>
    /// <returns>True when it was the last that matters.</returns>
    private bool TryReadChunk(bool stopAtImageData)
    {
        // Writers that died while closing leave no end chunk; the pixels may be whole all the same.
        if (_imageData.Count > 0 && _position == _data.Length)
            return true;
        var body = ReadChunk(out var type);
        if (type.SequenceEqual("IDAT"u8))
        {
            _imageData.Add(body);
            return stopAtImageData;
        }
        if (type.SequenceEqual("IEND"u8))
            return true;
        if (type.SequenceEqual("PLTE"u8))
        {
            if (body.Length == 0 || body.Length % 3 != 0 || body.Length > 256 * 3)
                throw _errors.Damaged($"palette of {body.Length} bytes", _position);
            _palette = body.ToArray();
        }
        else if (type.SequenceEqual("eXIf"u8))
            _orientation = ExifOrientation.Read(body.Span);
        else if ((type[0] & 0x20) == 0)
            throw _errors.Unsupported($"PNG with the critical chunk {System.Text.Encoding.Latin1.GetString(type)}");
        return false;
    }

    private ReadOnlyMemory<byte> ReadChunk(out ReadOnlySpan<byte> type)
    {
        var rest = _data.Span[_position..];
        if (rest.Length < ChunkOverhead)
            throw _errors.Truncated("chunk", _data.Length);
        var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
        type = rest.Slice(4, 4);
        if (type.ContainsAnyExcept(System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8)))
            throw _errors.Damaged("chunk without a name", _position);
        if (length > rest.Length - ChunkOverhead)
            throw _errors.Truncated("part of a chunk", _data.Length);
        var stored = BinaryPrimitives.ReadUInt32BigEndian(rest[(8 + (int)length)..]);
        var isAncillary = (type[0] & 0x20) != 0;
        if (!isAncillary && Crc32.Compute(rest.Slice(4, 4 + (int)length)) != stored)
            throw _errors.Damaged("checksum of a chunk is wrong", _position);
        var body = _data.Slice(_position + 8, (int)length);
        _position += ChunkOverhead + (int)length;
        return body;
    }

    /// <summary>Refuses a header that promises more picture than the data can unfold to, before memory is taken for it.</summary>
    private void CheckEnoughData()
    {
        long compressed = 0, needed = 0;
        foreach (var chunk in _imageData)
            compressed += chunk.Length;
        foreach (var pass in Passes)
        {
            var columns = pass.Columns(_header.Width);
            if (columns > 0)
                needed += (1 + _header.RowBytes(columns)) * pass.Rows(_header.Height);
        }
        if (needed > compressed * MaxCompression)
            throw _errors.Truncated($"most of the data of {_header.Width}x{_header.Height} pixels", _position);
    }

    private void ReadPixels(PixelPart target)
    {
        var rowBytes = (int)_header.RowBytes(_header.Width);
        byte[] current = ArrayPool<byte>.Shared.Rent(rowBytes), above = ArrayPool<byte>.Shared.Rent(rowBytes);
        try
        {
            using var stream = new ZLibStream(new PngDataStream(_imageData), CompressionMode.Decompress);
            foreach (var pass in Passes)
                ReadPass(stream, pass, target, ref current, ref above);
            // Reading on to the end makes the stream compare its checksum.
            Inflate(stream, current.AsSpan(0, 1), 0);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(current);
            ArrayPool<byte>.Shared.Return(above);
        }
    }

    private void ReadPass(ZLibStream stream, PngPass pass, PixelPart target, ref byte[] current, ref byte[] above)
    {
        int columns = pass.Columns(_header.Width), rows = pass.Rows(_header.Height);
        if (columns == 0 || rows == 0)
            return;
        var rowBytes = (int)_header.RowBytes(columns);
        var expander = new PngRowExpander(_header, _palette, _errors);
        var expanded = _header.IsInterlaced ? new byte[columns * 3] : [];
        Span<byte> filter = stackalloc byte[1];
        above.AsSpan(0, rowBytes).Clear();
        for (var row = 0; row < rows; row++)
        {
            var bytes = current.AsSpan(0, rowBytes);
            if (Inflate(stream, filter, row) < 1 || Inflate(stream, bytes, row) < rowBytes)
                throw _errors.Truncated($"picture data from row {row} of {rows} on", _position);
            if (filter[0] >= PngFilter.Count)
                throw _errors.Damaged($"filter {filter[0]} of row {row}", _position);
            PngFilter.Undo(filter[0], bytes, above, _header.FilterDistance);
            var pixels = target.From(pass.StartY + row * pass.StepY)[..target.Stride];
            if (_header.IsInterlaced)
            {
                expander.Expand(bytes, expanded);
                Scatter(expanded, pixels, pass);
            }
            else
                expander.Expand(bytes, pixels);
            (current, above) = (above, current);
        }
    }

    private static void Scatter(ReadOnlySpan<byte> pixels, Span<byte> row, PngPass pass)
    {
        for (int from = 0, to = pass.StartX * 3; from < pixels.Length; from += 3, to += pass.StepX * 3)
            pixels.Slice(from, 3).CopyTo(row[to..]);
    }

    private int Inflate(ZLibStream stream, Span<byte> target, int row)
    {
        try
        {
            return stream.ReadAtLeast(target, target.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw new FileFormatException(_errors.Damaged($"compressed data of row {row} ({e.Message.TrimEnd('.')})", _position).Message, e);
        }
    }
}
