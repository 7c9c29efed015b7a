using System.Buffers.Binary;
using System.IO.Compression;

namespace Vertebra.Lab.Data.Images.Png;

/// <summary>
/// Writes 8-bit RGB or grey PNG, without metadata. Each row takes the filter with the smallest sum of absolute
/// differences (the heuristic of ISO/IEC 15948, 12.7). The same pixels give the same bytes.
/// </summary>
public static class PngWriter
{
    /// <summary>Encodes an RGB picture.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="level">How hard to compress.</param>
    /// <returns>The bytes of a PNG file.</returns>
    public static byte[] Encode(RgbImage image, CompressionLevel level = CompressionLevel.Optimal) =>
        Encode(image.Pixels, image.Width, image.Height, PngColorType.Rgb, level);

    /// <summary>Encodes a grey picture.</summary>
    /// <param name="gray">One byte per pixel, row by row, <c>width * height</c> of them.</param>
    /// <param name="width">Pixels per row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="level">How hard to compress.</param>
    /// <returns>The bytes of a PNG file.</returns>
    /// <exception cref="VertebraException">The number of bytes does not fit the size.</exception>
    public static byte[] EncodeGray(ReadOnlySpan<byte> gray, int width, int height, CompressionLevel level = CompressionLevel.Optimal)
    {
        if (width < 1 || height < 1 || gray.Length != (long)width * height)
            throw new VertebraException($"a grey image of {width}x{height} does not have {gray.Length} bytes");
        return Encode(gray, width, height, PngColorType.Gray, level);
    }

    /// <summary>Encodes an RGB picture and writes it to a file.</summary>
    /// <param name="path">The file; it is replaced if it exists.</param>
    /// <param name="image">The picture.</param>
    /// <param name="level">How hard to compress.</param>
    /// <exception cref="VertebraException">The file cannot be written; nothing is left behind.</exception>
    public static void Save(string path, RgbImage image, CompressionLevel level = CompressionLevel.Optimal) =>
        AtomicFile.Write(path, stream => stream.Write(Encode(image, level)));

    private static byte[] Encode(ReadOnlySpan<byte> pixels, int width, int height, PngColorType colorType, CompressionLevel level)
    {
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        header[8] = 8;
        header[9] = (byte)colorType;
        header[10..].Clear();

        var file = new MemoryStream();
        file.Write(PngReader.Signature);
        WriteChunk(file, "IHDR"u8, header);
        WriteChunk(file, "IDAT"u8, Compress(pixels, width * (colorType == PngColorType.Rgb ? 3 : 1), colorType == PngColorType.Rgb ? 3 : 1, level));
        WriteChunk(file, "IEND"u8, []);
        return file.ToArray();
    }

    private static ReadOnlySpan<byte> Compress(ReadOnlySpan<byte> pixels, int rowBytes, int distance, CompressionLevel level)
    {
        var compressed = new MemoryStream();
        using (var stream = new ZLibStream(compressed, level, leaveOpen: true))
        {
            ReadOnlySpan<byte> above = new byte[rowBytes];
            byte[] best = new byte[1 + rowBytes], candidate = new byte[1 + rowBytes];
            for (; pixels.Length > 0; pixels = pixels[rowBytes..])
            {
                var row = pixels[..rowBytes];
                var bestCost = long.MaxValue;
                for (var filter = 0; filter < PngFilter.Count; filter++)
                {
                    candidate[0] = (byte)filter;
                    PngFilter.Apply(filter, row, above, distance, candidate.AsSpan(1));
                    var cost = Cost(candidate.AsSpan(1));
                    if (cost < bestCost)
                    {
                        bestCost = cost;
                        (best, candidate) = (candidate, best);
                    }
                }
                stream.Write(best);
                above = row;
            }
        }
        return compressed.GetBuffer().AsSpan(0, (int)compressed.Length);
    }

    /// <summary>Sum of the bytes' distances from zero, taken as signed.</summary>
    private static long Cost(ReadOnlySpan<byte> filtered)
    {
        long sum = 0;
        foreach (var value in filtered)
            sum += Math.Abs((int)(sbyte)value);
        return sum;
    }

    private static void WriteChunk(MemoryStream file, ReadOnlySpan<byte> type, ReadOnlySpan<byte> body)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, body.Length);
        file.Write(number);
        file.Write(type);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, ~Crc32.Append(Crc32.Append(uint.MaxValue, type), body));
        file.Write(number);
    }
}
