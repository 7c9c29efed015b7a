using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Covers a block of a product (many rows, up to one panel of lanes) with register tiles, and handles lanes beyond the last column.</summary>
internal static unsafe class Tiles
{
    /// <summary>
    /// Computes <paramref name="rows"/> × <paramref name="lanes"/> elements of C. The strides of <paramref name="job"/> that concern
    /// A and B are set by the caller; <paramref name="rowStep"/> is the distance in bytes between the rows of A.
    /// <paramref name="bias"/> is null, or a row added to every row, and <paramref name="residual"/> null, or a block laid out as C that is
    /// added; both are ignored when accumulating. <paramref name="ldc"/> is in numbers. <paramref name="function"/> is null, or what is
    /// applied to the sums before they are written.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TOrder>(
        TileJob* job, int rows, nint rowStep, int lanes, float* a, float* b, float* bias, float* c, nint ldc, bool accumulate,
        float* residual = null, ILineFunction? function = null)
        where TVector : unmanaged, IVector<TVector>
        where TOrder : ITileOrder
    {
        var columns = lanes > TVector.Count ? 2 : 1;
        if (lanes < columns * TVector.Count || function is not null)
        {
            RunByCopy<TVector, TOrder>(job, rows, rowStep, lanes, columns, (byte*)a, (byte*)b, bias, c, ldc, accumulate, residual, function);
            return;
        }
        job->TargetStride = ldc * sizeof(float);
        if (accumulate)
            residual = c;
        job->SourceStride = residual != null ? job->TargetStride : 0;
        job->AddedRow = residual != null && !accumulate ? (byte*)bias : null;
        var start = bias != null ? bias : job->Zeros;
        // Long sums leave time to fetch what they are written over; short ones would only be delayed by it.
        var prefetch = residual == null && !job->Streams && job->Taps * job->Depth > 32;
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

    // C ends inside the tile's last vector, or a function is to be applied: sums come to a copy in the first-level cache, of which
    // no more than C has is written on.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    private static void RunByCopy<TVector, TOrder>(
        TileJob* job, int rows, nint rowStep, int lanes, int columns, byte* a, byte* b, float* bias, float* c, nint ldc, bool accumulate,
        float* residual, ILineFunction? function)
        where TVector : unmanaged, IVector<TVector>
        where TOrder : ITileOrder
    {
        var width = columns * TVector.Count;
        var room = stackalloc float[14 * 32 + 16];
        var copy = (float*)(((nint)room + 63) & ~63);
        var streams = job->Streams;
        job->TargetStride = width * sizeof(float);
        job->Streams = false;
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
                Begin<TVector>(from, residual != null ? bias : null, columns, lanes, copy + row * width);
            }
            RunTile<TVector, TOrder>(job, height, columns, a, b, copy, copy);
            function?.Apply(copy, height * width);
            for (var row = 0; row < height; row++)
                End<TVector>(copy + row * width, columns, lanes, c + row * ldc, streams);
            if (residual != null)
                residual += height * ldc;
            rows -= height;
            a += height * rowStep;
            c += height * ldc;
        }
        job->Streams = streams;
    }

    // What the sums of a row begin with: numbers of C's width, and perhaps another row added to them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin<TVector>(float* from, float* added, int columns, int lanes, float* line) where TVector : unmanaged, IVector<TVector>
    {
        var last = (columns - 1) * TVector.Count;
        if (columns == 2)
            (added == null ? TVector.Load(from) : TVector.Load(from) + TVector.Load(added)).Store(line);
        var end = First<TVector>(from + last, lanes - last);
        (added == null ? end : end + First<TVector>(added + last, lanes - last)).Store(line + last);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector First<TVector>(float* source, int count) where TVector : unmanaged, IVector<TVector> =>
        count == TVector.Count ? TVector.Load(source) : TVector.LoadFirst(source, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void End<TVector>(float* line, int columns, int lanes, float* c, bool streams) where TVector : unmanaged, IVector<TVector>
    {
        var last = (columns - 1) * TVector.Count;
        if (streams)
        {
            TVector.Load(line).StoreStreaming(c);
            if (columns == 2)
                TVector.Load(line + last).StoreStreaming(c + last);
            return;
        }
        if (columns == 2)
            TVector.Load(line).Store(c);
        if (lanes == columns * TVector.Count)
            TVector.Load(line + last).Store(c + last);
        else
            TVector.Load(line + last).StoreFirst(c + last, lanes - last);
    }
}
