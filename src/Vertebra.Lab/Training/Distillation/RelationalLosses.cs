using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// Relational knowledge distillation (Park, Kim, Lu and Cho, CVPR 2019): not the teacher's embeddings are imitated, but how those of a
/// batch lie to each other. Neither moving, turning, mirroring nor scaling an embedding changes anything, and the widths may differ.
/// </summary>
public static class RelationalLosses
{
    // As the authors': under the root, so that its gradient stays finite.
    private const float LeastSquare = 1e-12f;

    // Two points nearer to each other than this share of the mean square of distances have no direction that rounding would leave.
    private const float LeastShare = 1e-8f;

    /// <summary>
    /// Distance-wise loss (equations 4 to 6): the Huber loss of the distances of all pairs, each set divided by its mean.
    /// </summary>
    /// <param name="student">float32 [N, D].</param>
    /// <param name="teacher">float32 [N, E]; no gradient flows into it.</param>
    public static Tensor Distances(Tensor student, Tensor teacher)
    {
        Tensor reference;
        using (GradMode.Off())
            reference = NormalisedDistances(teacher);
        return Huber(NormalisedDistances(student) - reference);
    }

    /// <summary>
    /// Angle-wise loss (equations 7 and 8): the Huber loss of the cosines of the angles that all triples span, the middle of a triple
    /// at the corner.
    /// </summary>
    /// <inheritdoc cref="Distances"/>
    public static Tensor Angles(Tensor student, Tensor teacher)
    {
        Tensor reference;
        using (GradMode.Off())
            reference = Cosines(teacher);
        return Huber(Cosines(student) - reference);
    }

    private static Tensor NormalisedDistances(Tensor x)
    {
        var (_, squares) = Products(x);
        var count = x.Shape[0];
        var distances = squares.Sqrt() * OffDiagonal(count);
        return distances * (count * (count - 1f)) / distances.Sum();
    }

    /// <summary>[N, N, N]: at (i, j, k) the cosine at corner i between the ways to j and k, by the products of differences.</summary>
    private static Tensor Cosines(Tensor x)
    {
        var (products, squares) = Products(x);
        var count = x.Shape[0];
        var own = OwnProducts(products).Reshape([count, 1, 1]);
        var between = products.Reshape([1, count, count]) - products.Reshape([count, count, 1]) - products.Reshape([count, 1, count]) + own;
        var fixedSquares = squares.Detach();
        var apart = fixedSquares.Greater(fixedSquares.Mean() * LeastShare).To(DType.Float32) * OffDiagonal(count);
        var inverses = squares.Rsqrt() * apart;
        return between * inverses.Reshape([count, count, 1]) * inverses.Reshape([count, 1, count]);
    }

    // Around the mean, where float32 has more digits for the differences.
    private static (Tensor Products, Tensor Squares) Products(Tensor x)
    {
        var count = x.Shape[0];
        x -= x.Mean([0], keepAxes: true);
        var products = x.MatMul(x, transposeB: true);
        var own = OwnProducts(products);
        var squares = own.Reshape([count, 1]) + own.Reshape([1, count]) - (products * 2);
        return (products, squares.Clamp(LeastSquare));
    }

    private static Tensor OwnProducts(Tensor products) => (products * (1 - OffDiagonal(products.Shape[0]))).Sum([1]);

    private static Tensor OffDiagonal(int count)
    {
        var mask = new float[count * count];
        for (var i = 0; i < mask.Length; i++)
            mask[i] = i % (count + 1) == 0 ? 0 : 1;
        return Tensor.From(mask, [count, count]);
    }

    /// <summary>The mean of x² / 2 up to 1 and of |x| - 1/2 beyond.</summary>
    private static Tensor Huber(Tensor x)
    {
        var size = x.Abs();
        var inner = size.Clamp(0, 1);
        return (inner * (size - (inner * 0.5f))).Mean();
    }
}
