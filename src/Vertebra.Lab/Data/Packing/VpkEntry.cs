using System.Buffers.Binary;

namespace Vertebra.Lab.Data.Packing;

/// <summary>What a record of a pack is.</summary>
internal enum VpkKind : byte
{
    /// <summary>R, G, B of each pixel, row by row.</summary>
    Raw,

    /// <summary>A JPEG or PNG file.</summary>
    Encoded,
}

/// <summary>A line of a pack's index: where a record lies and what it shows. 40 bytes in the file, little-endian.</summary>
/// <param name="Offset">First byte of the record in the file.</param>
/// <param name="Length">Bytes of the record.</param>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Label">Class.</param>
/// <param name="Checksum">CRC-32C of the record.</param>
/// <param name="NameOffset">First byte of its name in the table of names.</param>
/// <param name="NameLength">Bytes of its name.</param>
/// <param name="Kind">What the bytes are.</param>
/// <param name="IsValidation">Held back to validate with.</param>
internal readonly record struct VpkEntry(
    long Offset, int Length, int Width, int Height, int Label, uint Checksum, uint NameOffset, ushort NameLength, VpkKind Kind, bool IsValidation)
{
    public const int Bytes = 40;

    public void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target, Offset);
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(target[12..], Width);
        BinaryPrimitives.WriteInt32LittleEndian(target[16..], Height);
        BinaryPrimitives.WriteInt32LittleEndian(target[20..], Label);
        BinaryPrimitives.WriteUInt32LittleEndian(target[24..], Checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(target[28..], NameOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(target[32..], NameLength);
        target[34] = (byte)Kind;
        target[35] = IsValidation ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt32LittleEndian(target[36..], 0);
    }

    /// <summary>Reads what <see cref="Write"/> wrote; nothing is checked.</summary>
    public static VpkEntry Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadInt64LittleEndian(source),
        BinaryPrimitives.ReadInt32LittleEndian(source[8..]),
        BinaryPrimitives.ReadInt32LittleEndian(source[12..]),
        BinaryPrimitives.ReadInt32LittleEndian(source[16..]),
        BinaryPrimitives.ReadInt32LittleEndian(source[20..]),
        BinaryPrimitives.ReadUInt32LittleEndian(source[24..]),
        BinaryPrimitives.ReadUInt32LittleEndian(source[28..]),
        BinaryPrimitives.ReadUInt16LittleEndian(source[32..]),
        (VpkKind)source[34],
        source[35] != 0);

    /// <summary>What is wrong with the entry; null when it may be used.</summary>
    /// <param name="dataEnd">Where the records end in the file.</param>
    /// <param name="namesLength">Bytes of the table of names.</param>
    /// <param name="classes">Number of classes.</param>
    public string? Problem(long dataEnd, long namesLength, int classes)
    {
        if (Offset < VpkHeader.Bytes || Length < 1 || Offset > dataEnd - Length)
            return "its bytes are not inside the file";
        if (Width < 1 || Height < 1 || (long)Width * Height > Images.ImageDecodeOptions.Default.MaxPixels)
            return $"its size is {Width}x{Height}";
        if (Kind is not (VpkKind.Raw or VpkKind.Encoded))
            return $"its kind {(byte)Kind} is unknown";
        if (Kind == VpkKind.Raw && Length != 3L * Width * Height)
            return $"its {Length} bytes are not {Width}x{Height} pixels";
        if ((uint)Label >= (uint)classes)
            return $"its label {Label} is none of the {classes} classes";
        return NameOffset + (long)NameLength > namesLength ? "its name is not inside the file" : null;
    }
}
