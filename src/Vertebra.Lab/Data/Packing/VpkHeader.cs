using System.Buffers.Binary;

namespace Vertebra.Lab.Data.Packing;

/// <summary>
/// The first 64 bytes of a pack: magic, version, and where index, names and facts lie, which stand one after the other at the
/// end of the file.
/// </summary>
/// <param name="FileLength">Bytes of the whole file.</param>
/// <param name="Count">Records.</param>
/// <param name="IndexOffset">Where the index begins, and the records end.</param>
/// <param name="NamesOffset">Where the table of names begins.</param>
/// <param name="FactsOffset">Where the facts begin.</param>
/// <param name="TableChecksum">CRC-32C of everything from the index to the end.</param>
internal readonly record struct VpkHeader(long FileLength, long Count, long IndexOffset, long NamesOffset, long FactsOffset, uint TableChecksum)
{
    public const int Bytes = 64;

    public const int Version = 1;

    private const int ChecksumOffset = 60;

    // As PNG's: it shows at once when a transfer has taken the file for text.
    private static ReadOnlySpan<byte> Magic => [0x89, (byte)'V', (byte)'P', (byte)'K', 0x0D, 0x0A, 0x1A, 0x0A];

    public byte[] ToBytes()
    {
        var bytes = new byte[Bytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), VpkEntry.Bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), FileLength);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), Count);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), IndexOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), NamesOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(48), FactsOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(56), TableChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumOffset), Crc32C.Compute(bytes.AsSpan(0, ChecksumOffset)));
        return bytes;
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="bytes">The beginning of the file.</param>
    /// <param name="actualLength">Bytes of the file.</param>
    /// <param name="path">What messages call it.</param>
    /// <exception cref="FileFormatException">It is no pack, or a damaged one; every offset is inside the file otherwise.</exception>
    public static VpkHeader Read(ReadOnlySpan<byte> bytes, long actualLength, string path)
    {
        if (!bytes.StartsWith(Magic))
            throw new FileFormatException($"{path}: not a packed data set by its first bytes; 'vertebra pack' makes them");
        if (bytes.Length < Bytes)
            throw new FileFormatException($"{path}: the pack is cut short within its header; get it again");
        if (BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) is var version && version != Version)
            throw new FileFormatException($"{path}: a pack of version {version}, but version {Version} is read here; pack the images again");
        if (Crc32C.Compute(bytes[..ChecksumOffset]) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumOffset..]))
            throw new FileFormatException($"{path}: the pack's header is damaged; get the file again");
        var header = new VpkHeader(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[56..]));
        if (header.FileLength != actualLength)
            throw new FileFormatException($"{path}: {actualLength} bytes, but the pack has {header.FileLength}; get the file again");
        if (BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]) != VpkEntry.Bytes || !header.IsConsistent)
            throw new FileFormatException($"{path}: the pack's header contradicts itself; pack the images again");
        return header;
    }

    private bool IsConsistent => Count >= 1 && Count <= Math.Min(int.MaxValue, FileLength / VpkEntry.Bytes)
        && IndexOffset >= Bytes && IndexOffset <= FileLength && NamesOffset - IndexOffset == Count * VpkEntry.Bytes
        && NamesOffset <= FactsOffset && FactsOffset <= FileLength;
}
