using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>Decodes a scan of a sequential frame (T.81, F.2) straight into the sample planes of its components.</summary>
internal sealed class SequentialScanDecoder
{
    private readonly JpegFrame _frame;
    private readonly JpegScan _scan;
    private readonly EntropyReader _entropy;
    private readonly ImageFileErrors _errors;

    // By component and zigzag index: quantisation factor << 8 | position in the block. Runs past the end land in the last 16.
    private readonly int[][] _placement;

    public SequentialScanDecoder(JpegFrame frame, JpegScan scan, EntropyReader entropy, ImageFileErrors errors)
    {
        _frame = frame;
        _scan = scan;
        _entropy = entropy;
        _errors = errors;
        _placement = [.. scan.Components.Select(c => BuildPlacement(c.Quantization!))];
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
        var last = ReadCoefficients(ref reader, _scan.DcTables[index]!, _scan.AcTables[index]!, _placement[index], component, block);
        if (last < 1)
            throw _entropy.EndsWithFile ? Exhausted(blockRow, component.BlockRows) : _errors.Damaged($"no such code in row {blockRow} of {component.BlockRows} of blocks", _entropy.End);
        if (!component.NeededRows.Contains(blockRow) || !component.NeededColumns.Contains(blockColumn))
            return;
        var target = component.Plane.AsSpan(blockRow * 8 * component.Stride + blockColumn * 8);
        if (last == 1)
            InverseDct.FillFlat(block[0], target, component.Stride);
        else
            InverseDct.Transform(block, target, component.Stride);
    }

    /// <summary>Reads and dequantises one block.</summary>
    /// <returns>1 when only the first coefficient was sent, more when others were, negative when the bits are no codes.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int ReadCoefficients(ref BitReader reader, HuffmanTable dcTable, HuffmanTable acTable, int[] placement, JpegComponent component, scoped Span<short> block)
    {
        const int lookaheadShift = 64 - HuffmanTable.LookaheadBits;
        var padded = reader.Padded;
        var buffer = reader.Buffer;
        var count = reader.Count;
        var position = reader.Position;
        ref var place = ref MemoryMarshal.GetArrayDataReference(placement);
        ref var target = ref MemoryMarshal.GetReference(block[..InverseDct.BlockSize]);

        if (count < 32)
            BitReader.Refill(padded, ref buffer, ref count, ref position);
        var entry = dcTable.Coefficients[(int)(buffer >> lookaheadShift)];
        var difference = entry >> 16;
        if ((entry & HuffmanTable.Complete) == 0)
        {
            if (entry == 0 && (entry = dcTable.FindLongCode((int)(buffer >> 48))) == 0)
                return -1;
            buffer <<= entry & 63;
            count -= entry & 63;
            difference = TakeValue(entry >> 16, ref buffer, ref count);
        }
        else
        {
            buffer <<= entry & 63;
            count -= entry & 63;
        }
        component.DcPrediction += difference;
        target = (short)(component.DcPrediction * (place >> 8));

        // Lookups need no bounds check: the index has LookaheadBits bits and the table as many entries; k is at most
        // 63 before a run of at most 15 is added, and the placement has 80 entries.
        ref var lookahead = ref MemoryMarshal.GetArrayDataReference(acTable.Coefficients);
        var k = 1;
        do
        {
            if (count < 32)
                BitReader.Refill(padded, ref buffer, ref count, ref position);
            entry = Unsafe.Add(ref lookahead, (nint)(buffer >> lookaheadShift));
            int value;
            if ((entry & HuffmanTable.Complete) != 0)
            {
                buffer <<= entry & 63;
                count -= entry & 63;
                k += (entry >> 8) & 15;
                value = entry >> 16;
            }
            else
            {
                if (entry == 0 && (entry = acTable.FindLongCode((int)(buffer >> 48))) == 0)
                    return -1;
                buffer <<= entry & 63;
                count -= entry & 63;
                var symbol = entry >> 16;
                var size = symbol & 15;
                if (size == 0)
                {
                    if (symbol != 0xF0)
                        break;
                    k += 16;
                    continue;
                }
                k += symbol >> 4;
                value = TakeValue(size, ref buffer, ref count);
            }
            var factorAndPosition = Unsafe.Add(ref place, k);
            Unsafe.Add(ref target, factorAndPosition & 63) = (short)(value * (factorAndPosition >> 8));
            k++;
        }
        while (k < 64);

        reader.Buffer = buffer;
        reader.Count = count;
        reader.Position = position;
        return k <= 64 ? k : -1;
    }

    /// <summary>The next <paramref name="size"/> bits as a signed value (T.81, figure F.12), without a branch on the sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int TakeValue(int size, ref ulong buffer, ref int count)
    {
        if (size == 0)
            return 0;
        var value = (int)(buffer >> (64 - size)) + ((int)(~(long)buffer >> 63) & (1 - (1 << size)));
        buffer <<= size;
        count -= size;
        return value;
    }

    private static int[] BuildPlacement(ushort[] quantization)
    {
        var order = InverseDct.PairedOrder;
        var placement = new int[order.Length];
        for (var k = 0; k < placement.Length; k++)
            placement[k] = ((k < quantization.Length ? quantization[k] : 0) << 8) | order[k];
        return placement;
    }

    private FileFormatException Exhausted(int row, int rows) =>
        _errors.Truncated($"picture data from row {row} of {rows} of blocks on", _entropy.End);
}
