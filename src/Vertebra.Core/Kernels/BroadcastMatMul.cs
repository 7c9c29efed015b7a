namespace Vertebra.Kernels;

/// <summary>One matrix product for every position of batch axes that broadcast.</summary>
internal static unsafe class BroadcastMatMul
{
    /// <summary>The product at each batch position: op(A) [m, k] · op(B) [k, n].</summary>
    public readonly record struct Sizes(int M, int N, int K, bool TransposeA, bool TransposeB);

    /// <summary>C[p] = op(A[p]) · op(B[p]) for every position p of <paramref name="batch"/>; all matrices are stored without gaps.</summary>
    /// <param name="product">Sizes of one product.</param>
    /// <param name="batch">Batch sizes of C, outermost first.</param>
    /// <param name="a">The matrices of A.</param>
    /// <param name="aBatch">Batch sizes of A: as many as those of C, each equal to C's or 1.</param>
    /// <param name="b">The matrices of B.</param>
    /// <param name="bBatch">Batch sizes of B, likewise.</param>
    /// <param name="c">The results.</param>
    public static void Run(Sizes product, ReadOnlySpan<int> batch, float* a, ReadOnlySpan<int> aBatch, float* b, ReadOnlySpan<int> bBatch, float* c)
    {
        var (m, n, k, transposeA, transposeB) = product;
        Span<long> aStrides = stackalloc long[batch.Length], bStrides = stackalloc long[batch.Length];
        SetStrides(aStrides, batch, aBatch, (long)m * k);
        SetStrides(bStrides, batch, bBatch, (long)k * n);
        // The innermost axes that step evenly through A and through B make one run of products.
        var outerAxes = Math.Max(0, batch.Length - 1);
        while (outerAxes > 0 && aStrides[outerAxes - 1] == aStrides[outerAxes] * batch[outerAxes] && bStrides[outerAxes - 1] == bStrides[outerAxes] * batch[outerAxes])
            outerAxes--;
        var (outer, inner) = (1L, 1L);
        for (var axis = 0; axis < batch.Length; axis++)
        {
            if (axis < outerAxes)
                outer *= batch[axis];
            else
                inner *= batch[axis];
        }
        var (aStride, bStride) = batch.Length == 0 ? (0, 0) : (aStrides[^1], bStrides[^1]);
        for (long position = 0; position < outer; position++)
        {
            long aOffset = 0, bOffset = 0;
            var rest = position;
            for (var axis = outerAxes - 1; axis >= 0; axis--)
            {
                var index = rest % batch[axis];
                rest /= batch[axis];
                aOffset += index * aStrides[axis];
                bOffset += index * bStrides[axis];
            }
            MatMul.RunBatch(checked((int)inner), m, n, k, a + aOffset, transposeA ? m : k, transposeA, aStride,
                b + bOffset, transposeB ? k : n, transposeB, bStride, c + (position * inner * m * n), n, (long)m * n);
        }
    }

    private static void SetStrides(Span<long> strides, ReadOnlySpan<int> batch, ReadOnlySpan<int> own, long matrix)
    {
        for (var axis = batch.Length - 1; axis >= 0; axis--)
        {
            // An axis of size 1 in both may step as its neighbours do.
            strides[axis] = own[axis] == 1 && batch[axis] != 1 ? 0 : matrix;
            matrix *= own[axis];
        }
    }
}
