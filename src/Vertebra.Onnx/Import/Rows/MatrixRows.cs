using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Matrix products.</summary>
internal static class MatrixRows
{
    public static void AddTo(OperatorTable table)
    {
        table.Add("MatMul", c => MatMul(c[0], c[1]));
        table.Add("Gemm", Gemm);
        table.Add("Einsum", c => Tensor.Einsum(c.Text("equation").Replace(" ", "", StringComparison.Ordinal), [.. c.Inputs.Select((_, i) => c.Plain(i))]));
    }

    /// <summary>NumPy's matmul: a vector is a row on the left and a column on the right.</summary>
    internal static Tensor MatMul(OnnxValue a, OnnxValue b)
    {
        if (a.Rank == 0 || b.Rank == 0)
            throw new ShapeException($"MatMul takes no scalars, got {a} and {b}");
        if (b.IsConstant && b.Rank == 2 && a.Rank >= 2)
            return a.AsPlain().Linear(b.TransposedMatrix());
        var (x, y) = (a.AsPlain(), b.AsPlain());
        var product = (x.Rank == 1 ? x.Unsqueeze(0) : x).MatMul(y.Rank == 1 ? y.Unsqueeze(-1) : y);
        if (x.Rank == 1)
            product = product.Squeeze(-2);
        return y.Rank == 1 ? product.Squeeze(-1) : product;
    }

    private static OnnxValue Gemm(OnnxCall c)
    {
        var a = c.Flag("transA") ? c.Plain(0).Permute([1, 0]) : c.Plain(0);
        if (a.Rank != 2 || c[1].Rank != 2)
            throw c.Bad($"the operands must be matrices, got {c[0]} and {c[1]}");
        var (alpha, beta) = (c.Float("alpha", 1), c.Float("beta", 1));
        var weight = c.Flag("transB") ? c.Plain(1) : c[1].IsConstant ? c[1].TransposedMatrix() : c.Plain(1).Permute([1, 0]);
        var addend = c.PlainOrNull(2);
        if (alpha == 1 && beta == 1 && addend is not null && addend.ElementCount == weight.Shape[0] && addend.Shape.Rank > 0 && addend.Shape[-1] == weight.Shape[0])
            return a.Linear(weight, addend.Rank == 1 ? addend : addend.Reshape([-1]));
        var product = a.Linear(weight);
        if (alpha != 1)
            product *= alpha;
        if (addend is null || beta == 0)
            return product;
        return product + (beta == 1 ? addend : addend * beta);
    }
}
