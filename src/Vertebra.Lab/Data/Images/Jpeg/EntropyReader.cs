using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>
/// The entropy-coded bytes of one scan, segment by segment (T.81, B.1.1.5): from one restart marker to the next, with the
/// stuffed zero bytes taken out, so that the bit reader never looks for them.
/// </summary>
internal sealed class EntropyReader(ReadOnlyMemory<byte> data) : IDisposable
{
    /// <summary>Zero bytes behind a segment: more than the bits of the largest block (64 coefficients of 32 bits) need.</summary>
    public const int Padding = 512;

    private byte[] _segment = [];

    /// <summary>Where in the file the segment's bytes end: at a marker, or at the end of the file.</summary>
    public int End { get; private set; }

    /// <summary>True when the segment was ended by the end of the file, not by a marker.</summary>
    public bool EndsWithFile => End == data.Length;

    /// <summary>Takes the bytes from <paramref name="start"/> to the next marker.</summary>
    public BitReader ReadSegment(int start)
    {
        var source = data.Span;
        // No segment is longer than the rest of the file, so memory is taken once.
        var needed = source.Length - start + Padding;
        if (_segment.Length < needed)
        {
            Dispose();
            _segment = ArrayPool<byte>.Shared.Rent(needed);
        }
        var length = Unstuff(source[start..], _segment, out var consumed);
        End = start + consumed;
        _segment.AsSpan(length, Padding).Clear();
        return new BitReader(_segment.AsSpan(0, length + Padding), length);
    }

    /// <summary>Steps over a restart marker, and over stray bytes before it.</summary>
    /// <param name="number">Which of RST0 to RST7 must come.</param>
    /// <returns>False when another marker or the end of the file comes.</returns>
    public bool TryPassRestart(int number)
    {
        var rest = data.Span[End..];
        if (rest.Length < 2 || rest[1] != JpegMarker.Restart0 + number)
            return false;
        End += 2;
        return true;
    }

    public void Dispose()
    {
        if (_segment.Length > 0)
            ArrayPool<byte>.Shared.Return(_segment);
        _segment = [];
    }

    private static int Unstuff(ReadOnlySpan<byte> source, Span<byte> target, out int consumed)
    {
        int at = 0, length = 0;
        while (true)
        {
            var plain = source[at..].IndexOf((byte)0xFF);
            if (plain < 0)
                plain = source.Length - at;
            source.Slice(at, plain).CopyTo(target[length..]);
            at += plain;
            length += plain;
            if (at + 1 >= source.Length)
            {
                at = source.Length;
                break;
            }
            if (source[at + 1] == 0)
            {
                target[length++] = 0xFF;
                at += 2;
            }
            else if (source[at + 1] == 0xFF)
                at++;
            else
                break;
        }
        consumed = at;
        return length;
    }
}

/// <summary>
/// Bits of one segment, first bit first. The next bit is the top one of <see cref="Buffer"/>. Past the end come zeros:
/// <see cref="IsExhausted"/> tells, and must be asked before each block, so that reading stays within the padding.
/// </summary>
internal ref struct BitReader(ReadOnlySpan<byte> padded, int length)
{
    private readonly ReadOnlySpan<byte> _padded = padded;
    private readonly int _length = length;

    /// <summary>Next byte to enter the buffer.</summary>
    public int Position;

    /// <summary>Bits of <see cref="Buffer"/> that count.</summary>
    public int Count;
    public ulong Buffer;

    /// <summary>The segment with its padding.</summary>
    public readonly ReadOnlySpan<byte> Padded => _padded;

    /// <summary>True when more bits were taken than the segment holds.</summary>
    public readonly bool IsExhausted => Position - (Count >> 3) > _length;

    /// <summary>Tops the buffer up to at least 56 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Refill(ReadOnlySpan<byte> padded, ref ulong buffer, ref int count, ref int position)
    {
        // The bytes not counted are merged again next time, at the same place, so merging them early does no harm.
        buffer |= BinaryPrimitives.ReadUInt64BigEndian(padded[position..]) >> count;
        position += (63 - count) >> 3;
        count |= 56;
    }

    /// <summary>The same from unchecked memory, whether it is needed or not; the eight bytes from the position on must be there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Refill(ref byte padded, ref ulong buffer, ref int count, ref int position)
    {
        var bytes = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref padded, position));
        buffer |= (BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(bytes) : bytes) >> count;
        position += (63 - count) >> 3;
        count |= 56;
    }

    /// <summary>Brings at least so many bits into the buffer, up to 56.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ensure(int bits)
    {
        if (Count < bits)
            Refill(_padded, ref Buffer, ref Count, ref Position);
    }

    /// <summary>The next bits of the buffer, 1 to 16, as an unsigned number; they are not taken.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int Peek(int bits) => (int)(Buffer >> (64 - bits));

    /// <summary>Takes <paramref name="size"/> bits, 0 to 15, of the buffer as a signed value.</summary>
    public int TakeValue(int size)
    {
        var value = SignedValue(Buffer, size);
        Skip(size);
        return value;
    }

    /// <summary>The first <paramref name="size"/> bits, 0 to 15, as a signed value (T.81, figure F.12), without a branch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SignedValue(ulong buffer, int size) =>
        (int)(buffer >> 1 >> (63 - size)) + ((int)(~(long)buffer >> 63) & (1 - (1 << size)));

    /// <summary>Reads an unsigned number of 1 to 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int ReadBits(int bits)
    {
        Ensure(bits);
        var value = (int)(Buffer >> (64 - bits));
        Skip(bits);
        return value;
    }

    /// <summary>Reads a signed value of <paramref name="size"/> bits, 1 to 15 (T.81, F.2.2.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int ReadValue(int size) => HuffmanTable.Extend(ReadBits(size), size);

    /// <summary>Reads one symbol.</summary>
    /// <returns>The symbol, or -1 when no code fits.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int ReadSymbol(HuffmanTable table)
    {
        Ensure(16);
        var entry = table.Codes[(int)(Buffer >> (64 - HuffmanTable.LookaheadBits))];
        if (entry == 0)
        {
            entry = table.FindLongCode((int)(Buffer >> 48));
            if (entry == 0)
                return -1;
        }
        Skip(entry & 63);
        return entry >> 16;
    }

    /// <summary>Takes bits of the buffer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Skip(int bits)
    {
        Buffer <<= bits;
        Count -= bits;
    }
}
