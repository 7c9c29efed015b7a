using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A number known to the just-in-time compiler, so that branches over it disappear.</summary>
internal interface IConstant
{
    static abstract int Value { get; }
}

internal readonly struct N0 : IConstant { public static int Value => 0; }
internal readonly struct N1 : IConstant { public static int Value => 1; }
internal readonly struct N2 : IConstant { public static int Value => 2; }
internal readonly struct N3 : IConstant { public static int Value => 3; }
internal readonly struct N4 : IConstant { public static int Value => 4; }
internal readonly struct N5 : IConstant { public static int Value => 5; }
internal readonly struct N6 : IConstant { public static int Value => 6; }
internal readonly struct N7 : IConstant { public static int Value => 7; }
internal readonly struct N8 : IConstant { public static int Value => 8; }
internal readonly struct N9 : IConstant { public static int Value => 9; }
internal readonly struct N10 : IConstant { public static int Value => 10; }
internal readonly struct N11 : IConstant { public static int Value => 11; }
internal readonly struct N12 : IConstant { public static int Value => 12; }
internal readonly struct N13 : IConstant { public static int Value => 13; }
internal readonly struct N14 : IConstant { public static int Value => 14; }

/// <summary>
/// The invariants of many tiles of one product. All strides and offsets are in bytes. A tile computes
/// target[row, lane] = source[row, lane] + sum over taps and depth of A(tap, depth, row) * B(tap, depth, lane).
/// </summary>
internal unsafe struct TileJob
{
    /// <summary>Number of runs of A: 1 for a matrix product, kernel positions for a convolution forward, image rows for its weight gradient.</summary>
    public int Taps;

    /// <summary>Number of products per tap.</summary>
    public int Depth;

    /// <summary>Where each tap starts in A.</summary>
    public nint* TapOffsets;

    /// <summary>From one row of the tile to the next in A; not used <see cref="AcrossDepth"/>.</summary>
    public nint RowStride;

    /// <summary>From one depth to the next in A; not used <see cref="AlongDepth"/>.</summary>
    public nint DepthStride;

    /// <summary>From one depth to the next in B.</summary>
    public nint BStride;

    /// <summary>Where each tap starts in B; null when B goes on from tap to tap.</summary>
    public nint* TapOffsetsB;

    public nint TargetStride;

    /// <summary>Zero repeats one row: a bias, or zeros.</summary>
    public nint SourceStride;

    /// <summary>Null, or a row that is added to every row of the source: a bias beside a residual.</summary>
    public byte* AddedRow;

    /// <summary>Whether results are kept between <see cref="Low"/> and <see cref="High"/>: the activations that cost nothing here.</summary>
    public bool Clamps;
    public float Low, High;

    /// <summary>Whether results go past the caches: those that nothing reads before they are driven out. Target and its stride are multiples of a cache line.</summary>
    public bool Streams;

    /// <summary>A row of zeros, the source of tiles that start from nothing.</summary>
    public fixed float Zeros[32];
}

/// <summary>How a tile reads A.</summary>
internal unsafe interface ITileOrder
{
    /// <summary>A row of A is <see cref="TileJob.RowStride"/> after the row before; else rows are contiguous numbers.</summary>
    static abstract bool RowsApart { get; }

    /// <summary>The next depth of A is the next number; else it is <see cref="TileJob.DepthStride"/> away.</summary>
    static abstract bool DepthContiguous { get; }

    /// <summary>A holds vectors, multiplied lane by lane, where it else holds numbers for all lanes; one vector wide only.</summary>
    static abstract bool Lanewise { get; }

    /// <summary>Where row <paramref name="index"/> of A lies: <paramref name="times"/> strides after <paramref name="first"/>, or so many numbers.</summary>
    static abstract byte* Row(byte* first, nint stride, int times, int index);

    /// <summary>What a row of B is multiplied by: a number for all lanes, or a vector, lane by lane.</summary>
    static abstract TVector Factor<TVector>(byte* a) where TVector : unmanaged, IVector<TVector>;
}

/// <summary>A row-major matrix, or the pixels of an image with their channels summed over.</summary>
internal readonly unsafe struct AlongDepth : ITileOrder
{
    public static bool RowsApart => true;
    public static bool DepthContiguous => true;
    public static bool Lanewise => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Row(byte* first, nint stride, int times, int index) => first + times * stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Factor<TVector>(byte* a) where TVector : unmanaged, IVector<TVector> => TVector.Broadcast((float*)a);
}

/// <summary>A transposed matrix, or channels of an image summed over pixels.</summary>
internal readonly unsafe struct AcrossDepth : ITileOrder
{
    public static bool RowsApart => false;
    public static bool DepthContiguous => false;
    public static bool Lanewise => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Row(byte* first, nint stride, int times, int index) => first + index * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Factor<TVector>(byte* a) where TVector : unmanaged, IVector<TVector> => TVector.Broadcast((float*)a);
}

/// <summary>Pixels of an image of which every channel is on its own: depthwise convolution. One vector wide only.</summary>
internal readonly unsafe struct ByLane : ITileOrder
{
    public static bool RowsApart => true;
    public static bool DepthContiguous => false;
    public static bool Lanewise => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Row(byte* first, nint stride, int times, int index) => first + times * stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Factor<TVector>(byte* a) where TVector : unmanaged, IVector<TVector> => TVector.Load((float*)a);
}

/// <summary>
/// The register tile under every matrix product and convolution: up to 14 rows of one or two vectors, summed in registers.
/// A is read by broadcast from where it lies; B is read in rows of one or two vectors, usually packed (<see cref="Panels"/>).
/// Every element is one chain of multiply-adds in order of tap and depth, so its bits do not depend on the tile's shape.
/// </summary>
internal static unsafe class TileKernel
{
    /// <summary>Most rows of a tile that leave every accumulator in a register.</summary>
    public static int MaxRows<TVector>(int columns) where TVector : unmanaged, IVector<TVector> =>
        TVector.Registers >= 32 ? 14 : columns == 2 ? 6 : 12;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TColumns, TOrder>(int rows, TileJob* job, byte* a, byte* b, byte* source, byte* target)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
        where TOrder : ITileOrder
    {
        switch (rows)
        {
            case 1: Tile<TVector, N1, TColumns, TOrder>(job, a, b, source, target); break;
            case 2: Tile<TVector, N2, TColumns, TOrder>(job, a, b, source, target); break;
            case 3: Tile<TVector, N3, TColumns, TOrder>(job, a, b, source, target); break;
            case 4: Tile<TVector, N4, TColumns, TOrder>(job, a, b, source, target); break;
            case 5: Tile<TVector, N5, TColumns, TOrder>(job, a, b, source, target); break;
            case 6: Tile<TVector, N6, TColumns, TOrder>(job, a, b, source, target); break;
            case 7: Tile<TVector, N7, TColumns, TOrder>(job, a, b, source, target); break;
            case 8: Tile<TVector, N8, TColumns, TOrder>(job, a, b, source, target); break;
            case 9: Tile<TVector, N9, TColumns, TOrder>(job, a, b, source, target); break;
            case 10: Tile<TVector, N10, TColumns, TOrder>(job, a, b, source, target); break;
            case 11: Tile<TVector, N11, TColumns, TOrder>(job, a, b, source, target); break;
            case 12: Tile<TVector, N12, TColumns, TOrder>(job, a, b, source, target); break;
            case 13: Tile<TVector, N13, TColumns, TOrder>(job, a, b, source, target); break;
            case 14: Tile<TVector, N14, TColumns, TOrder>(job, a, b, source, target); break;
            default: throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }

    // Accumulators c (first vector) and d (second vector) of rows 0..13; those beyond TRows and TColumns are never used and
    // vanish. Rows 0..6 are reached from p and 7..13 from q with the scaled addressing of x86 (s, 2s, 3s, 4s, 5s, 6s).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<TVector, TRows, TColumns, TOrder>(TileJob* job, byte* a, byte* b, byte* source, byte* target)
        where TVector : unmanaged, IVector<TVector>
        where TRows : IConstant
        where TColumns : IConstant
        where TOrder : ITileOrder
    {
        var second = TVector.Count * sizeof(float);
        var stride = job->SourceStride;
        TVector c0 = default, d0 = default;
        TVector c1 = default, d1 = default;
        TVector c2 = default, d2 = default;
        TVector c3 = default, d3 = default;
        TVector c4 = default, d4 = default;
        TVector c5 = default, d5 = default;
        TVector c6 = default, d6 = default;
        TVector c7 = default, d7 = default;
        TVector c8 = default, d8 = default;
        TVector c9 = default, d9 = default;
        TVector c10 = default, d10 = default;
        TVector c11 = default, d11 = default;
        TVector c12 = default, d12 = default;
        TVector c13 = default, d13 = default;
        if (TRows.Value > 0)
            Load<TVector, TColumns>(ref source, stride, ref c0, ref d0);
        if (TRows.Value > 1)
            Load<TVector, TColumns>(ref source, stride, ref c1, ref d1);
        if (TRows.Value > 2)
            Load<TVector, TColumns>(ref source, stride, ref c2, ref d2);
        if (TRows.Value > 3)
            Load<TVector, TColumns>(ref source, stride, ref c3, ref d3);
        if (TRows.Value > 4)
            Load<TVector, TColumns>(ref source, stride, ref c4, ref d4);
        if (TRows.Value > 5)
            Load<TVector, TColumns>(ref source, stride, ref c5, ref d5);
        if (TRows.Value > 6)
            Load<TVector, TColumns>(ref source, stride, ref c6, ref d6);
        if (TRows.Value > 7)
            Load<TVector, TColumns>(ref source, stride, ref c7, ref d7);
        if (TRows.Value > 8)
            Load<TVector, TColumns>(ref source, stride, ref c8, ref d8);
        if (TRows.Value > 9)
            Load<TVector, TColumns>(ref source, stride, ref c9, ref d9);
        if (TRows.Value > 10)
            Load<TVector, TColumns>(ref source, stride, ref c10, ref d10);
        if (TRows.Value > 11)
            Load<TVector, TColumns>(ref source, stride, ref c11, ref d11);
        if (TRows.Value > 12)
            Load<TVector, TColumns>(ref source, stride, ref c12, ref d12);
        if (TRows.Value > 13)
            Load<TVector, TColumns>(ref source, stride, ref c13, ref d13);

        if (job->AddedRow != null)
        {
            var u = TVector.Load((float*)job->AddedRow);
            var v = TColumns.Value > 1 ? TVector.Load((float*)(job->AddedRow + second)) : default;
            if (TRows.Value > 0)
                Plus<TVector, TColumns>(u, v, ref c0, ref d0);
            if (TRows.Value > 1)
                Plus<TVector, TColumns>(u, v, ref c1, ref d1);
            if (TRows.Value > 2)
                Plus<TVector, TColumns>(u, v, ref c2, ref d2);
            if (TRows.Value > 3)
                Plus<TVector, TColumns>(u, v, ref c3, ref d3);
            if (TRows.Value > 4)
                Plus<TVector, TColumns>(u, v, ref c4, ref d4);
            if (TRows.Value > 5)
                Plus<TVector, TColumns>(u, v, ref c5, ref d5);
            if (TRows.Value > 6)
                Plus<TVector, TColumns>(u, v, ref c6, ref d6);
            if (TRows.Value > 7)
                Plus<TVector, TColumns>(u, v, ref c7, ref d7);
            if (TRows.Value > 8)
                Plus<TVector, TColumns>(u, v, ref c8, ref d8);
            if (TRows.Value > 9)
                Plus<TVector, TColumns>(u, v, ref c9, ref d9);
            if (TRows.Value > 10)
                Plus<TVector, TColumns>(u, v, ref c10, ref d10);
            if (TRows.Value > 11)
                Plus<TVector, TColumns>(u, v, ref c11, ref d11);
            if (TRows.Value > 12)
                Plus<TVector, TColumns>(u, v, ref c12, ref d12);
            if (TRows.Value > 13)
                Plus<TVector, TColumns>(u, v, ref c13, ref d13);
        }

        var taps = job->Taps;
        var bStride = job->BStride;
        var tapOffsetsB = job->TapOffsetsB;
        var firstB = b;
        var s = TOrder.RowsApart ? job->RowStride : 0;
        var s3 = TOrder.RowsApart && TRows.Value > 3 ? 3 * s : 0;
        var s5 = TOrder.RowsApart && TRows.Value > 5 ? 5 * s : 0;
        var depthStride = TOrder.DepthContiguous ? sizeof(float) : job->DepthStride;
        for (var tap = 0; tap < taps; tap++)
        {
            var p = a + job->TapOffsets[tap];
            var q = TRows.Value > 7 ? TOrder.Row(p, s, 7, 7) : p;
            if (tapOffsetsB != null)
                b = firstB + tapOffsetsB[tap];
            for (var depth = job->Depth; depth > 0; depth--)
            {
                var u = TVector.Load((float*)b);
                var v = TColumns.Value > 1 ? TVector.Load((float*)(b + second)) : default;

                if (TRows.Value > 0)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s, 0, 0)), u, v, ref c0, ref d0);
                if (TRows.Value > 1)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s, 1, 1)), u, v, ref c1, ref d1);
                if (TRows.Value > 2)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s, 2, 2)), u, v, ref c2, ref d2);
                if (TRows.Value > 3)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s3, 1, 3)), u, v, ref c3, ref d3);
                if (TRows.Value > 4)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s, 4, 4)), u, v, ref c4, ref d4);
                if (TRows.Value > 5)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s5, 1, 5)), u, v, ref c5, ref d5);
                if (TRows.Value > 6)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(p, s3, 2, 6)), u, v, ref c6, ref d6);
                if (TRows.Value > 7)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s, 0, 0)), u, v, ref c7, ref d7);
                if (TRows.Value > 8)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s, 1, 1)), u, v, ref c8, ref d8);
                if (TRows.Value > 9)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s, 2, 2)), u, v, ref c9, ref d9);
                if (TRows.Value > 10)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s3, 1, 3)), u, v, ref c10, ref d10);
                if (TRows.Value > 11)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s, 4, 4)), u, v, ref c11, ref d11);
                if (TRows.Value > 12)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s5, 1, 5)), u, v, ref c12, ref d12);
                if (TRows.Value > 13)
                    Step<TVector, TColumns>(TOrder.Factor<TVector>(TOrder.Row(q, s3, 2, 6)), u, v, ref c13, ref d13);
                b += bStride;
                p += depthStride;
                if (TRows.Value > 7)
                    q += depthStride;
            }
        }

        if (job->Clamps)
        {
            var low = TVector.Create(job->Low);
            var high = TVector.Create(job->High);
            if (TRows.Value > 0)
                Clamp<TVector, TColumns>(low, high, ref c0, ref d0);
            if (TRows.Value > 1)
                Clamp<TVector, TColumns>(low, high, ref c1, ref d1);
            if (TRows.Value > 2)
                Clamp<TVector, TColumns>(low, high, ref c2, ref d2);
            if (TRows.Value > 3)
                Clamp<TVector, TColumns>(low, high, ref c3, ref d3);
            if (TRows.Value > 4)
                Clamp<TVector, TColumns>(low, high, ref c4, ref d4);
            if (TRows.Value > 5)
                Clamp<TVector, TColumns>(low, high, ref c5, ref d5);
            if (TRows.Value > 6)
                Clamp<TVector, TColumns>(low, high, ref c6, ref d6);
            if (TRows.Value > 7)
                Clamp<TVector, TColumns>(low, high, ref c7, ref d7);
            if (TRows.Value > 8)
                Clamp<TVector, TColumns>(low, high, ref c8, ref d8);
            if (TRows.Value > 9)
                Clamp<TVector, TColumns>(low, high, ref c9, ref d9);
            if (TRows.Value > 10)
                Clamp<TVector, TColumns>(low, high, ref c10, ref d10);
            if (TRows.Value > 11)
                Clamp<TVector, TColumns>(low, high, ref c11, ref d11);
            if (TRows.Value > 12)
                Clamp<TVector, TColumns>(low, high, ref c12, ref d12);
            if (TRows.Value > 13)
                Clamp<TVector, TColumns>(low, high, ref c13, ref d13);
        }

        stride = job->TargetStride;
        var streams = job->Streams;
        if (TRows.Value > 0)
            Store<TVector, TColumns>(ref target, stride, streams, c0, d0);
        if (TRows.Value > 1)
            Store<TVector, TColumns>(ref target, stride, streams, c1, d1);
        if (TRows.Value > 2)
            Store<TVector, TColumns>(ref target, stride, streams, c2, d2);
        if (TRows.Value > 3)
            Store<TVector, TColumns>(ref target, stride, streams, c3, d3);
        if (TRows.Value > 4)
            Store<TVector, TColumns>(ref target, stride, streams, c4, d4);
        if (TRows.Value > 5)
            Store<TVector, TColumns>(ref target, stride, streams, c5, d5);
        if (TRows.Value > 6)
            Store<TVector, TColumns>(ref target, stride, streams, c6, d6);
        if (TRows.Value > 7)
            Store<TVector, TColumns>(ref target, stride, streams, c7, d7);
        if (TRows.Value > 8)
            Store<TVector, TColumns>(ref target, stride, streams, c8, d8);
        if (TRows.Value > 9)
            Store<TVector, TColumns>(ref target, stride, streams, c9, d9);
        if (TRows.Value > 10)
            Store<TVector, TColumns>(ref target, stride, streams, c10, d10);
        if (TRows.Value > 11)
            Store<TVector, TColumns>(ref target, stride, streams, c11, d11);
        if (TRows.Value > 12)
            Store<TVector, TColumns>(ref target, stride, streams, c12, d12);
        if (TRows.Value > 13)
            Store<TVector, TColumns>(ref target, stride, streams, c13, d13);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TVector, TColumns>(TVector x, TVector u, TVector v, ref TVector c, ref TVector d)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
    {
        c.AddProduct(x, u);
        if (TColumns.Value > 1)
            d.AddProduct(x, v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load<TVector, TColumns>(ref byte* source, nint stride, ref TVector c, ref TVector d)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
    {
        c = TVector.Load((float*)source);
        if (TColumns.Value > 1)
            d = TVector.Load((float*)source + TVector.Count);
        source += stride;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Plus<TVector, TColumns>(TVector u, TVector v, ref TVector c, ref TVector d)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
    {
        c += u;
        if (TColumns.Value > 1)
            d += v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Clamp<TVector, TColumns>(TVector low, TVector high, ref TVector c, ref TVector d)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
    {
        c = TVector.AtMost(high, TVector.AtLeast(low, c));
        if (TColumns.Value > 1)
            d = TVector.AtMost(high, TVector.AtLeast(low, d));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TVector, TColumns>(ref byte* target, nint stride, bool streams, TVector c, TVector d)
        where TVector : unmanaged, IVector<TVector>
        where TColumns : IConstant
    {
        if (streams)
        {
            c.StoreStreaming((float*)target);
            if (TColumns.Value > 1)
                d.StoreStreaming((float*)target + TVector.Count);
        }
        else
        {
            c.Store((float*)target);
            if (TColumns.Value > 1)
                d.Store((float*)target + TVector.Count);
        }
        target += stride;
    }
}
