using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>Decodes a scan of a sequential frame (T.81, F.2) straight into the sample planes of its components.</summary>
internal sealed class SequentialScanDecoder
{
    private const int LookaheadShift = 64 - HuffmanTable.LookaheadBits;

    private readonly JpegFrame _frame;
    private readonly JpegScan _scan;
    private readonly EntropyReader _entropy;
    private readonly ImageFileErrors _errors;

    // By component: quantisation factors in the order of a block.
    private readonly short[][] _factors;

    public SequentialScanDecoder(JpegFrame frame, JpegScan scan, EntropyReader entropy, ImageFileErrors errors)
    {
        _frame = frame;
        _scan = scan;
        _entropy = entropy;
        _errors = errors;
        _factors = [.. scan.Components.Select(c => InverseDct.Factors(c.Quantization!))];
    }

    /// <summary>Decodes the scan.</summary>
    /// <param name="unitRowsDone">Told how many rows of minimum coded units have their samples in the planes, after each; answers whether it needs more.</param>
    /// <param name="checksRest">Read on when it does not.</param>
    public void Decode(Func<int, bool> unitRowsDone, bool checksRest)
    {
        var single = _scan.Components[0];
        var unitColumns = _scan.IsInterleaved ? _frame.UnitColumns : single.BlockColumns;
        var unitRows = _scan.IsInterleaved ? _frame.UnitRows : single.BlockRows;
        var reader = StartSegment(_scan.DataStart);
        int untilRestart = _scan.RestartInterval, restarts = 0;
        for (var row = 0; row < unitRows; row++)
        {
            for (var column = 0; column < unitColumns; column++)
            {
                if (_scan.RestartInterval > 0 && untilRestart-- == 0)
                {
                    if (!_entropy.TryPassRestart(restarts++ & 7))
                        throw _errors.Truncated($"restart marker before row {row} of {unitRows} of coded units", _entropy.End);
                    reader = StartSegment(_entropy.End);
                    untilRestart = _scan.RestartInterval - 1;
                }
                if (_scan.IsInterleaved)
                    DecodeUnit(ref reader, row, column);
                else
                    DecodeBlock(ref reader, 0, row, column);
            }
            if (reader.IsExhausted)
                throw Exhausted(row, unitRows);
            if (!unitRowsDone(row + 1) && !checksRest)
                return;
        }
    }

    private BitReader StartSegment(int start)
    {
        foreach (var component in _scan.Components)
            component.DcPrediction = 0;
        return _entropy.ReadSegment(start);
    }

    private void DecodeUnit(ref BitReader reader, int unitRow, int unitColumn)
    {
        for (var i = 0; i < _scan.Components.Length; i++)
        {
            var component = _scan.Components[i];
            for (var v = 0; v < component.Vertical; v++)
            {
                for (var h = 0; h < component.Horizontal; h++)
                    DecodeBlock(ref reader, i, unitRow * component.Vertical + v, unitColumn * component.Horizontal + h);
            }
        }
    }

    private void DecodeBlock(ref BitReader reader, int index, int blockRow, int blockColumn)
    {
        Span<short> block = stackalloc short[InverseDct.BlockSize];
        var component = _scan.Components[index];
        if (reader.IsExhausted)
            throw Exhausted(blockRow, component.BlockRows);
        var last = ReadCoefficients(ref reader, _scan.DcTables[index]!, _scan.AcTables[index]!, component, block);
        if (last < 1)
            throw _entropy.EndsWithFile ? Exhausted(blockRow, component.BlockRows) : _errors.Damaged($"no such code in row {blockRow} of {component.BlockRows} of blocks", _entropy.End);
        if (!component.NeededRows.Contains(blockRow) || !component.NeededColumns.Contains(blockColumn))
            return;
        var target = component.Plane.AsSpan(blockRow * 8 * component.Stride + blockColumn * 8);
        if (last == 1)
            InverseDct.FillFlat((short)(block[0] * _factors[index][0]), target, component.Stride);
        else
            InverseDct.Transform(block, _factors[index], target, component.Stride);
    }

    /// <summary>Reads one block.</summary>
    /// <returns>1 when only the first coefficient was sent, more when others were, negative when the bits are no codes.</returns>
    private static int ReadCoefficients(ref BitReader reader, HuffmanTable dcTable, HuffmanTable acTable, JpegComponent component, scoped Span<short> block)
    {
        var k = 0;
        while ((k = ReadShortCodes(ref reader, dcTable.Codes, acTable.Coefficients, component, block, k)) < 0)
        {
            k = ~k;
            reader.Ensure(32);
            var entry = (k == 0 ? dcTable : acTable).FindLongCode(reader.Peek(16));
            if (entry == 0)
                return -1;
            reader.Skip(entry & 63);
            var symbol = entry >> 16;
            var value = reader.TakeValue(symbol & 15);
            if (k == 0)
                value = component.DcPrediction += value;
            k += k == 0 ? 1 : HuffmanTable.AdvanceOf(symbol);
            block[InverseDct.PairedOrder[k - 1]] = (short)value;
            if (k >= 64)
                break;
        }
        if (k > HuffmanTable.EndOfBlock)
            k -= HuffmanTable.EndOfBlock;
        return k <= 64 ? k : -1;
    }

    /// <summary>
    /// Reads coefficients while their codes are in the lookahead. It calls nothing and fills up the bits without asking
    /// whether it must, so that variables stay in registers and few branches are mispredicted: more than half of the time
    /// of decoding is spent here.
    /// </summary>
    /// <param name="reader">The bits; not exhausted when the block began. A block takes at most 64 * 31 bits and an end, so that nothing beyond the padding is read.</param>
    /// <param name="differences">Codes of the first coefficient, as of <see cref="HuffmanTable.Codes"/>.</param>
    /// <param name="coefficients">Lookahead of the others, as of <see cref="HuffmanTable.Coefficients"/>.</param>
    /// <param name="component">Has the prediction of the first coefficient.</param>
    /// <param name="block">Receives coefficients.</param>
    /// <param name="k">Zigzag index to begin with.</param>
    /// <returns>The index behind the last one, plus <see cref="HuffmanTable.EndOfBlock"/> after an end of block; or the complement of the index whose code comes next and is longer than the lookahead.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ReadShortCodes(ref BitReader reader, int[] differences, long[] coefficients, JpegComponent component, scoped Span<short> block, int k)
    {
        ref var lookahead = ref MemoryMarshal.GetArrayDataReference(coefficients);
        ref var order = ref MemoryMarshal.GetArrayDataReference(InverseDct.PairedOrder);
        ref var target = ref MemoryMarshal.GetReference(block[..InverseDct.BlockSize]);
        ref var padded = ref MemoryMarshal.GetReference(reader.Padded);
        var buffer = reader.Buffer;
        var count = reader.Count;
        var position = reader.Position;
        if (k == 0)
        {
            BitReader.Refill(ref padded, ref buffer, ref count, ref position);
            var code = differences[(int)(buffer >> LookaheadShift)];
            if (code == 0)
                return ~0;
            buffer <<= code & 63;
            component.DcPrediction += BitReader.SignedValue(buffer, code >> 16);
            target = (short)component.DcPrediction;
            buffer <<= code >> 16;
            count -= (code & 63) + (code >> 16);
            k = 1;
        }

        ulong before = 0;
        long entry = 0;
        while (true)
        {
            // Three steps and a value behind the lookahead take 55 bits, four steps 40.
            do
                BitReader.Refill(ref padded, ref buffer, ref count, ref position);
            while (Step(ref lookahead, ref order, ref target, ref buffer, ref count, ref k, ref before, ref entry)
                && Step(ref lookahead, ref order, ref target, ref buffer, ref count, ref k, ref before, ref entry)
                && Step(ref lookahead, ref order, ref target, ref buffer, ref count, ref k, ref before, ref entry)
                && Step(ref lookahead, ref order, ref target, ref buffer, ref count, ref k, ref before, ref entry));
            if (((int)entry & HuffmanTable.Complete) != 0)
                break;
            if (entry == 0)
            {
                k = ~k;
                break;
            }
            buffer <<= (int)entry & 63;
            var size = ((int)entry >> 16) & 15;
            k += ((int)entry >> 20) + 1;
            Unsafe.Add(ref target, (nint)Unsafe.Add(ref order, (nint)(uint)(k - 1))) = (short)BitReader.SignedValue(buffer, size);
            buffer <<= size;
            count -= ((int)entry & 63) + size;
            if (k >= 64)
                break;
        }
        if (k > 64 && k - ((int)(entry >> 32) & 255) == 64)
        {
            // The first of two was the block's last; the second's bits are the next block's.
            var length = (int)(entry >> 40) & 63;
            buffer = before << length;
            count += ((int)entry & 63) - length;
            k = 64;
        }
        reader.Buffer = buffer;
        reader.Count = count;
        reader.Position = position;
        return k;
    }

    /// <summary>Takes one or two coefficients that the lookahead holds completely.</summary>
    /// <returns>True when the block goes on; false at its end, and where the entry is not complete, of which nothing is taken.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Step(ref long lookahead, ref byte order, ref short target, ref ulong buffer, ref int count, ref int k, ref ulong before, ref long entry)
    {
        // No bounds are checked: the index has LookaheadBits bits and the table as many entries; k is at most 63 before it
        // advances by at most 16 and then EndOfBlock, and the order has as many entries, each below 64.
        before = buffer;
        entry = Unsafe.Add(ref lookahead, (nint)(buffer >> LookaheadShift));
        if (((int)entry & HuffmanTable.Complete) == 0)
            return false;
        buffer <<= (int)entry & 63;
        count -= (int)entry & 63;
        k += ((int)entry >> 8) & 255;
        var first = Unsafe.Add(ref order, (nint)(uint)(k - 1));
        k += (int)(entry >> 32) & 255;
        // Where there is no second, the first takes its place again.
        Unsafe.Add(ref target, (nint)Unsafe.Add(ref order, (nint)(uint)(k - 1))) = (short)(entry >> 48);
        Unsafe.Add(ref target, (nint)first) = (short)(entry >> 16);
        return k < 64;
    }

    private FileFormatException Exhausted(int row, int rows) =>
        _errors.Truncated($"picture data from row {row} of {rows} of blocks on", _entropy.End);
}
