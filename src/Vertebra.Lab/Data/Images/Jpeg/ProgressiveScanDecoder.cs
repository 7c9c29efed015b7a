using System.Runtime.CompilerServices;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>Decodes a scan of a progressive frame (T.81, G.1.2) into the coefficients of its components.</summary>
internal sealed class ProgressiveScanDecoder(JpegFrame frame, JpegScan scan, EntropyReader entropy, ImageFileErrors errors)
{
    /// <summary>Blocks that still follow without new coefficients ("end of band" run).</summary>
    private int _emptyBlocks;

    public void Decode()
    {
        var single = scan.Components[0];
        var unitColumns = scan.IsInterleaved ? frame.UnitColumns : single.BlockColumns;
        var unitRows = scan.IsInterleaved ? frame.UnitRows : single.BlockRows;
        var reader = StartSegment(scan.DataStart);
        int untilRestart = scan.RestartInterval, restarts = 0;
        for (var row = 0; row < unitRows; row++)
        {
            for (var column = 0; column < unitColumns; column++)
            {
                if (scan.RestartInterval > 0 && untilRestart-- == 0)
                {
                    if (!entropy.TryPassRestart(restarts++ & 7))
                        throw errors.Truncated($"restart marker before row {row} of {unitRows} of coded units", entropy.End);
                    reader = StartSegment(entropy.End);
                    untilRestart = scan.RestartInterval - 1;
                }
                if (scan.IsInterleaved)
                    DecodeUnit(ref reader, row, column);
                else
                    DecodeBlock(ref reader, 0, row, column);
            }
            if (reader.IsExhausted)
                throw Exhausted(row, unitRows);
        }
    }

    private BitReader StartSegment(int start)
    {
        _emptyBlocks = 0;
        foreach (var component in scan.Components)
            component.DcPrediction = 0;
        return entropy.ReadSegment(start);
    }

    private void DecodeUnit(ref BitReader reader, int unitRow, int unitColumn)
    {
        for (var i = 0; i < scan.Components.Length; i++)
        {
            var component = scan.Components[i];
            for (var v = 0; v < component.Vertical; v++)
            {
                for (var h = 0; h < component.Horizontal; h++)
                    DecodeBlock(ref reader, i, unitRow * component.Vertical + v, unitColumn * component.Horizontal + h);
            }
        }
    }

    private void DecodeBlock(ref BitReader reader, int index, int blockRow, int blockColumn)
    {
        var component = scan.Components[index];
        if (reader.IsExhausted)
            throw Exhausted(blockRow, component.BlockRows);
        var start = (blockRow * component.PaddedBlockColumns + blockColumn) * InverseDct.BlockSize;
        var block = component.Coefficients.AsSpan(start, InverseDct.BlockSize);
        var understood = (scan.First, scan.HighBit) switch
        {
            (0, 0) => ReadFirst(ref reader, component, scan.DcTables[index]!, block),
            (0, _) => RefineFirst(ref reader, block),
            (_, 0) => ReadBand(ref reader, scan.AcTables[index]!, block),
            _ => RefineBand(ref reader, scan.AcTables[index]!, block),
        };
        if (!understood)
            throw entropy.EndsWithFile ? Exhausted(blockRow, component.BlockRows) : errors.Damaged($"no such code in row {blockRow} of {component.BlockRows} of blocks", entropy.End);
    }

    private bool ReadFirst(ref BitReader reader, JpegComponent component, HuffmanTable table, Span<short> block)
    {
        var size = reader.ReadSymbol(table);
        if (size < 0)
            return false;
        if (size > 0)
            component.DcPrediction += reader.ReadValue(size);
        block[0] = (short)(component.DcPrediction << scan.LowBit);
        return true;
    }

    private bool RefineFirst(ref BitReader reader, Span<short> block)
    {
        block[0] |= (short)(reader.ReadBits(1) << scan.LowBit);
        return true;
    }

    private bool ReadBand(ref BitReader reader, HuffmanTable table, Span<short> block)
    {
        if (_emptyBlocks > 0)
        {
            _emptyBlocks--;
            return true;
        }
        var order = InverseDct.PairedOrder;
        for (var k = scan.First; k <= scan.Last; k++)
        {
            var symbol = reader.ReadSymbol(table);
            if (symbol < 0)
                return false;
            int run = symbol >> 4, size = symbol & 15;
            if (size == 0)
            {
                if (run < 15)
                {
                    _emptyBlocks = ReadEmptyBlocks(ref reader, run) - 1;
                    return true;
                }
                k += 15;
                continue;
            }
            k += run;
            if (k > scan.Last)
                return false;
            block[order[k]] = (short)(reader.ReadValue(size) << scan.LowBit);
        }
        return true;
    }

    private bool RefineBand(ref BitReader reader, HuffmanTable table, Span<short> block)
    {
        var k = scan.First;
        if (_emptyBlocks == 0)
        {
            for (; k <= scan.Last; k++)
            {
                var symbol = reader.ReadSymbol(table);
                if (symbol < 0)
                    return false;
                int run = symbol >> 4, size = symbol & 15;
                if (size == 0 && run < 15)
                {
                    _emptyBlocks = ReadEmptyBlocks(ref reader, run);
                    break;
                }
                if (size > 1)
                    return false;
                // The new coefficient's sign comes before the corrections of the nonzero ones it steps over.
                var value = size == 0 ? 0 : reader.ReadBits(1) != 0 ? 1 << scan.LowBit : -1 << scan.LowBit;
                k = CorrectUntilZero(ref reader, block, k, run);
                if (value == 0)
                    continue;
                if (k > scan.Last)
                    return false;
                block[InverseDct.PairedOrder[k]] = (short)value;
            }
        }
        if (_emptyBlocks > 0)
        {
            CorrectUntilZero(ref reader, block, k, int.MaxValue);
            _emptyBlocks--;
        }
        return true;
    }

    /// <summary>Corrects nonzero coefficients from <paramref name="k"/> on, up to the zero that follows <paramref name="zeros"/> others.</summary>
    /// <returns>The index of that zero, or past the band.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int CorrectUntilZero(ref BitReader reader, Span<short> block, int k, int zeros)
    {
        var order = InverseDct.PairedOrder;
        var bit = 1 << scan.LowBit;
        for (; k <= scan.Last; k++)
        {
            ref var coefficient = ref block[order[k]];
            if (coefficient == 0)
            {
                if (zeros-- == 0)
                    break;
            }
            else if (reader.ReadBits(1) != 0 && (coefficient & bit) == 0)
                coefficient += (short)(coefficient > 0 ? bit : -bit);
        }
        return k;
    }

    private static int ReadEmptyBlocks(ref BitReader reader, int bits) =>
        (1 << bits) + (bits > 0 ? reader.ReadBits(bits) : 0);

    private FileFormatException Exhausted(int row, int rows) =>
        errors.Truncated($"picture data from row {row} of {rows} of blocks on", entropy.End);
}
