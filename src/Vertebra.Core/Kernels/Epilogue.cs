using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A function applied to numbers where they lie.</summary>
internal unsafe interface ILineFunction
{
    /// <summary>line[i] = f(line[i]), on the calling thread.</summary>
    void Apply(float* line, long count);
}

/// <summary>
/// What a product or convolution does to its sums before they leave the cache: f(sum + bias + residual). Limits are applied in the
/// tile's registers; another function to a tile's sums on their way to memory, or in a second pass. The default does nothing.
/// </summary>
internal unsafe struct Epilogue
{
    /// <summary>Null, or numbers laid out as the result, which may lie on the same memory.</summary>
    public float* Residual;

    /// <summary>Whether results are kept between <see cref="Low"/> and <see cref="High"/>.</summary>
    public bool Clamps;
    public float Low, High;

    /// <summary>Null, or what is applied last.</summary>
    public ILineFunction? Function;

    /// <summary>The residual beside a place of the result that starts at <paramref name="origin"/>; null without one.</summary>
    public readonly float* ResidualAt(float* origin, float* place) => Residual == null ? null : Residual + (place - origin);

    /// <summary>
    /// Whether results should go past the caches: there are so many that little would be left of them in a cache, each is a sum of so
    /// few products that writing takes as long as computing, and they lie so that every vector is whole cache lines. A line that is in
    /// no cache is otherwise read before it is written.
    /// </summary>
    public static bool Streams(float* result, long count, nint rowStride, int products) =>
        count > StreamedCount && products <= StreamedProducts && (nint)result % CacheLine == 0 && rowStride * sizeof(float) % CacheLine == 0;

    /// <summary>
    /// More results than this go past the caches: half the last cache where the system tells its size. Where a virtual machine hides it,
    /// others use it too, and little is ours.
    /// </summary>
    public static long StreamedCount { get; set; } =
        Processor.Caches is { Source: "system", L3: > 0 } caches ? Math.Max(1 << 20, caches.L3 / 2) / sizeof(float) : 1 << 18;

    private const int CacheLine = 64;
    private const int StreamedProducts = 192;

    /// <summary>Limits the results of a tile, or leaves them.</summary>
    public readonly void SetLimits(TileJob* job, bool isLast) => (job->Clamps, job->Low, job->High) = (Clamps && isLast, Low, High);

    /// <summary>Applies the function to <paramref name="lines"/> runs of <paramref name="count"/> numbers, <paramref name="stride"/> apart.</summary>
    public readonly void Finish(float* first, long lines, nint stride, long count)
    {
        if (Function is null || lines <= 0 || count <= 0)
            return;
        if (count == stride)
        {
            Function.Apply(first, lines * count);
            return;
        }
        for (; lines > 0; lines--, first += stride)
            Function.Apply(first, count);
    }

    /// <summary>
    /// Applies the function to <paramref name="lines"/> runs of <paramref name="count"/> numbers without gaps, and writes them
    /// <paramref name="stride"/> apart, past the caches if <paramref name="streams"/>.
    /// </summary>
    public readonly void Finish(float* sums, int lines, int count, float* result, nint stride, bool streams)
    {
        Function?.Apply(sums, (long)lines * count);
        Level.Run(new StridedLines(sums, lines, count, result, stride, streams));
    }

    private readonly struct StridedLines(float* source, int lines, int count, float* target, nint stride, bool streams) : IKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var from = source;
            var to = target;
            for (var line = 0; line < lines; line++, from += count, to += stride)
            {
                var i = 0;
                for (; i <= count - TVector.Count; i += TVector.Count)
                {
                    if (streams)
                        TVector.Load(from + i).StoreStreaming(to + i);
                    else
                        TVector.Load(from + i).Store(to + i);
                }
                if (i < count)
                    TVector.LoadFirst(from + i, count - i).StoreFirst(to + i, count - i);
            }
        }
    }
}
