using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Kernels;

/// <summary>Cuts a rectangle out of an image.</summary>
internal static unsafe class ImageBand
{
    /// <summary>
    /// Copies the first <paramref name="channels"/> channels of a rectangle of the image [h, w, c] at x, that may reach beyond it, to
    /// target [rows, columns, channels]; zeros where there is no image.
    /// </summary>
    public static void Copy(
        float* x, int h, int w, int c, int channels, int firstRow, int rows, int firstColumn, int columns, float* target)
    {
        var left = Math.Clamp(-firstColumn, 0, columns);
        var inside = Math.Max(0, Math.Min(w - Math.Max(firstColumn, 0), columns - left));
        for (var row = 0; row < rows; row++, target += (nint)columns * channels)
        {
            var y = firstRow + row;
            if (y < 0 || y >= h || inside == 0)
            {
                Clear(target, (nint)columns * channels);
                continue;
            }
            Clear(target, (nint)left * channels);
            var from = x + ((nint)y * w + Math.Max(firstColumn, 0)) * c;
            var to = target + (nint)left * channels;
            if (channels == c)
            {
                Buffer.MemoryCopy(from, to, (long)inside * c * sizeof(float), (long)inside * c * sizeof(float));
            }
            else
            {
                for (var i = 0; i < inside; i++)
                    new ReadOnlySpan<float>(from + (nint)i * c, channels).CopyTo(new Span<float>(to + (nint)i * channels, channels));
            }
            Clear(to + (nint)inside * channels, (nint)(columns - left - inside) * channels);
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
