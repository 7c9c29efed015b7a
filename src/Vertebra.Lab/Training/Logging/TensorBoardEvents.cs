using System.Buffers.Binary;
using System.Text;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Logging;

/// <summary>
/// What stands in TensorBoard's event files: <c>Event</c> messages of tensorflow/core/util/event.proto in protocol buffer
/// encoding, each framed as a TFRecord (tensorflow/core/lib/io/record_writer.h): length, its masked CRC-32C, data, its masked
/// CRC-32C.
/// </summary>
internal static class TensorBoardEvents
{
    private const uint MaskDelta = 0xA282EAD8;

    // Wire types of the encoding.
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;

    /// <summary>The first event of every file.</summary>
    public static byte[] FileVersion(double wallTime) => Event(wallTime, step: null, Bytes(3, "brain.Event:2"u8));

    /// <summary>Tells readers to forget what earlier files say of this step and later ones.</summary>
    public static byte[] SessionStart(double wallTime, long step) => Event(wallTime, step, Bytes(7, (ReadOnlySpan<byte>)[.. Number(1, 1)]));

    /// <summary>Values of one step by name.</summary>
    public static byte[] Scalars(double wallTime, long step, IEnumerable<(string Tag, double Value)> values) =>
        Event(wallTime, step, Bytes(5, [.. values.SelectMany(v => Bytes(1, [.. Bytes(1, Encoding.UTF8.GetBytes(v.Tag)), .. Single(2, (float)v.Value)]))]));

    /// <summary>An event in its frame.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> data)
    {
        var frame = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(frame, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(8), Masked(frame.AsSpan(0, 8)));
        data.CopyTo(frame.AsSpan(12));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12 + data.Length), Masked(data));
        return frame;
    }

    /// <summary>The checksum of a frame: turned and shifted, because checksums of data that hold checksums are weak.</summary>
    public static uint Masked(ReadOnlySpan<byte> data)
    {
        var crc = Crc32C.Compute(data);
        return ((crc >> 15) | (crc << 17)) + MaskDelta;
    }

    private static byte[] Event(double wallTime, long? step, byte[] what)
    {
        var time = new byte[sizeof(double)];
        BinaryPrimitives.WriteDoubleLittleEndian(time, wallTime);
        return [.. Key(1, Fixed64), .. time, .. step is { } s ? Number(2, (ulong)s) : [], .. what];
    }

    private static byte[] Key(int field, int wireType) => VarintOf(((ulong)field << 3) | (uint)wireType);

    private static byte[] Number(int field, ulong value) => [.. Key(field, Varint), .. VarintOf(value)];

    private static byte[] Bytes(int field, ReadOnlySpan<byte> value) => [.. Key(field, Delimited), .. VarintOf((ulong)value.Length), .. value];

    private static byte[] Single(int field, float value)
    {
        var bytes = new byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return [.. Key(field, Fixed32), .. bytes];
    }

    private static byte[] VarintOf(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return [.. bytes];
    }
}
