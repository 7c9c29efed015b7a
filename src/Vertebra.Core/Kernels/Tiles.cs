using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Covers a block of a product (many rows, up to one panel of lanes) with register tiles, and handles lanes beyond the last column.</summary>
internal static unsafe class Tiles
{
    /// <summary>
    /// Computes <paramref name="rows"/> × <paramref name="lanes"/> elements of C. The strides of <paramref name="job"/> that concern
    /// A and B are set by the caller; <paramref name="rowStep"/> is the distance in bytes between the rows of A.
    /// <paramref name="bias"/> is null, or a row added to every row, and <paramref name="residual"/> null, or a block laid out as C that is
    /// added; both are ignored when accumulating. <paramref name="ldc"/> is in numbers.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TOrder>(
        TileJob* job, int rows, nint rowStep, int lanes, float* a, float* b, float* bias, float* c, nint ldc, bool accumulate, float* residual = null)
        where TVector : unmanaged, IVector<TVector>
        where TOrder : ITileOrder
    {
        var columns = lanes > TVector.Count ? 2 : 1;
        if (lanes < columns * TVector.Count)
        {
            RunPartial<TVector, TOrder>(job, rows, rowStep, lanes, columns, (byte*)a, (byte*)b, bias, c, ldc, accumulate, residual);
            return;
        }
        job->TargetStride = ldc * sizeof(float);
        if (accumulate)
            residual = c;
        job->SourceStride = residual != null ? job->TargetStride : 0;
        job->AddedRow = residual != null && !accumulate ? (byte*)bias : null;
        var start = bias != null ? bias : job->Zeros;
        // Long sums leave time to fetch what they are written over; short ones would only be delayed by it.
        var prefetch = residual == null && job->Taps * job->Depth > 32;
        for (var tiles = Count<TVector>(rows, columns); tiles > 0; tiles--)
        {
            var height = (rows + tiles - 1) / tiles;
            if (residual != null)
                Prefetch.Rows((byte*)(residual + height * ldc), height, job->TargetStride, columns * TVector.Count * sizeof(float));
            else if (prefetch)
                Prefetch.Rows((byte*)c, height, job->TargetStride, columns * TVector.Count * sizeof(float));
            RunTile<TVector, TOrder>(job, height, columns, (byte*)a, (byte*)b, residual != null ? residual : start, c);
            if (residual != null)
                residual += height * ldc;
            rows -= height;
            a = (float*)((byte*)a + height * rowStep);
            c += height * ldc;
        }
    }

    // Tiles of nearly equal height: 16 rows are 8 + 8, not 14 + 2.
    private static int Count<TVector>(int rows, int columns) where TVector : unmanaged, IVector<TVector> =>
        (rows + TileKernel.MaxRows<TVector>(columns) - 1) / TileKernel.MaxRows<TVector>(columns);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunTile<TVector, TOrder>(TileJob* job, int height, int columns, byte* a, byte* b, float* source, float* target)
        where TVector : unmanaged, IVector<TVector>
        where TOrder : ITileOrder
    {
        if (columns == 2 && !TOrder.Lanewise)
            TileKernel.Run<TVector, N2, TOrder>(height, job, a, b, (byte*)source, (byte*)target);
        else
            TileKernel.Run<TVector, N1, TOrder>(height, job, a, b, (byte*)source, (byte*)target);
    }

    // C ends inside the tile's last vector: work on a full-width copy, so that nothing beyond C is read or written.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void RunPartial<TVector, TOrder>(
        TileJob* job, int rows, nint rowStep, int lanes, int columns, byte* a, byte* b, float* bias, float* c, nint ldc, bool accumulate, float* residual)
        where TVector : unmanaged, IVector<TVector>
        where TOrder : ITileOrder
    {
        var width = columns * TVector.Count;
        var last = width - TVector.Count;
        var copy = stackalloc float[14 * 32];
        job->TargetStride = width * sizeof(float);
        if (accumulate)
        {
            residual = c;
            bias = null;
        }
        job->SourceStride = residual != null ? job->TargetStride : 0;
        job->AddedRow = null;
        for (var tiles = Count<TVector>(rows, columns); tiles > 0; tiles--)
        {
            var height = (rows + tiles - 1) / tiles;
            for (var row = 0; row < height && (residual != null || row == 0); row++)
            {
                var from = residual != null ? residual + row * ldc : bias != null ? bias : job->Zeros;
                var added = residual != null && bias != null ? bias : null;
                var line = copy + row * width;
                if (columns == 2)
                    (added == null ? TVector.Load(from) : TVector.Load(from) + TVector.Load(added)).Store(line);
                var end = TVector.LoadFirst(from + last, lanes - last);
                (added == null ? end : end + TVector.LoadFirst(added + last, lanes - last)).Store(line + last);
            }
            RunTile<TVector, TOrder>(job, height, columns, a, b, copy, copy);
            for (var row = 0; row < height; row++)
            {
                var line = copy + row * width;
                if (columns == 2)
                    TVector.Load(line).Store(c + row * ldc);
                TVector.Load(line + last).StoreFirst(c + row * ldc + last, lanes - last);
            }
            if (residual != null)
                residual += height * ldc;
            rows -= height;
            a += height * rowStep;
            c += height * ldc;
        }
    }
}
