using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// The packed form of B (k rows, n columns): panels of two vectors' width, each panel k rows one after another; the last panel is
/// one vector wide when the columns left fit in it, and its missing columns are zero. A panel starts at k · (its first column).
/// </summary>
internal static unsafe class Panels
{
    /// <summary>Columns of a full panel.</summary>
    public static int Width<TVector>() where TVector : unmanaged, IVector<TVector> => 2 * TVector.Count;

    /// <summary>Number of panels for n columns.</summary>
    public static int Count<TVector>(int n) where TVector : unmanaged, IVector<TVector> => (n + 2 * TVector.Count - 1) / (2 * TVector.Count);

    /// <summary>Columns of the panel that starts with <paramref name="left"/> columns left, its padding included.</summary>
    public static int PaddedWidth<TVector>(int left) where TVector : unmanaged, IVector<TVector> =>
        left > TVector.Count ? 2 * TVector.Count : TVector.Count;

    /// <summary>Columns of all panels together, padding included: the packed form takes k times this many numbers.</summary>
    public static int PaddedColumns<TVector>(int n) where TVector : unmanaged, IVector<TVector> =>
        (n + TVector.Count - 1) / TVector.Count * TVector.Count;

    /// <summary>Packs panel <paramref name="panel"/> of op(B) to <paramref name="target"/>, the start of that panel.</summary>
    public static void Pack<TVector>(int panel, int k, int n, float* b, int ldb, bool transposed, float* target)
        where TVector : unmanaged, IVector<TVector>
    {
        var first = panel * Width<TVector>();
        var columns = Math.Min(n - first, Width<TVector>());
        var width = PaddedWidth<TVector>(columns);
        if (transposed)
            Transpose.Run(columns, k, b + (nint)first * ldb, ldb, target, width);
        else
            CopyRows<TVector>(k, columns, width, b + first, ldb, target);
        if (transposed && columns < width)
            for (var row = 0; row < k; row++)
                new Span<float>(target + (nint)row * width + columns, width - columns).Clear();
    }

    /// <summary>Packs all of op(B) [k, n] to <paramref name="target"/>, on several threads when it is large.</summary>
    public static void PackAll<TVector>(int k, int n, float* b, int ldb, bool transposed, float* target)
        where TVector : unmanaged, IVector<TVector>
    {
        const int SmallestPart = 1 << 15;
        var panels = Count<TVector>(n);
        var perPart = Math.Max(1, SmallestPart / Math.Max(1, k * Width<TVector>()));
        Workers.Run((panels + perPart - 1) / perPart, (B: (nint)b, Target: (nint)target, k, n, ldb, transposed, panels, perPart), static (in job, part) =>
        {
            for (var panel = part * job.perPart; panel < Math.Min(job.panels, (part + 1) * job.perPart); panel++)
                Pack<TVector>(panel, job.k, job.n, (float*)job.B, job.ldb, job.transposed, (float*)job.Target + (nint)panel * Width<TVector>() * job.k);
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopyRows<TVector>(int k, int columns, int width, float* source, int stride, float* target)
        where TVector : unmanaged, IVector<TVector>
    {
        if (columns == width)
        {
            var two = width > TVector.Count;
            for (var row = 0; row < k; row++, source += stride, target += width)
            {
                TVector.Load(source).Store(target);
                if (two)
                    TVector.Load(source + TVector.Count).Store(target + TVector.Count);
            }
            return;
        }
        for (var row = 0; row < k; row++, source += stride, target += width)
        {
            for (var column = 0; column < columns; column++)
                target[column] = source[column];
            for (var column = columns; column < width; column++)
                target[column] = 0;
        }
    }
}
