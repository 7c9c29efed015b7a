using System.Runtime.CompilerServices;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>
/// A Huffman table of JPEG (T.81, annex C), with a lookahead table that gives, for most codes, the symbol and the
/// coefficient behind it in one step.
/// </summary>
internal sealed class HuffmanTable
{
    /// <summary>Bits that index <see cref="Coefficients"/>.</summary>
    public const int LookaheadBits = 10;

    /// <summary>In an entry of <see cref="Coefficients"/>: value, run and length are all there.</summary>
    public const int Complete = 0x80;
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
        table.FillLookahead();
        return table;
    }

    private HuffmanTable(byte[] counts, byte[] symbols, bool isDc) => (_counts, _symbols, _isDc) = (counts, symbols, isDc);

    /// <summary>
    /// By the next <see cref="LookaheadBits"/> bits. With <see cref="Complete"/>: bits 0-5 the length of code and value
    /// together, bits 8-11 the run of zeros, bits 16-31 the signed value. Without it: bits 0-5 the length of the code,
    /// bits 16-23 its symbol. Zero: the code is longer than the lookahead.
    /// </summary>
    public int[] Coefficients { get; } = new int[1 << LookaheadBits];

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

    private void FillLookahead()
    {
        int code = 0, index = 0;
        for (var length = 1; length <= LookaheadBits; length++, code <<= 1)
        {
            for (var i = 0; i < _counts[length - 1]; i++, code++, index++)
            {
                var free = LookaheadBits - length;
                for (var tail = 0; tail < 1 << free; tail++)
                {
                    var slot = (code << free) | tail;
                    Codes[slot] = (_symbols[index] << 16) | length;
                    Coefficients[slot] = CompleteEntry(_symbols[index], length, tail, free, _isDc) ?? Codes[slot];
                }
            }
        }
    }

    private static int? CompleteEntry(byte symbol, int codeLength, int tail, int tailBits, bool isDc)
    {
        int run = symbol >> 4, size = symbol & 15;
        if (size == 0)
            return isDc ? Complete | codeLength : null;
        if (size > tailBits)
            return null;
        var value = Extend(tail >> (tailBits - size), size);
        return (value << 16) | (run << 8) | Complete | (codeLength + size);
    }

    /// <summary>The signed value of <paramref name="size"/> bits (T.81, figure F.12): a leading zero bit means negative.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Extend(int bits, int size) => bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
}
