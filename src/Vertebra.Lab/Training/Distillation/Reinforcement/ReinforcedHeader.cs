using System.Buffers.Binary;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>The first 64 bytes of a file of stored answers. The answers follow, all images of the first view in the data set's order, then those of the next; then the facts.</summary>
/// <param name="Count">Images.</param>
/// <param name="Views">Views of each image.</param>
/// <param name="Kept">Probabilities kept of each answer.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Seed">Seed of the views.</param>
/// <param name="FileLength">Bytes of the whole file.</param>
/// <param name="FactsChecksum">CRC-32C of the facts, which go to the end of the file.</param>
internal readonly record struct ReinforcedHeader(int Count, int Views, int Kept, int Classes, ulong Seed, long FileLength, uint FactsChecksum)
{
    public const int Bytes = 64;

    private const int Version = 1;
    private const int ChecksumOffset = 60;

    // As PNG's: it shows at once when a transfer has taken the file for text.
    private static ReadOnlySpan<byte> Magic => [0x89, (byte)'V', (byte)'R', (byte)'A', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Bytes of one answer.</summary>
    public int AnswerBytes => SparseAnswer.BytesOf(Kept);

    /// <summary>Where the facts begin.</summary>
    public long FactsOffset => Bytes + ((long)Count * Views * AnswerBytes);

    public byte[] ToBytes()
    {
        var bytes = new byte[Bytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), Count);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), Views);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(20), Kept);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(24), Classes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(32), Seed);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), FileLength);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(48), FactsChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumOffset), Crc32C.Compute(bytes.AsSpan(0, ChecksumOffset)));
        return bytes;
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="bytes">The beginning of the file.</param>
    /// <param name="actualLength">Bytes of the file.</param>
    /// <param name="path">What messages call it.</param>
    /// <exception cref="FileFormatException">It is no such file, or a damaged one; answers and facts are inside the file otherwise.</exception>
    public static ReinforcedHeader Read(ReadOnlySpan<byte> bytes, long actualLength, string path)
    {
        if (!bytes.StartsWith(Magic))
            throw new FileFormatException($"{path}: no stored answers by its first bytes; 'vertebra reinforce' makes such files");
        if (bytes.Length < Bytes || Crc32C.Compute(bytes[..ChecksumOffset]) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumOffset..]))
            throw new FileFormatException($"{path}: the header of the stored answers is cut short or damaged; get the file again");
        if (BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) is var version && version != Version)
            throw new FileFormatException($"{path}: stored answers of version {version}, but version {Version} is read here; store them again");
        var header = new ReinforcedHeader(
            BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[48..]));
        if (header.FileLength != actualLength)
            throw new FileFormatException($"{path}: {actualLength} bytes, but the stored answers have {header.FileLength}; get the file again");
        return header.IsConsistent ? header : throw new FileFormatException($"{path}: the header of the stored answers contradicts itself; store them again");
    }

    private bool IsConsistent => Count >= 1 && Views >= 1 && Classes is >= 2 and <= SparseAnswer.MostClasses && Kept >= 1 && Kept <= Classes
        && Count <= FileLength / AnswerBytes / Views && FactsOffset < FileLength;
}
