using System.Buffers.Binary;

namespace Vertebra.Lab.Data.Images;

/// <summary>The orientation tag (0x0112) of EXIF 2.3, section 4.6.4: how the stored rows and columns lie in the scene.</summary>
internal static class ExifOrientation
{
    public const int Upright = 1;
    private const ushort OrientationTag = 0x0112;
    private const ushort ShortType = 3;
    private const int EntryBytes = 12;

    /// <summary>Orientation 1 to 8 from a TIFF block (what follows "Exif\0\0"); <see cref="Upright"/> where it is absent or makes no sense.</summary>
    public static int Read(ReadOnlySpan<byte> tiff)
    {
        if (tiff.Length < 8)
            return Upright;
        var littleEndian = tiff[0] == 'I';
        if (!tiff.StartsWith(littleEndian ? "II"u8 : "MM"u8))
            return Upright;
        var directory = ReadUInt32(tiff[4..], littleEndian);
        if (directory > tiff.Length - 2)
            return Upright;
        var entries = tiff[(int)directory..];
        var count = ReadUInt16(entries, littleEndian);
        entries = entries[2..];
        for (var i = 0; i < count && entries.Length >= EntryBytes; i++, entries = entries[EntryBytes..])
        {
            if (ReadUInt16(entries, littleEndian) != OrientationTag)
                continue;
            var value = ReadUInt16(entries[8..], littleEndian);
            return ReadUInt16(entries[2..], littleEndian) == ShortType && value is >= 1 and <= 8 ? value : Upright;
        }
        return Upright;
    }

    /// <summary>The picture as the scene was: mirrored and turned according to <paramref name="orientation"/> (1 to 8).</summary>
    public static RgbImage Apply(RgbImage image, int orientation)
    {
        if (orientation == Upright)
            return image;
        var swapAxes = orientation >= 5;
        var result = RgbImage.Uninitialized(swapAxes ? image.Height : image.Width, swapAxes ? image.Width : image.Height);
        var mirrorX = orientation is 2 or 3 or 7 or 8;
        var mirrorY = orientation is 3 or 4 or 6 or 7;
        for (var y = 0; y < result.Height; y++)
        {
            var target = result.Row(y);
            for (var x = 0; x < result.Width; x++)
            {
                // Stored row 0 is, for 5 to 8, a column of the scene: columns and rows change places before mirroring.
                var (sourceX, sourceY) = swapAxes ? (y, x) : (x, y);
                if (mirrorX)
                    sourceX = image.Width - 1 - sourceX;
                if (mirrorY)
                    sourceY = image.Height - 1 - sourceY;
                image.Pixels.AsSpan((sourceY * image.Width + sourceX) * 3, 3).CopyTo(target[(x * 3)..]);
            }
        }
        return result;
    }

    private static ushort ReadUInt16(ReadOnlySpan<byte> data, bool littleEndian) =>
        littleEndian ? BinaryPrimitives.ReadUInt16LittleEndian(data) : BinaryPrimitives.ReadUInt16BigEndian(data);

    private static uint ReadUInt32(ReadOnlySpan<byte> data, bool littleEndian) =>
        littleEndian ? BinaryPrimitives.ReadUInt32LittleEndian(data) : BinaryPrimitives.ReadUInt32BigEndian(data);
}
