using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>
/// The accurate integer 8x8 inverse DCT: the scaled algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with
/// 13-bit constants and 2 extra bits between the passes, columns first, which is the arithmetic of libjpeg's default
/// ("islow") and gives its bits.
/// </summary>
/// <remarks>
/// A block is 64 coefficients in <b>paired rows</b>: vertical frequency v and horizontal u lie at
/// <c>(v &amp; 3) * 16 + u * 2 + (v &gt;&gt; 2)</c>. Rows v and v+4 so interleave into one register of 16-bit pairs, and
/// each step of the transform is a dot product of pairs with two constants; the entropy decoder puts the coefficients
/// there for nothing.
/// </remarks>
internal static class InverseDct
{
    /// <summary>Coefficients of a block.</summary>
    public const int BlockSize = 64;
    private const int ConstantBits = 13;
    private const int FirstPassBits = 2;
    private const int FirstShift = ConstantBits - FirstPassBits;
    private const int SecondShift = ConstantBits + FirstPassBits + 3;
    private const int LevelShift = 128;

    // cos and sin combinations of the algorithm, times 2^13.
    private const int C0_298 = 2446, C0_390 = 3196, C0_541 = 4433, C0_765 = 6270, C0_899 = 7373, C1_175 = 9633;
    private const int C1_501 = 12299, C1_847 = 15137, C1_961 = 16069, C2_053 = 16819, C2_562 = 20995, C3_072 = 25172;

    /// <summary>
    /// Position in a block of each zigzag index. The further entries, all the last position, catch the overlong runs of
    /// damaged files and, for the two coefficients of a lookahead, the end of a block.
    /// </summary>
    public static byte[] PairedOrder { get; } = BuildPairedOrder();

    /// <summary>Quantisation factors in the order of a block.</summary>
    /// <param name="quantization">The factors in zigzag order.</param>
    public static short[] Factors(ushort[] quantization)
    {
        var factors = new short[BlockSize];
        for (var k = 0; k < BlockSize; k++)
            factors[PairedOrder[k]] = (short)quantization[k];
        return factors;
    }

    /// <summary>Transforms a block into 8 rows of 8 samples.</summary>
    /// <param name="block">64 coefficients in paired rows.</param>
    /// <param name="factors">What they are multiplied by, in paired rows; of the products 16 bits count.</param>
    /// <param name="target">Sample plane, from the block's top left sample on.</param>
    /// <param name="stride">Samples from one row of the plane to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transform(ReadOnlySpan<short> block, ReadOnlySpan<short> factors, Span<byte> target, int stride)
    {
        ref var source = ref MemoryMarshal.GetReference(block[..BlockSize]);
        ref var factor = ref MemoryMarshal.GetReference(factors[..BlockSize]);
        Pass(
            Lanes.LoadShorts(ref source) * Lanes.LoadShorts(ref factor),
            Lanes.LoadShorts(ref Unsafe.Add(ref source, 16)) * Lanes.LoadShorts(ref Unsafe.Add(ref factor, 16)),
            Lanes.LoadShorts(ref Unsafe.Add(ref source, 32)) * Lanes.LoadShorts(ref Unsafe.Add(ref factor, 32)),
            Lanes.LoadShorts(ref Unsafe.Add(ref source, 48)) * Lanes.LoadShorts(ref Unsafe.Add(ref factor, 48)),
            Vector256.Create(1 << (FirstShift - 1)), FirstShift, out var columns);
        PairTransposed(columns, out var c04, out var c15, out var c26, out var c37);
        Pass(c04, c15, c26, c37, Vector256.Create((LevelShift << SecondShift) + (1 << (SecondShift - 1))), SecondShift, out var rows);
        StoreTransposed(rows, target, stride);
    }

    /// <summary>The transform of a block whose only coefficient is the first: one value.</summary>
    /// <param name="dc">Dequantised coefficient of frequency zero.</param>
    /// <param name="target">Sample plane, from the block's top left sample on.</param>
    /// <param name="stride">Samples from one row of the plane to the next.</param>
    public static void FillFlat(int dc, Span<byte> target, int stride)
    {
        var value = (byte)Math.Clamp(((dc + 4) >> 3) + LevelShift, 0, 255);
        for (var y = 0; y < 8; y++)
            target.Slice(y * stride, 8).Fill(value);
    }

    private struct Eight
    {
        public Vector256<int> V0, V1, V2, V3, V4, V5, V6, V7;
    }

    /// <summary>
    /// Eight one-dimensional transforms side by side. Inputs: frequencies (0,4), (1,5), (2,6), (3,7) in pairs of 16 bits.
    /// Outputs: samples 0 to 7, rounded and shifted.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pass(Vector256<short> f04, Vector256<short> f15, Vector256<short> f26, Vector256<short> f37, Vector256<int> rounding, int shift, out Eight result)
    {
        // Even part; the rounding rides on frequency zero.
        var sum = Lanes.DotPairs(f04, Pair(1 << ConstantBits, 1 << ConstantBits)) + rounding;
        var difference = Lanes.DotPairs(f04, Pair(1 << ConstantBits, -(1 << ConstantBits))) + rounding;
        var even2 = Lanes.DotPairs(f26, Pair(C0_541, C0_541 - C1_847));
        var even3 = Lanes.DotPairs(f26, Pair(C0_541 + C0_765, C0_541));
        var e0 = sum + even3;
        var e3 = sum - even3;
        var e1 = difference + even2;
        var e2 = difference - even2;

        // Odd part, multiplied out: integer products distribute exactly, so the bits are those of the factored form.
        var o0 = Lanes.DotPairs(f15, Pair(C1_501 - C0_899 - C0_390 + C1_175, C1_175 - C0_390)) + Lanes.DotPairs(f37, Pair(C1_175, C1_175 - C0_899));
        var o1 = Lanes.DotPairs(f15, Pair(C1_175, C1_175 - C2_562)) + Lanes.DotPairs(f37, Pair(C3_072 - C2_562 - C1_961 + C1_175, C1_175 - C1_961));
        var o2 = Lanes.DotPairs(f15, Pair(C1_175 - C0_390, C2_053 - C2_562 - C0_390 + C1_175)) + Lanes.DotPairs(f37, Pair(C1_175 - C2_562, C1_175));
        var o3 = Lanes.DotPairs(f15, Pair(C1_175 - C0_899, C1_175)) + Lanes.DotPairs(f37, Pair(C1_175 - C1_961, C0_298 - C0_899 - C1_961 + C1_175));

        result.V0 = (e0 + o0) >> shift;
        result.V7 = (e0 - o0) >> shift;
        result.V1 = (e1 + o1) >> shift;
        result.V6 = (e1 - o1) >> shift;
        result.V2 = (e2 + o2) >> shift;
        result.V5 = (e2 - o2) >> shift;
        result.V3 = (e3 + o3) >> shift;
        result.V4 = (e3 - o3) >> shift;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Pair(int first, int second) =>
        Vector256.Create((second << 16) | (first & 0xFFFF)).AsInt16();

    /// <summary>From rows y of 8 columns to columns of 8 rows, columns u and u+4 in pairs of 16 bits: the input of the second pass.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PairTransposed(in Eight rows, out Vector256<short> c04, out Vector256<short> c15, out Vector256<short> c26, out Vector256<short> c37)
    {
        // Each holds row y in the low half and row y+4 in the high half, as the pairs (u0,u4) (u1,u5) (u2,u6) (u3,u7).
        var r04 = PairHalves(rows.V0, rows.V4);
        var r15 = PairHalves(rows.V1, rows.V5);
        var r26 = PairHalves(rows.V2, rows.V6);
        var r37 = PairHalves(rows.V3, rows.V7);

        var low01 = Lanes.InterleaveLow(r04, r15);
        var high01 = Lanes.InterleaveHigh(r04, r15);
        var low23 = Lanes.InterleaveLow(r26, r37);
        var high23 = Lanes.InterleaveHigh(r26, r37);
        c04 = Lanes.InterleaveLowPairs(low01, low23).AsInt16();
        c15 = Lanes.InterleaveHighPairs(low01, low23).AsInt16();
        c26 = Lanes.InterleaveLowPairs(high01, high23).AsInt16();
        c37 = Lanes.InterleaveHighPairs(high01, high23).AsInt16();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> PairHalves(Vector256<int> rowA, Vector256<int> rowB)
    {
        // a0-3 b0-3 | a4-7 b4-7, then a0-7 | b0-7, then a0 a4 a1 a5 ... | b0 b4 b1 b5 ...
        var packed = Lanes.SwapMiddleQuarters(Lanes.PackSaturated(rowA, rowB));
        var order = Vector128.Create((byte)0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
        return Lanes.ShuffleHalves(packed.AsByte(), order).AsInt32();
    }

    /// <summary>Clamps columns to bytes and writes them as rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTransposed(in Eight columns, Span<byte> target, int stride)
    {
        // In each half four rows: bytes x0 y0-3, x1 y0-3, ... of columns 0-3, likewise of columns 4-7.
        var left = Lanes.PackBytes(Lanes.PackSaturated(columns.V0, columns.V1), Lanes.PackSaturated(columns.V2, columns.V3));
        var right = Lanes.PackBytes(Lanes.PackSaturated(columns.V4, columns.V5), Lanes.PackSaturated(columns.V6, columns.V7));
        var order = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        var leftRows = Lanes.ShuffleHalves(left, order).AsInt32();
        var rightRows = Lanes.ShuffleHalves(right, order).AsInt32();
        var rows0145 = Lanes.InterleaveLow(leftRows, rightRows).AsInt64();
        var rows2367 = Lanes.InterleaveHigh(leftRows, rightRows).AsInt64();

        ref var row = ref MemoryMarshal.GetReference(target[..(stride * 7 + 8)]);
        Unsafe.WriteUnaligned(ref row, rows0145.GetElement(0));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride), rows0145.GetElement(1));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride * 2), rows2367.GetElement(0));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride * 3), rows2367.GetElement(1));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride * 4), rows0145.GetElement(2));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride * 5), rows0145.GetElement(3));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride * 6), rows2367.GetElement(2));
        Unsafe.WriteUnaligned(ref Unsafe.Add(ref row, stride * 7), rows2367.GetElement(3));
    }

    private static byte[] BuildPairedOrder()
    {
        var order = new byte[BlockSize + 15 + HuffmanTable.EndOfBlock];
        order.AsSpan().Fill(BlockSize - 1);
        int v = 0, u = 0;
        for (var k = 0; k < BlockSize; k++)
        {
            order[k] = (byte)((v & 3) * 16 + u * 2 + (v >> 2));
            var up = ((u + v) & 1) == 0;
            if (up ? u == 7 : v == 7)
                (v, u) = up ? (v + 1, u) : (v, u + 1);
            else if (up ? v == 0 : u == 0)
                (v, u) = up ? (v, u + 1) : (v + 1, u);
            else
                (v, u) = up ? (v - 1, u + 1) : (v + 1, u - 1);
        }
        return order;
    }
}
