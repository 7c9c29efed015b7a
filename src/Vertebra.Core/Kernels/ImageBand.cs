using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Kernels;

/// <summary>Cuts a rectangle out of an image.</summary>
internal static unsafe class ImageBand
{
    /// <summary>
    /// Copies the first groups · depth channels of a rectangle of the image [h, w, c] at x, that may reach beyond it, to target
    /// [groups, rows, columns, depth]; zeros where there is no image.
    /// </summary>
    public static void Copy(
        float* x, int h, int w, int c, int groups, int depth, int firstRow, int rows, int firstColumn, int columns, float* target)
    {
        var left = Math.Clamp(-firstColumn, 0, columns);
        var inside = Math.Max(0, Math.Min(w - Math.Max(firstColumn, 0), columns - left));
        var plane = (nint)rows * columns * depth;
        for (var row = 0; row < rows; row++, target += (nint)columns * depth)
        {
            var y = firstRow + row;
            var isInside = y >= 0 && y < h && inside > 0;
            for (var group = 0; group < groups; group++)
            {
                var line = target + group * plane;
                Clear(line, (nint)(isInside ? left : columns) * depth);
                if (isInside)
                    Clear(line + (nint)(left + inside) * depth, (nint)(columns - left - inside) * depth);
            }
            if (!isInside)
                continue;
            var from = x + ((nint)y * w + Math.Max(firstColumn, 0)) * c;
            var to = target + (nint)left * depth;
            if (groups == 1 && depth == c)
                Buffer.MemoryCopy(from, to, (long)inside * c * sizeof(float), (long)inside * c * sizeof(float));
            else if (depth % 16 == 0 && Simd.Level >= SimdLevel.Vector512)
                CopyGroups<V512>(from, c, inside, groups, depth, to, plane);
            else if (depth % 8 == 0 && Simd.Level >= SimdLevel.Vector256)
                CopyGroups<V256>(from, c, inside, groups, depth, to, plane);
            else if (depth % 4 == 0 && Simd.Level >= SimdLevel.Vector128)
                CopyGroups<V128>(from, c, inside, groups, depth, to, plane);
            else
                CopyGroups<V1>(from, c, inside, groups, depth, to, plane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyGroups<TVector>(float* from, int c, int pixels, int groups, int depth, float* to, nint plane)
        where TVector : unmanaged, IVector<TVector>
    {
        for (var pixel = 0; pixel < pixels; pixel++, from += c, to += depth)
        {
            for (var group = 0; group < groups; group++)
            {
                for (var i = 0; i < depth; i += TVector.Count)
                    TVector.Load(from + group * depth + i).Store(to + group * plane + i);
            }
        }
    }

    private static void Clear(float* target, nint count) => NativeMemory.Clear(target, (nuint)count * sizeof(float));
}

/// <summary>Brings memory that is needed soon into the second-level cache, a little at a time.</summary>
internal unsafe struct Prefetch(float* start, nint bytes)
{
    private const int Line = 64;
    private byte* _next = (byte*)start;
    private readonly byte* _end = (byte*)start + bytes;
    private nint _step;

    /// <summary>Brings rows of <paramref name="bytes"/> bytes, <paramref name="stride"/> bytes apart, closer, before they are written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Rows(byte* start, int rows, nint stride, int bytes)
    {
        if (!Sse.IsSupported)
            return;
        for (; rows > 0; rows--, start += stride)
        {
            Sse.Prefetch1(start);
            if (bytes > Line)
                Sse.Prefetch1(start + Line);
        }
    }

    /// <summary>Fetches every line of <paramref name="rows"/> runs of <paramref name="bytes"/> bytes, <paramref name="stride"/> apart.</summary>
    public static void Lines(byte* start, int rows, nint stride, int bytes)
    {
        if (!Sse.IsSupported)
            return;
        for (; rows > 0; rows--, start += stride)
        {
            for (var i = 0; i < bytes; i += Line)
                Sse.Prefetch1(start + i);
        }
    }

    /// <summary>Shares the memory out over <paramref name="times"/> calls of <see cref="Go"/>.</summary>
    public void Spread(int times) => _step = (nint)(_end - _next) / Math.Max(1, times) + Line;

    public void Go()
    {
        if (!Sse.IsSupported)
            return;
        var stop = _next + _step;
        for (; _next < _end && _next < stop; _next += Line)
            Sse.Prefetch1(_next);
    }
}
