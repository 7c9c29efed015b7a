using System.Buffers.Binary;

namespace Vertebra.Lab.Data.Images.Png;

/// <summary>The checksum of PNG chunks: CRC-32 of ISO 3309 (polynomial 0xEDB88320, reflected), eight bytes a step.</summary>
internal static class Crc32
{
    private const int Slices = 8;
    private static readonly uint[] Table = BuildTable();

    /// <summary>Checksum of a whole message.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => ~Append(uint.MaxValue, data);

    /// <summary>Goes on with a checksum: begin with all ones, invert at the end.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        var table = Table;
        while (data.Length >= Slices)
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(data) ^ crc;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = table[(7 << 8) | (byte)low] ^ table[(6 << 8) | (byte)(low >> 8)]
                ^ table[(5 << 8) | (byte)(low >> 16)] ^ table[(4 << 8) | (low >> 24)]
                ^ table[(3 << 8) | (byte)high] ^ table[(2 << 8) | (byte)(high >> 8)]
                ^ table[(1 << 8) | (byte)(high >> 16)] ^ table[high >> 24];
            data = data[Slices..];
        }
        foreach (var value in data)
            crc = table[(byte)(crc ^ value)] ^ (crc >> 8);
        return crc;
    }

    /// <summary>Slice s holds the effect of a byte that s further bytes follow.</summary>
    private static uint[] BuildTable()
    {
        var table = new uint[Slices << 8];
        for (var i = 0u; i < 256; i++)
        {
            var crc = i;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
            table[i] = crc;
        }
        for (var i = 256; i < table.Length; i++)
            table[i] = table[(byte)table[i - 256]] ^ (table[i - 256] >> 8);
        return table;
    }
}
