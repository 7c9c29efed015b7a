using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Kernels;

/// <summary>Transposes a matrix; the target is written along its rows.</summary>
internal static unsafe class Transpose
{
    // So many columns of four-byte elements are one cache line.
    private const int Strip = 16;

    /// <summary>target[j, i] = source[i, j] for i below <paramref name="rows"/>, j below <paramref name="columns"/>; strides in elements.</summary>
    public static void Run<T>(int rows, int columns, T* source, long sourceStride, T* target, long targetStride) where T : unmanaged
    {
        var j = 0;
        if (sizeof(T) == 4 && Vector256.IsHardwareAccelerated && Avx.IsSupported)
        {
            for (; j <= columns - 8; j += 8)
                Columns8(rows, (float*)(source + j), sourceStride, (float*)(target + (j * targetStride)), targetStride);
        }
        for (; j < columns; j += Strip)
            Columns(rows, Math.Min(Strip, columns - j), source + j, sourceStride, target + (j * targetStride), targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Columns<T>(int rows, int columns, T* source, long sourceStride, T* target, long targetStride) where T : unmanaged
    {
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
                target[(j * targetStride) + i] = source[j];
            source += sourceStride;
        }
    }

    /// <summary>Eight columns of the source, in tiles of 8 × 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Columns8(int rows, float* source, long sourceStride, float* target, long targetStride)
    {
        var i = 0;
        for (; i <= rows - 8; i += 8)
        {
            Tile8(source, sourceStride, target + i, targetStride);
            source += 8 * sourceStride;
        }
        for (; i < rows; i++)
        {
            for (var j = 0; j < 8; j++)
                target[(j * targetStride) + i] = source[j];
            source += sourceStride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Tile8(float* source, long sourceStride, float* target, long targetStride)
    {
        var a = Vector256.Load(source);
        var b = Vector256.Load(source + sourceStride);
        var c = Vector256.Load(source + (2 * sourceStride));
        var d = Vector256.Load(source + (3 * sourceStride));
        var e = Vector256.Load(source + (4 * sourceStride));
        var f = Vector256.Load(source + (5 * sourceStride));
        var g = Vector256.Load(source + (6 * sourceStride));
        var h = Vector256.Load(source + (7 * sourceStride));
        // Rows pair up, then pairs do, then the 128-bit halves change places.
        var (ab0, ab1) = (Avx.UnpackLow(a, b), Avx.UnpackHigh(a, b));
        var (cd0, cd1) = (Avx.UnpackLow(c, d), Avx.UnpackHigh(c, d));
        var (ef0, ef1) = (Avx.UnpackLow(e, f), Avx.UnpackHigh(e, f));
        var (gh0, gh1) = (Avx.UnpackLow(g, h), Avx.UnpackHigh(g, h));
        Halves(Avx.Shuffle(ab0, cd0, 0x44), Avx.Shuffle(ef0, gh0, 0x44), target, targetStride);
        Halves(Avx.Shuffle(ab0, cd0, 0xEE), Avx.Shuffle(ef0, gh0, 0xEE), target + targetStride, targetStride);
        Halves(Avx.Shuffle(ab1, cd1, 0x44), Avx.Shuffle(ef1, gh1, 0x44), target + (2 * targetStride), targetStride);
        Halves(Avx.Shuffle(ab1, cd1, 0xEE), Avx.Shuffle(ef1, gh1, 0xEE), target + (3 * targetStride), targetStride);
    }

    /// <summary>Stores rows r and r + 4 of a tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Halves(Vector256<float> abcd, Vector256<float> efgh, float* target, long targetStride)
    {
        Avx.Permute2x128(abcd, efgh, 0x20).Store(target);
        Avx.Permute2x128(abcd, efgh, 0x31).Store(target + (4 * targetStride));
    }
}
