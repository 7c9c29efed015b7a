using Vertebra.Kernels;

namespace Vertebra.Tests.Cases;

public static unsafe partial class KernelCases
{
    private static IEnumerable<(string Name, Action Check)> MatMulCases()
    {
        (int M, int N, int K)[] sizes =
        [
            (0, 5, 5), (5, 0, 5), (5, 5, 0), (1, 1, 1), (1, 17, 300), (3, 10, 64), (4, 33, 129), (5, 4, 3), (7, 31, 33), (12, 32, 16), (13, 65, 9),
            (14, 16, 5), (15, 15, 15), (29, 70, 40), (33, 3, 70), (64, 10, 64), (100, 100, 100), (31, 129, 2050), (300, 97, 61), (2, 700, 511), (250, 37, 1100),
        ];
        foreach (var (m, n, k) in sizes)
        {
            for (var flags = 0; flags < 4; flags++)
            {
                var (transA, transB) = ((flags & 1) != 0, (flags & 2) != 0);
                foreach (var mode in (string[])["plain", "accumulate", "bias"])
                    yield return ($"matmul {m}x{n}x{k} {(transA ? "T" : "N")}{(transB ? "T" : "N")} {mode}", () => CheckMatMul(m, n, k, transA, transB, mode, packed: false));
            }
            foreach (var transB in (bool[])[false, true])
                yield return ($"matmul packed {m}x{n}x{k} transB {transB}", () => CheckMatMul(m, n, k, false, transB, "bias", packed: true));
        }
        foreach (var (batch, m, n, k) in ((int, int, int, int)[])[(0, 2, 2, 2), (1, 5, 6, 7), (7, 9, 17, 5), (3, 50, 33, 20), (40, 30, 40, 50), (2, 400, 400, 130)])
        {
            foreach (var shared in (bool[])[false, true])
                yield return ($"matmul batch {batch}x{m}x{n}x{k} shared B {shared}", () => CheckBatch(batch, m, n, k, shared));
        }
    }

    // Row strides are larger than the rows; what lies between the rows must stay as it is.
    private static void CheckMatMul(int m, int n, int k, bool transA, bool transB, string mode, bool packed)
    {
        var (lda, ldb, ldc) = ((transA ? m : k) + 3, (transB ? k : n) + 5, n + 7);
        using var a = new GuardedFloats((transA ? k : m) * lda, seed: 1);
        using var b = new GuardedFloats((transB ? n : k) * ldb, seed: 2);
        using var bias = new GuardedFloats(n, seed: 3);
        using var start = new GuardedFloats(m * ldc, seed: 4);
        using var c = SameBitsOnAnyThreads(m * ldc, c =>
        {
            start.Span.CopyTo(c.Span);
            var row = mode == "bias" ? bias.Pointer : null;
            if (packed)
                MatMul.Run(m, a.Pointer, lda, transA, PackedMatrix.Create(k, n, b.Pointer, ldb, transB), c.Pointer, ldc, mode == "accumulate", row);
            else
                MatMul.Run(m, n, k, a.Pointer, lda, transA, b.Pointer, ldb, transB, c.Pointer, ldc, mode == "accumulate", row);
        });
        var (expected, magnitudes) = (new double[m * ldc], new double[m * ldc]);
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < ldc; j++)
            {
                var first = j >= n || mode == "accumulate" ? start[i * ldc + j] : mode == "bias" ? bias[j] : 0.0;
                var (sum, magnitude) = (first, Math.Abs(first));
                for (var l = 0; l < k && j < n; l++)
                {
                    var term = (double)a[transA ? l * lda + i : i * lda + l] * b[transB ? j * ldb + l : l * ldb + j];
                    sum += term;
                    magnitude += Math.Abs(term);
                }
                (expected[i * ldc + j], magnitudes[i * ldc + j]) = (sum, j < n ? magnitude : 0);
            }
        }
        AssertClose(expected, magnitudes, c.Span);
    }

    private static void CheckBatch(int batch, int m, int n, int k, bool sharedB)
    {
        using var a = new GuardedFloats(batch * m * k, seed: 1);
        using var b = new GuardedFloats((sharedB ? 1 : batch) * k * n, seed: 2);
        using var c = SameBitsOnAnyThreads(batch * m * n, c =>
            MatMul.RunBatch(batch, m, n, k, a.Pointer, k, false, m * k, b.Pointer, n, false, sharedB ? 0 : k * n, c.Pointer, n, m * n));
        var (expected, magnitudes) = (new double[batch * m * n], new double[batch * m * n]);
        for (var i = 0; i < expected.Length; i++)
        {
            var (which, row, column) = (i / (m * n), i / n % m, i % n);
            for (var l = 0; l < k; l++)
            {
                var term = (double)a[(which * m + row) * k + l] * b[((sharedB ? 0 : which) * k + l) * n + column];
                expected[i] += term;
                magnitudes[i] += Math.Abs(term);
            }
        }
        AssertClose(expected, magnitudes, c.Span);
    }
}
