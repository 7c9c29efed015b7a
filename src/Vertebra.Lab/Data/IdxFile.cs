using System.Buffers.Binary;
using System.IO.Compression;

namespace Vertebra.Lab.Data;

/// <summary>
/// The IDX format of the MNIST family, plain or gzip-compressed: a big-endian magic number 0x000008RR (unsigned bytes,
/// RR axes), RR big-endian sizes, then the bytes.
/// </summary>
internal sealed record IdxFile(int[] Sizes, byte[] Data)
{
    private const long LargestData = 1L << 30;

    // Deflate codes at best 258 bytes in two bits.
    private const long LargestCompressionRatio = 1032;

    /// <summary>Number of axes that the file's header states (3 for images, 1 for labels); null when it is not an IDX file of bytes.</summary>
    public static int? RankOf(string file)
    {
        using var stream = DatasetFiles.OpenRead(file);
        using var data = Decompress(stream);
        Span<byte> magic = stackalloc byte[4];
        try
        {
            return data.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic[..3].SequenceEqual((ReadOnlySpan<byte>)[0, 0, 8]) ? magic[3] : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Reads a whole file.</summary>
    /// <exception cref="FileFormatException">The file is cut short, longer than it says, too large or not of this rank.</exception>
    public static IdxFile Read(string file, int rank)
    {
        using var stream = DatasetFiles.OpenRead(file);
        using var data = Decompress(stream);
        var header = new byte[4 + (4 * rank)];
        DatasetFiles.ReadExactly(data, header, file);
        if (BinaryPrimitives.ReadUInt32BigEndian(header) != 0x800u + (uint)rank)
            throw new FileFormatException($"{file}: starts with 0x{Convert.ToHexString(header, 0, 4)}, not 0x{0x800 + rank:X8} as an IDX file of {rank} axes does; get it again");
        var sizes = new int[rank];
        long bytes = 1;
        for (var axis = 0; axis < rank; axis++)
        {
            var size = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4 + (4 * axis)));
            bytes = size is 0 or > (uint)LargestData || bytes > LargestData ? -1 : bytes * size;
            if (bytes is < 0 or > LargestData)
                throw new FileFormatException($"{file}: its header states a size of {size} on axis {axis}, which is none or more than {LargestData} bytes in all; the file is damaged, get it again");
            sizes[axis] = (int)size;
        }
        RequirePossible(bytes, header.Length, stream.Length, compressed: data != stream, file);
        var content = new byte[bytes];
        DatasetFiles.ReadExactly(data, content, file);
        return new(sizes, content);
    }

    /// <summary>Refuses, before anything is allocated, a header that promises more than the file can hold.</summary>
    private static void RequirePossible(long bytes, int headerBytes, long fileBytes, bool compressed, string file)
    {
        var possible = compressed ? fileBytes * LargestCompressionRatio : fileBytes;
        if (headerBytes + bytes > possible)
            throw new FileFormatException($"{file}: cut short: the header promises {bytes} bytes, the file has {fileBytes}{(compressed ? " compressed" : "")}; get it again");
        if (!compressed && headerBytes + bytes < fileBytes)
            throw new FileFormatException($"{file}: {fileBytes} bytes, but its header promises {headerBytes + bytes}; get it again");
    }

    private static Stream Decompress(FileStream stream)
    {
        var compressed = stream.ReadByte() == 0x1F && stream.ReadByte() == 0x8B;
        stream.Position = 0;
        return compressed ? new GZipStream(stream, CompressionMode.Decompress) : stream;
    }
}
