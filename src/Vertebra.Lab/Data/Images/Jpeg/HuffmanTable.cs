using System.Runtime.CompilerServices;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>
/// A Huffman table of JPEG (T.81, annex C), with a lookahead table that gives, for most codes, the symbol and the
/// coefficient behind it in one step.
/// </summary>
internal sealed class HuffmanTable
{
    /// <summary>Bits that index the lookahead tables.</summary>
    public const int LookaheadBits = 10;

    /// <summary>In an entry of <see cref="Coefficients"/>: values are there too.</summary>
    public const int Complete = 0x80;

    /// <summary>By how much an end of block advances in <see cref="Coefficients"/>: past every index that a run can lead to.</summary>
    public const int EndOfBlock = 129;
    private const int LongestCode = 16;
    private const int TablesKept = 8;

    // Most files have the tables of the standard's annex K, and their lookahead takes longer to fill than to use for a row.
    [ThreadStatic]
    private static HuffmanTable?[]? _recent;

    [ThreadStatic]
    private static int _nextRecent;

    private readonly byte[] _counts;
    private readonly byte[] _symbols;
    private readonly bool _isDc;
    private long[]? _coefficients;

    // By code length: first code past the length's last one, aligned to 16 bits; and what to add to a code to index _symbols.
    private readonly int[] _limit = new int[LongestCode + 2];
    private readonly int[] _offset = new int[LongestCode + 1];

    /// <summary>Builds the table, unless this thread has just used the same.</summary>
    /// <param name="counts">Sixteen counts of codes by length 1 to 16.</param>
    /// <param name="symbols">The symbols in order of their codes, as many as the counts add up to.</param>
    /// <param name="isDc">The symbols are sizes of differences, not run and size.</param>
    /// <returns>Null when the counts describe no prefix code.</returns>
    public static HuffmanTable? Find(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols, bool isDc)
    {
        _recent ??= new HuffmanTable?[TablesKept];
        foreach (var table in _recent)
        {
            if (table is not null && table._isDc == isDc && counts.SequenceEqual(table._counts) && symbols.SequenceEqual(table._symbols))
                return table;
        }
        var created = TryCreate(counts, symbols, isDc);
        if (created is not null)
            _recent[_nextRecent++ % TablesKept] = created;
        return created;
    }

    private static HuffmanTable? TryCreate(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols, bool isDc)
    {
        if (isDc && symbols.IndexOfAnyExceptInRange((byte)0, (byte)15) >= 0)
            return null;
        var table = new HuffmanTable(counts.ToArray(), symbols.ToArray(), isDc);
        int code = 0, index = 0;
        for (var length = 1; length <= LongestCode; length++)
        {
            table._offset[length] = index - code;
            code += counts[length - 1];
            index += counts[length - 1];
            if (code > 1 << length)
                return null;
            table._limit[length] = code << (LongestCode - length);
            code <<= 1;
        }
        table._limit[LongestCode + 1] = int.MaxValue;
        table.FillCodes();
        return table;
    }

    private HuffmanTable(byte[] counts, byte[] symbols, bool isDc) => (_counts, _symbols, _isDc) = (counts, symbols, isDc);

    /// <summary>
    /// Of runs and sizes, by the next <see cref="LookaheadBits"/> bits. With <see cref="Complete"/>, one coefficient or two:
    /// bits 0-5 the length of their codes and values together, bits 8-15 by how much the first advances the index, bits
    /// 16-31 its signed value, bits 32-39 the second's advance or 0, bits 40-45 the length of the first's code and value,
    /// bits 48-63 the second's value. An end of block is a value of 0 that advances by <see cref="EndOfBlock"/>. Without it:
    /// an entry of <see cref="Codes"/>.
    /// </summary>
    public long[] Coefficients => _coefficients ??= FillCoefficients();

    /// <summary>By the next <see cref="LookaheadBits"/> bits: bits 0-5 the length of the code, bits 16-23 its symbol; zero for longer codes.</summary>
    public int[] Codes { get; } = new int[1 << LookaheadBits];

    /// <summary>Finds a code that is longer than the lookahead.</summary>
    /// <param name="next16">The next 16 bits.</param>
    /// <returns>An entry as of <see cref="Codes"/>, or 0 when no code begins like this.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public int FindLongCode(int next16)
    {
        var length = LookaheadBits + 1;
        while (next16 >= _limit[length])
            length++;
        if (length > LongestCode)
            return 0;
        var index = (next16 >> (LongestCode - length)) + _offset[length];
        return (_symbols[index] << 16) | length;
    }

    private void FillCodes()
    {
        int code = 0, index = 0;
        for (var length = 1; length <= LookaheadBits; length++, code <<= 1)
        {
            for (var i = 0; i < _counts[length - 1]; i++, code++, index++)
                Codes.AsSpan(code << (LookaheadBits - length), 1 << (LookaheadBits - length)).Fill((_symbols[index] << 16) | length);
        }
    }

    private long[] FillCoefficients()
    {
        var entries = new long[1 << LookaheadBits];
        for (var bits = 0; bits < entries.Length; bits++)
        {
            if (!TryCoefficient(bits, out var length, out var advance, out var value))
            {
                entries[bits] = Codes[bits];
                continue;
            }
            var entry = (long)((uint)value << 16) | (uint)(advance << 8) | Complete;
            // The bits behind the known ones are taken to be zeros: a second coefficient that ends before them is certain.
            if (advance != EndOfBlock && TryCoefficient((bits << length) & (entries.Length - 1), out var secondLength, out var secondAdvance, out var secondValue)
                && length + secondLength <= LookaheadBits)
                entry |= ((long)secondValue << 48) | ((long)secondAdvance << 32) | (uint)(length + secondLength);
            else
                entry |= (uint)length;
            entries[bits] = entry | ((long)length << 40);
        }
        return entries;
    }

    /// <summary>The coefficient that begins these lookahead bits, or the end of the block, if all of it is there.</summary>
    private bool TryCoefficient(int bits, out int length, out int advance, out int value)
    {
        var (code, symbol) = (Codes[bits], Codes[bits] >> 16);
        var size = symbol & 15;
        (length, advance, value) = ((code & 63) + size, AdvanceOf(symbol), 0);
        if (code == 0 || length > LookaheadBits)
            return false;
        if (size > 0)
            value = Extend((bits >> (LookaheadBits - length)) & ((1 << size) - 1), size);
        return true;
    }

    /// <summary>By how much a symbol of run and size advances the index; a size of 0 ends the block unless its run is 15.</summary>
    public static int AdvanceOf(int symbol) => (symbol & 15) == 0 && symbol != 0xF0 ? EndOfBlock : (symbol >> 4) + 1;

    /// <summary>The signed value of <paramref name="size"/> bits (T.81, figure F.12): a leading zero bit means negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Extend(int bits, int size) => bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
}
