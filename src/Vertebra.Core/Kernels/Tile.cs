using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A number known to the just-in-time compiler, so that branches over it disappear.</summary>
internal interface IConstant
{
    static abstract int Value { get; }
}

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

    /// <summary>From one row of the tile to the next in A, when A is read <see cref="AlongDepth"/>.</summary>
    public nint RowStride;

    /// <summary>From one depth to the next in A, when A is read <see cref="AcrossDepth"/>.</summary>
    public nint DepthStride;

    /// <summary>From one depth to the next in B.</summary>
    public nint BStride;

    /// <summary>What B skips after the last depth of a tap.</summary>
    public nint BTapSkip;
    public nint TargetStride;

    /// <summary>Zero repeats one row: a bias, or zeros.</summary>
    public nint SourceStride;
}

/// <summary>A has its depth contiguous and its rows <see cref="TileJob.RowStride"/> apart: a row-major matrix, or the pixels of an image.</summary>
internal readonly struct AlongDepth : IConstant { public static int Value => 1; }

/// <summary>A has its rows contiguous and its depth <see cref="TileJob.DepthStride"/> apart: a transposed matrix, or channels summed over pixels.</summary>
internal readonly struct AcrossDepth : IConstant { public static int Value => 0; }

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
        where TOrder : IConstant
    {
        switch (rows)
        {
            case 1: Run<TVector, N1, TColumns, TOrder>(job, a, b, source, target); break;
            case 2: Run<TVector, N2, TColumns, TOrder>(job, a, b, source, target); break;
            case 3: Run<TVector, N3, TColumns, TOrder>(job, a, b, source, target); break;
            case 4: Run<TVector, N4, TColumns, TOrder>(job, a, b, source, target); break;
            case 5: Run<TVector, N5, TColumns, TOrder>(job, a, b, source, target); break;
            case 6: Run<TVector, N6, TColumns, TOrder>(job, a, b, source, target); break;
            case 7: Run<TVector, N7, TColumns, TOrder>(job, a, b, source, target); break;
            case 8: Run<TVector, N8, TColumns, TOrder>(job, a, b, source, target); break;
            case 9: Run<TVector, N9, TColumns, TOrder>(job, a, b, source, target); break;
            case 10: Run<TVector, N10, TColumns, TOrder>(job, a, b, source, target); break;
            case 11: Run<TVector, N11, TColumns, TOrder>(job, a, b, source, target); break;
            case 12: Run<TVector, N12, TColumns, TOrder>(job, a, b, source, target); break;
            case 13: Run<TVector, N13, TColumns, TOrder>(job, a, b, source, target); break;
            case 14: Run<TVector, N14, TColumns, TOrder>(job, a, b, source, target); break;
            default: throw new ArgumentOutOfRangeException(nameof(rows));
        }
    }

    // Accumulators c (first vector) and d (second vector) of rows 0..13; those beyond TRows and TColumns are never used and
    // vanish. Rows 0..6 are reached from p and 7..13 from q with the scaled addressing of x86 (s, 2s, 3s, 4s, 5s, 6s).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TVector, TRows, TColumns, TOrder>(TileJob* job, byte* a, byte* b, byte* source, byte* target)
        where TVector : unmanaged, IVector<TVector>
        where TRows : IConstant
        where TColumns : IConstant
        where TOrder : IConstant
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
        {
            c0 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d0 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 1)
        {
            c1 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d1 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 2)
        {
            c2 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d2 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 3)
        {
            c3 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d3 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 4)
        {
            c4 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d4 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 5)
        {
            c5 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d5 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 6)
        {
            c6 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d6 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 7)
        {
            c7 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d7 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 8)
        {
            c8 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d8 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 9)
        {
            c9 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d9 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 10)
        {
            c10 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d10 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 11)
        {
            c11 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d11 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 12)
        {
            c12 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d12 = TVector.Load((float*)(source + second));
            source += stride;
        }
        if (TRows.Value > 13)
        {
            c13 = TVector.Load((float*)source);
            if (TColumns.Value > 1)
                d13 = TVector.Load((float*)(source + second));
            source += stride;
        }

        var taps = job->Taps;
        var bStride = job->BStride;
        var tapSkip = job->BTapSkip;
        var s = TOrder.Value != 0 ? job->RowStride : 0;
        var s3 = TOrder.Value != 0 && TRows.Value > 3 ? 3 * s : 0;
        var s5 = TOrder.Value != 0 && TRows.Value > 5 ? 5 * s : 0;
        var depthStride = TOrder.Value != 0 ? sizeof(float) : job->DepthStride;
        for (var tap = 0; tap < taps; tap++)
        {
            var p = a + job->TapOffsets[tap];
            var q = TOrder.Value != 0 && TRows.Value > 7 ? p + 7 * s : p;
            for (var depth = job->Depth; depth > 0; depth--)
            {
                var u = TVector.Load((float*)b);
                var v = TColumns.Value > 1 ? TVector.Load((float*)(b + second)) : default;
                TVector x;
                if (TRows.Value > 0)
                {
                    if (TColumns.Value == 1)
                    {
                        c0 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p : p + 0), u, c0);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p : p + 0));
                        c0 = TVector.Fma(x, u, c0);
                        d0 = TVector.Fma(x, v, d0);
                    }
                }
                if (TRows.Value > 1)
                {
                    if (TColumns.Value == 1)
                    {
                        c1 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p + s : p + 4), u, c1);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p + s : p + 4));
                        c1 = TVector.Fma(x, u, c1);
                        d1 = TVector.Fma(x, v, d1);
                    }
                }
                if (TRows.Value > 2)
                {
                    if (TColumns.Value == 1)
                    {
                        c2 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p + 2 * s : p + 8), u, c2);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p + 2 * s : p + 8));
                        c2 = TVector.Fma(x, u, c2);
                        d2 = TVector.Fma(x, v, d2);
                    }
                }
                if (TRows.Value > 3)
                {
                    if (TColumns.Value == 1)
                    {
                        c3 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p + s3 : p + 12), u, c3);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p + s3 : p + 12));
                        c3 = TVector.Fma(x, u, c3);
                        d3 = TVector.Fma(x, v, d3);
                    }
                }
                if (TRows.Value > 4)
                {
                    if (TColumns.Value == 1)
                    {
                        c4 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p + 4 * s : p + 16), u, c4);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p + 4 * s : p + 16));
                        c4 = TVector.Fma(x, u, c4);
                        d4 = TVector.Fma(x, v, d4);
                    }
                }
                if (TRows.Value > 5)
                {
                    if (TColumns.Value == 1)
                    {
                        c5 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p + s5 : p + 20), u, c5);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p + s5 : p + 20));
                        c5 = TVector.Fma(x, u, c5);
                        d5 = TVector.Fma(x, v, d5);
                    }
                }
                if (TRows.Value > 6)
                {
                    if (TColumns.Value == 1)
                    {
                        c6 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? p + 2 * s3 : p + 24), u, c6);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? p + 2 * s3 : p + 24));
                        c6 = TVector.Fma(x, u, c6);
                        d6 = TVector.Fma(x, v, d6);
                    }
                }
                if (TRows.Value > 7)
                {
                    if (TColumns.Value == 1)
                    {
                        c7 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q : p + 28), u, c7);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q : p + 28));
                        c7 = TVector.Fma(x, u, c7);
                        d7 = TVector.Fma(x, v, d7);
                    }
                }
                if (TRows.Value > 8)
                {
                    if (TColumns.Value == 1)
                    {
                        c8 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q + s : p + 32), u, c8);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q + s : p + 32));
                        c8 = TVector.Fma(x, u, c8);
                        d8 = TVector.Fma(x, v, d8);
                    }
                }
                if (TRows.Value > 9)
                {
                    if (TColumns.Value == 1)
                    {
                        c9 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q + 2 * s : p + 36), u, c9);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q + 2 * s : p + 36));
                        c9 = TVector.Fma(x, u, c9);
                        d9 = TVector.Fma(x, v, d9);
                    }
                }
                if (TRows.Value > 10)
                {
                    if (TColumns.Value == 1)
                    {
                        c10 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q + s3 : p + 40), u, c10);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q + s3 : p + 40));
                        c10 = TVector.Fma(x, u, c10);
                        d10 = TVector.Fma(x, v, d10);
                    }
                }
                if (TRows.Value > 11)
                {
                    if (TColumns.Value == 1)
                    {
                        c11 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q + 4 * s : p + 44), u, c11);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q + 4 * s : p + 44));
                        c11 = TVector.Fma(x, u, c11);
                        d11 = TVector.Fma(x, v, d11);
                    }
                }
                if (TRows.Value > 12)
                {
                    if (TColumns.Value == 1)
                    {
                        c12 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q + s5 : p + 48), u, c12);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q + s5 : p + 48));
                        c12 = TVector.Fma(x, u, c12);
                        d12 = TVector.Fma(x, v, d12);
                    }
                }
                if (TRows.Value > 13)
                {
                    if (TColumns.Value == 1)
                    {
                        c13 = TVector.FmaBroadcast((float*)(TOrder.Value != 0 ? q + 2 * s3 : p + 52), u, c13);
                    }
                    else
                    {
                        x = TVector.Create(*(float*)(TOrder.Value != 0 ? q + 2 * s3 : p + 52));
                        c13 = TVector.Fma(x, u, c13);
                        d13 = TVector.Fma(x, v, d13);
                    }
                }
                b += bStride;
                p += depthStride;
                if (TOrder.Value != 0 && TRows.Value > 7)
                    q += depthStride;
            }
            b += tapSkip;
        }

        stride = job->TargetStride;
        if (TRows.Value > 0)
        {
            c0.Store((float*)target);
            if (TColumns.Value > 1)
                d0.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 1)
        {
            c1.Store((float*)target);
            if (TColumns.Value > 1)
                d1.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 2)
        {
            c2.Store((float*)target);
            if (TColumns.Value > 1)
                d2.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 3)
        {
            c3.Store((float*)target);
            if (TColumns.Value > 1)
                d3.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 4)
        {
            c4.Store((float*)target);
            if (TColumns.Value > 1)
                d4.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 5)
        {
            c5.Store((float*)target);
            if (TColumns.Value > 1)
                d5.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 6)
        {
            c6.Store((float*)target);
            if (TColumns.Value > 1)
                d6.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 7)
        {
            c7.Store((float*)target);
            if (TColumns.Value > 1)
                d7.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 8)
        {
            c8.Store((float*)target);
            if (TColumns.Value > 1)
                d8.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 9)
        {
            c9.Store((float*)target);
            if (TColumns.Value > 1)
                d9.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 10)
        {
            c10.Store((float*)target);
            if (TColumns.Value > 1)
                d10.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 11)
        {
            c11.Store((float*)target);
            if (TColumns.Value > 1)
                d11.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 12)
        {
            c12.Store((float*)target);
            if (TColumns.Value > 1)
                d12.Store((float*)(target + second));
            target += stride;
        }
        if (TRows.Value > 13)
        {
            c13.Store((float*)target);
            if (TColumns.Value > 1)
                d13.Store((float*)(target + second));
            target += stride;
        }
    }
}
