using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Images;

/// <summary>
/// The two passes of a resize. Both add up many bytes that lie side by side times one weight: the second one bytes of a
/// row; the first one those that sixteen rows have in a column, for which rows are turned to columns and back.
/// </summary>
internal static class ResamplePasses
{
    private const int Channels = 3;

    /// <summary>Rows that are handled together, and bytes of a vector.</summary>
    private const int Tile = 16;
    private const int Half = 1 << (ResampleWeights.PrecisionBits - 1);

    /// <summary>Bytes from row to row that the first pass needs for rows of so many.</summary>
    public static int StrideOf(int rowBytes) => (int)(((long)rowBytes + Tile - 1) / Tile * Tile);

    /// <summary>Rows that the first pass writes where so many are wanted.</summary>
    public static int RowsOf(int rows) => (rows + Tile - 1) / Tile * Tile;

    /// <summary>First pass: rows become as wide as the result.</summary>
    /// <param name="source">From the first needed pixel on, to the end of the memory.</param>
    /// <param name="sourceStride">Bytes from row to row.</param>
    /// <param name="plan">What is needed, and the weights.</param>
    /// <param name="target">Receives <see cref="RowsOf"/> rows.</param>
    /// <param name="targetStride">Bytes from row to row, a <see cref="StrideOf"/>.</param>
    public static void Rows<TSum>(ReadOnlySpan<byte> source, int sourceStride, ResizePlan plan, Span<byte> target, int targetStride)
        where TSum : struct, IWideSum<TSum>
    {
        var (weights, rows) = (plan.Horizontal!, plan.Needed.Height);
        var sourceColumns = StrideOf(plan.Needed.Width * Channels);
        var columns = ArrayPool<byte>.Shared.Rent(checked((sourceColumns + targetStride) * Tile));
        var from = columns.AsSpan(0, sourceColumns * Tile);
        var to = columns.AsSpan(sourceColumns * Tile, targetStride * Tile);
        for (var y = 0; y < rows; y += Tile)
        {
            var tile = source[(y * sourceStride)..];
            if (rows - y >= Tile && tile.Length >= ((Tile - 1) * sourceStride) + sourceColumns)
                TurnRows(tile, sourceStride, from);
            else
                TurnLastRows(tile, sourceStride, rows - y, plan.Needed.Width * Channels, from);
            Weigh<TSum>(from, weights, plan.IsMirrored, to);
            TurnColumns(to, target[(y * targetStride)..], targetStride);
        }
        ArrayPool<byte>.Shared.Return(columns);
    }

    /// <summary>Second pass: columns become as high as the result.</summary>
    /// <param name="source">Rows as wide as the result, from the first that has a weight on.</param>
    /// <param name="stride">Bytes from row to row.</param>
    /// <param name="weights">Weights of the rows.</param>
    /// <param name="result">Receives all rows, without gaps.</param>
    /// <param name="rowBytes">Bytes of a row.</param>
    public static void Columns<TSum>(ReadOnlySpan<byte> source, int stride, ResampleWeights weights, Span<byte> result, int rowBytes)
        where TSum : struct, IWideSum<TSum>
    {
        for (var y = 0; y < weights.Count; y++)
        {
            var kernel = weights.Of(y);
            var rows = source.Slice((weights.First(y) - weights.SourceFirst) * stride, ((kernel.Length - 1) * stride) + rowBytes);
            BlendRows<TSum>(rows, stride, kernel, result.Slice(y * rowBytes, rowBytes));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BlendRows<TSum>(ReadOnlySpan<byte> rows, int stride, ReadOnlySpan<int> kernel, Span<byte> target)
        where TSum : struct, IWideSum<TSum>
    {
        const int block = 3 * Tile;
        if (target.Length < block)
        {
            BlendShortRows(rows, stride, kernel, target);
            return;
        }
        for (var next = 0; next < target.Length; next += block)
        {
            // The last block may do some bytes again.
            var x = Math.Min(next, target.Length - block);
            TSum first = TSum.Create(Half), second = first, third = first;
            ref var samples = ref Lanes.At(rows, x);
            foreach (var factor in kernel)
            {
                var weight = TSum.Create(factor);
                first = first.Add(ref samples, weight);
                second = second.Add(ref Unsafe.Add(ref samples, Tile), weight);
                third = third.Add(ref Unsafe.Add(ref samples, 2 * Tile), weight);
                samples = ref Unsafe.Add(ref samples, stride);
            }
            first.Store(ref Lanes.At(target, x));
            second.Store(ref Lanes.At(target, x + Tile));
            third.Store(ref Lanes.At(target, x + (2 * Tile)));
        }
    }

    private static void BlendShortRows(ReadOnlySpan<byte> rows, int stride, ReadOnlySpan<int> kernel, Span<byte> target)
    {
        for (var x = 0; x < target.Length; x++)
        {
            var sum = Half;
            for (var k = 0; k < kernel.Length; k++)
                sum += rows[(k * stride) + x] * kernel[k];
            target[x] = (byte)Math.Clamp(sum >> ResampleWeights.PrecisionBits, 0, 255);
        }
    }

    /// <summary>Columns of the source to columns of the result; each is the bytes of sixteen rows, and three are a pixel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Weigh<TSum>(ReadOnlySpan<byte> source, ResampleWeights weights, bool isMirrored, Span<byte> target)
        where TSum : struct, IWideSum<TSum>
    {
        ref var result = ref MemoryMarshal.GetReference(target[..(weights.Count * Channels * Tile)]);
        for (var x = 0; x < weights.Count; x++)
        {
            var i = isMirrored ? weights.Count - 1 - x : x;
            var kernel = weights.Of(i);
            ref var samples = ref MemoryMarshal.GetReference(source.Slice((weights.First(i) - weights.SourceFirst) * Channels * Tile, kernel.Length * Channels * Tile));
            TSum red = TSum.Create(Half), green = red, blue = red;
            foreach (var factor in kernel)
            {
                var weight = TSum.Create(factor);
                red = red.Add(ref samples, weight);
                green = green.Add(ref Unsafe.Add(ref samples, Tile), weight);
                blue = blue.Add(ref Unsafe.Add(ref samples, 2 * Tile), weight);
                samples = ref Unsafe.Add(ref samples, Channels * Tile);
            }
            red.Store(ref result);
            green.Store(ref Unsafe.Add(ref result, Tile));
            blue.Store(ref Unsafe.Add(ref result, 2 * Tile));
            result = ref Unsafe.Add(ref result, Channels * Tile);
        }
    }

    /// <summary>Sixteen rows to columns of sixteen bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TurnRows(ReadOnlySpan<byte> rows, int stride, Span<byte> columns)
    {
        ref var source = ref MemoryMarshal.GetReference(rows[..(((Tile - 1) * stride) + (columns.Length / Tile))]);
        ref var target = ref MemoryMarshal.GetReference(columns);
        for (var x = 0; x < columns.Length / Tile; x += Tile)
            Transpose(ref Unsafe.Add(ref source, x), stride, ref Unsafe.Add(ref target, x * Tile), Tile);
    }

    /// <summary>The same where fewer rows are left, or too little memory behind them; the missing rows are the last one again.</summary>
    private static void TurnLastRows(ReadOnlySpan<byte> rows, int stride, int count, int rowBytes, Span<byte> columns)
    {
        var padded = columns.Length / Tile;
        var copy = ArrayPool<byte>.Shared.Rent(padded * Tile);
        for (var y = 0; y < Tile; y++)
            rows.Slice(Math.Min(y, count - 1) * stride, rowBytes).CopyTo(copy.AsSpan(y * padded));
        TurnRows(copy, padded, columns);
        ArrayPool<byte>.Shared.Return(copy);
    }

    /// <summary>Columns of sixteen bytes to sixteen rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TurnColumns(ReadOnlySpan<byte> columns, Span<byte> rows, int stride)
    {
        ref var source = ref MemoryMarshal.GetReference(columns[..(stride * Tile)]);
        ref var target = ref MemoryMarshal.GetReference(rows[..(stride * Tile)]);
        for (var x = 0; x < stride; x += Tile)
            Transpose(ref Unsafe.Add(ref source, x * Tile), Tile, ref Unsafe.Add(ref target, x), stride);
    }

    /// <summary>Sixteen rows of sixteen bytes become sixteen columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(ref byte source, int sourceStride, ref byte target, int targetStride)
    {
        // Rows i and i + 8 in the halves of a register. Three rounds of interleaving bring, in each half, the bytes that
        // eight rows have in a column together.
        Lanes.InterleaveBytes(TwoRows(ref source, sourceStride, 0), TwoRows(ref source, sourceStride, 4), out var a0, out var b0);
        Lanes.InterleaveBytes(TwoRows(ref source, sourceStride, 1), TwoRows(ref source, sourceStride, 5), out var a1, out var b1);
        Lanes.InterleaveBytes(TwoRows(ref source, sourceStride, 2), TwoRows(ref source, sourceStride, 6), out var a2, out var b2);
        Lanes.InterleaveBytes(TwoRows(ref source, sourceStride, 3), TwoRows(ref source, sourceStride, 7), out var a3, out var b3);
        FourByFour(a0, a1, a2, a3, ref target, targetStride);
        FourByFour(b0, b1, b2, b3, ref Unsafe.Add(ref target, 8 * targetStride), targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> TwoRows(ref byte source, int stride, int row) => Vector256.Create(
        Unsafe.ReadUnaligned<Vector128<byte>>(ref Unsafe.Add(ref source, row * stride)),
        Unsafe.ReadUnaligned<Vector128<byte>>(ref Unsafe.Add(ref source, (row + 8) * stride)));

    /// <summary>The last two rounds for eight columns, and their storing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourByFour(Vector256<byte> r0, Vector256<byte> r1, Vector256<byte> r2, Vector256<byte> r3, ref byte target, int stride)
    {
        Lanes.InterleaveBytes(r0, r2, out var even0, out var even1);
        Lanes.InterleaveBytes(r1, r3, out var odd0, out var odd1);
        Lanes.InterleaveBytes(even0, odd0, out var c01, out var c23);
        Lanes.InterleaveBytes(even1, odd1, out var c45, out var c67);
        StoreTwo(c01, ref target, stride);
        StoreTwo(c23, ref Unsafe.Add(ref target, 2 * stride), stride);
        StoreTwo(c45, ref Unsafe.Add(ref target, 4 * stride), stride);
        StoreTwo(c67, ref Unsafe.Add(ref target, 6 * stride), stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTwo(Vector256<byte> columns, ref byte target, int stride)
    {
        var ordered = Lanes.SwapMiddleQuarters(columns);
        Lanes.Store(ordered.GetLower(), ref target);
        Lanes.Store(ordered.GetUpper(), ref Unsafe.Add(ref target, stride));
    }
}
