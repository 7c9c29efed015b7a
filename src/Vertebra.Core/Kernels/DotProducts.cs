using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// A product of few rows with a transposed matrix, C [m, n] = A [m, k] · B [n, k]ᵀ: each element is a dot product of two rows,
/// so B is read once, as it lies. This is a linear layer on one or a few samples, bound by memory.
/// </summary>
internal static unsafe class DotProducts
{
    private const long SmallestPart = 1 << 17;

    public static void Run<TVector>(
        int m, int n, int k, float* a, int lda, float* b, int ldb, float* c, int ldc, bool accumulate, float* bias)
        where TVector : unmanaged, IVector<TVector>
    {
        var perPart = (int)Math.Clamp(SmallestPart / ((long)m * k), 4, n + 4) / 4 * 4;
        var product = new Product(m, n, k, a, lda, b, ldb, c, ldc, accumulate, bias);
        Workers.Run((n + perPart - 1) / perPart, (product, perPart), static (in job, part) => job.product.Columns<TVector>(part * job.perPart, (part + 1) * job.perPart));
    }

    private readonly struct Product(int m, int n, int k, float* a, int lda, float* b, int ldb, float* c, int ldc, bool accumulate, float* bias)
    {
        [SkipLocalsInit]
        public void Columns<TVector>(int first, int end) where TVector : unmanaged, IVector<TVector>
        {
            end = Math.Min(n, end);
            var sums = stackalloc float[4];
            for (var column = first; column < end; column += 4)
            {
                var columns = Math.Min(4, end - column);
                for (var row = 0; row < m; row++)
                {
                    // Rows beyond the last are read as the last one again, and not used.
                    var b0 = b + (nint)column * ldb;
                    Four<TVector>(
                        k, a + (nint)row * lda, b0, b0 + (columns > 1 ? ldb : 0), b0 + (columns > 2 ? 2 * (nint)ldb : 0),
                        b0 + (columns > 3 ? 3 * (nint)ldb : 0), sums);
                    var target = c + (nint)row * ldc + column;
                    for (var i = 0; i < columns; i++)
                        target[i] = accumulate ? target[i] + sums[i] : bias != null ? bias[column + i] + sums[i] : sums[i];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four<TVector>(int k, float* a, float* b0, float* b1, float* b2, float* b3, float* sums)
        where TVector : unmanaged, IVector<TVector>
    {
        var s0 = TVector.Zero;
        var s1 = TVector.Zero;
        var s2 = TVector.Zero;
        var s3 = TVector.Zero;
        var t0 = TVector.Zero;
        var t1 = TVector.Zero;
        var t2 = TVector.Zero;
        var t3 = TVector.Zero;
        var lanes = TVector.Count;
        var i = 0;
        for (; i + 2 * lanes <= k; i += 2 * lanes)
        {
            var x = TVector.Load(a + i);
            s0 = TVector.Fma(x, TVector.Load(b0 + i), s0);
            s1 = TVector.Fma(x, TVector.Load(b1 + i), s1);
            s2 = TVector.Fma(x, TVector.Load(b2 + i), s2);
            s3 = TVector.Fma(x, TVector.Load(b3 + i), s3);
            var y = TVector.Load(a + i + lanes);
            t0 = TVector.Fma(y, TVector.Load(b0 + i + lanes), t0);
            t1 = TVector.Fma(y, TVector.Load(b1 + i + lanes), t1);
            t2 = TVector.Fma(y, TVector.Load(b2 + i + lanes), t2);
            t3 = TVector.Fma(y, TVector.Load(b3 + i + lanes), t3);
        }
        sums[0] = TVector.Sum(s0 + t0);
        sums[1] = TVector.Sum(s1 + t1);
        sums[2] = TVector.Sum(s2 + t2);
        sums[3] = TVector.Sum(s3 + t3);
        for (; i < k; i++)
        {
            sums[0] += a[i] * b0[i];
            sums[1] += a[i] * b1[i];
            sums[2] += a[i] * b2[i];
            sums[3] += a[i] * b3[i];
        }
    }
}
