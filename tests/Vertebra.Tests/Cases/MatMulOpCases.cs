using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Matrix products against the textbook's triple loop.</summary>
public sealed class MatMulOpCases : IOpCases
{
    public static IEnumerable<OpCase> All() => [.. MatMuls(), .. Linears()];

    private static IEnumerable<OpCase> MatMuls()
    {
        (int[] BatchA, int[] BatchB, int M, int K, int N)[] cases =
        [
            ([], [], 1, 1, 1), ([], [], 3, 4, 5), ([], [], 1, 17, 1), ([], [], 17, 1, 16), ([], [], 7, 33, 19), ([], [], 65, 9, 31),
            ([], [], 0, 3, 2), ([], [], 2, 3, 0), ([], [], 2, 0, 3), ([0], [0], 2, 3, 2), ([0], [], 2, 3, 2), ([1], [0], 0, 0, 0),
            ([3], [3], 2, 3, 4), ([3], [], 2, 3, 4), ([], [3], 2, 3, 4), ([3], [1], 2, 3, 4), ([1], [3], 2, 3, 4), ([1], [1, 1], 2, 3, 2),
            ([2, 1], [3], 2, 2, 3), ([2, 1], [1, 3], 2, 2, 3), ([2, 3], [3], 2, 2, 3), ([2, 1, 2], [3, 1], 2, 2, 2), ([2, 1, 2], [2, 3, 1], 1, 2, 2),
            ([2, 3], [2, 1], 2, 2, 3), ([5, 2], [5, 2], 9, 17, 8), ([40], [], 9, 17, 33), ([], [], 130, 140, 150),
        ];
        foreach (var (batchA, batchB, m, k, n) in cases)
        {
            foreach (var (transposeA, transposeB) in new[] { (false, false), (true, false), (false, true), (true, true) })
            {
                Shape a = transposeA ? [.. batchA, k, m] : [.. batchA, m, k];
                Shape b = transposeB ? [.. batchB, n, k] : [.. batchB, k, n];
                yield return new(new MatMul(transposeA, transposeB), [OpCases.Uniform(a, 1), OpCases.Uniform(b, 2)],
                    x => [Product(x[0], a, transposeA, x[1], b, transposeB)])
                {
                    CheckSecondDerivative = a.ElementCount + b.ElementCount is > 0 and <= 50 && a.ElementCount * b.ElementCount > 0,
                };
            }
        }
    }

    /// <summary>op(a) · op(b) with NumPy's broadcasting of the batch axes.</summary>
    public static double[] Product(double[] a, Shape aShape, bool transposeA, double[] b, Shape bShape, bool transposeB)
    {
        var batch = Shape.Broadcast(Shape.Create(aShape.Span[..^2]), Shape.Create(bShape.Span[..^2]), "case");
        var (m, k) = transposeA ? (aShape[-1], aShape[-2]) : (aShape[-2], aShape[-1]);
        var n = transposeB ? bShape[-2] : bShape[-1];
        return [.. Naive.Positions([.. batch, m, n]).Select(p =>
        {
            double sum = 0;
            for (var i = 0; i < k; i++)
                sum += a[At(aShape, p[..^2], p[^2], i, transposeA)] * b[At(bShape, p[..^2], i, p[^1], transposeB)];
            return sum;
        })];
    }

    private static int At(Shape shape, int[] batch, int row, int column, bool transposed)
    {
        var own = batch[(batch.Length + 2 - shape.Rank)..];
        for (var axis = 0; axis < own.Length; axis++)
            own[axis] = shape[axis] == 1 ? 0 : own[axis];
        return Naive.Offset(shape, transposed ? [.. own, column, row] : [.. own, row, column]);
    }

    private static IEnumerable<OpCase> Linears()
    {
        (int[] Lead, int In, int Out)[] cases =
        [
            ([], 3, 2), ([1], 1, 1), ([2], 3, 4), ([7], 5, 3), ([2, 3], 4, 5), ([2, 1, 3], 3, 2), ([0], 3, 2), ([2], 0, 3), ([2], 3, 0), ([3, 3], 17, 9), ([70], 33, 65), ([4], 65, 33),
        ];
        foreach (var (lead, features, outputs) in cases)
        {
            Shape x = [.. lead, features];
            Tensor[] inputs = [OpCases.Uniform(x, 1), OpCases.Uniform([outputs, features], 2), OpCases.Uniform([outputs], 3)];
            double[][] Reference(double[][] v) =>
            [
                [.. Naive.Positions([(int)x.CountBetween(0, x.Rank - 1), outputs]).Select(p =>
                    (v.Length > 2 ? v[2][p[1]] : 0) + Enumerable.Range(0, features).Sum(i => v[0][(p[0] * features) + i] * v[1][(p[1] * features) + i]))],
            ];
            var small = x.ElementCount is > 0 and < 20 && outputs is > 0 and < 6;
            yield return new(new Linear(), inputs, Reference) { CheckSecondDerivative = small };
            yield return new(new Linear(), inputs[..2], Reference) { CheckSecondDerivative = small };
        }
    }
}
