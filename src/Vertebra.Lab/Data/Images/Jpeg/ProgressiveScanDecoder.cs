using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

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
        var number = blockRow * component.PaddedBlockColumns + blockColumn;
        var block = component.Coefficients.AsSpan(number * InverseDct.BlockSize, InverseDct.BlockSize);
        ref var nonzero = ref component.Nonzero[number];
        var understood = (scan.First, scan.HighBit) switch
        {
            (0, 0) => ReadFirst(ref reader, component, scan.DcTables[index]!, block),
            (0, _) => RefineFirst(ref reader, block),
            (_, 0) => ReadBand(ref reader, scan.AcTables[index]!, block, ref nonzero),
            _ => RefineBand(ref reader, scan.AcTables[index]!, block, ref nonzero),
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool ReadBand(ref BitReader reader, HuffmanTable table, Span<short> block, ref ulong nonzero)
    {
        if (_emptyBlocks > 0)
        {
            _emptyBlocks--;
            return true;
        }
        // A copy, so that its fields can live in registers.
        var bits = reader;
        var order = InverseDct.PairedOrder;
        int last = scan.Last, lowBit = scan.LowBit;
        for (var k = scan.First; k <= last; k++)
        {
            var symbol = bits.ReadSymbol(table);
            if (symbol < 0)
                return false;
            int run = symbol >> 4, size = symbol & 15;
            if (size == 0)
            {
                if (run < 15)
                {
                    _emptyBlocks = ReadEmptyBlocks(ref bits, run) - 1;
                    break;
                }
                k += 15;
                continue;
            }
            k += run;
            if (k > last)
                return false;
            block[order[k]] = (short)(bits.ReadValue(size) << lowBit);
            nonzero |= 1UL << k;
        }
        reader = bits;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool RefineBand(ref BitReader reader, HuffmanTable table, Span<short> block, ref ulong nonzero)
    {
        var bits = reader;
        var order = InverseDct.PairedOrder;
        var lowBit = scan.LowBit;
        // What of the band is still ahead.
        var band = ulong.MaxValue >> (63 - scan.Last) & ulong.MaxValue << scan.First;
        var added = 0UL;
        while (_emptyBlocks == 0 && band != 0)
        {
            var symbol = bits.ReadSymbol(table);
            if (symbol < 0)
                return false;
            int run = symbol >> 4, size = symbol & 15;
            if (size == 0 && run < 15)
            {
                _emptyBlocks = ReadEmptyBlocks(ref bits, run);
                break;
            }
            if (size > 1)
                return false;
            // The new coefficient's sign comes before the corrections of the nonzero ones that it steps over.
            var value = size == 0 ? 0 : (2 * bits.ReadBits(1) - 1) << lowBit;
            var place = SelectBit(band & ~nonzero, run);
            var before = place - 1;
            Correct(ref bits, block, order, lowBit, band & nonzero & before);
            band &= ~(before | place);
            if (size == 0)
                continue;
            if (place == 0)
                return false;
            block[order[BitOperations.TrailingZeroCount(place)]] = (short)value;
            added |= place;
        }
        if (_emptyBlocks > 0)
        {
            Correct(ref bits, block, order, lowBit, band & nonzero);
            _emptyBlocks--;
        }
        nonzero |= added;
        reader = bits;
        return true;
    }

    /// <summary>The set bit that <paramref name="index"/> others lie below, alone; 0 if there are not so many.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong SelectBit(ulong set, int index)
    {
        if (Bmi2.X64.IsSupported)
            return Bmi2.X64.ParallelBitDeposit(1UL << index, set);
        for (; index > 0; index--)
            set &= set - 1;
        return set & (0 - set);
    }

    /// <summary>Moves coefficients away from zero by one bit where the next bit of the data is set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Correct(ref BitReader bits, Span<short> block, ReadOnlySpan<byte> order, int lowBit, ulong places)
    {
        for (; places != 0; places &= places - 1)
        {
            ref var coefficient = ref block[order[BitOperations.TrailingZeroCount(places)]];
            // No branch: the data's bits are as good as random.
            var sign = (coefficient >> 15) | 1;
            coefficient += (short)((bits.ReadBits(1) * sign) << lowBit);
        }
    }

    private static int ReadEmptyBlocks(ref BitReader reader, int bits) =>
        (1 << bits) + (bits > 0 ? reader.ReadBits(bits) : 0);

    private FileFormatException Exhausted(int row, int rows) =>
        errors.Truncated($"picture data from row {row} of {rows} of blocks on", entropy.End);
}
