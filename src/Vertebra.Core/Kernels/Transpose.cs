using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Transposes a matrix; the target is written along its rows.</summary>
internal static unsafe class Transpose
{
    // So many columns of four-byte elements are one cache line.
    private const int Strip = 16;

    /// <summary>
    /// target[j, i] = source[i, j] for i below <paramref name="rows"/>, j below <paramref name="columns"/>; strides in elements. Where
    /// memory goes on after the matrix, <paramref name="readableEnd"/> says how far it may be read: a narrow matrix gains by it.
    /// </summary>
    public static void Run<T>(int rows, int columns, T* source, long sourceStride, T* target, long targetStride, T* readableEnd = null)
        where T : unmanaged
    {
        if (rows == 0)
            return;
        var row = 0;
        if (sizeof(T) == sizeof(float))
        {
            var end = readableEnd != null ? readableEnd : source + (rows - 1) * sourceStride + columns;
            var x = (float*)source;
            var y = (float*)target;
            if (Simd.Level >= SimdLevel.Vector512)
                row = Squares<V512>(row, rows, columns, x, (nint)sourceStride, y, (nint)targetStride, (float*)end);
            if (Simd.Level >= SimdLevel.Vector256)
                row = Squares<V256>(row, rows, columns, x, (nint)sourceStride, y, (nint)targetStride, (float*)end);
            if (Simd.Level >= SimdLevel.Vector128)
                row = Squares<V128>(row, rows, columns, x, (nint)sourceStride, y, (nint)targetStride, (float*)end);
        }
        for (var column = 0; row < rows && column < columns; column += Strip)
        {
            OneByOne(
                rows - row, Math.Min(Strip, columns - column), source + row * sourceStride + column, sourceStride,
                target + column * targetStride + row, targetStride);
        }
    }

    // Squares of one vector's width, as many rows of them as there are; returns the first row left. A square that is cut off on the
    // right is read whole where it may be.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Squares<TVector>(
        int row, int rows, int columns, float* source, nint sourceStride, float* target, nint targetStride, float* end)
        where TVector : unmanaged, IVector<TVector>
    {
        var side = TVector.Count;
        var endRow = row + (rows - row) / side * side;
        for (var column = 0; column < columns; column += side)
        {
            var left = Math.Min(side, columns - column);
            for (var i = row; i < endRow; i += side)
            {
                var from = source + i * sourceStride + column;
                var to = target + column * targetStride + i;
                if (left == side || from + (side - 1) * sourceStride + side <= end)
                    TVector.Transpose(from, sourceStride, to, targetStride, left);
                else
                    OneByOne(side, left, from, sourceStride, to, targetStride);
            }
        }
        return endRow;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneByOne<T>(int rows, int columns, T* source, long sourceStride, T* target, long targetStride) where T : unmanaged
    {
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
                target[j * targetStride + i] = source[j];
            source += sourceStride;
        }
    }
}
