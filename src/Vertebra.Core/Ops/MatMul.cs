using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Matrix products over the last two axes, float32: a [..., m, k] · b [..., k, n] gives [..., m, n]; an operand stored the other
/// way round is read transposed. The axes before the last two broadcast.
/// </summary>
public sealed record MatMul(bool TransposeA, bool TransposeB) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        var (a, b) = (inputs[0].Shape, inputs[1].Shape);
        if (a.Rank < 2 || b.Rank < 2)
            throw Rules.Broken(this, $"operands must have at least 2 axes, got {a} and {b}; add one with Unsqueeze");
        var (m, k) = Rows(a, TransposeA);
        var (depth, n) = Rows(b, TransposeB);
        if (k != depth)
            throw Rules.Broken(this, $"shapes {a}{(TransposeA ? " transposed" : "")} and {b}{(TransposeB ? " transposed" : "")} do not fit: {k} columns against {depth} rows");
        return [new([.. Shape.Broadcast(Batch(a), Batch(b), Name), m, n], DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (a, b, c) = (inputs[0], inputs[1], outputs[0]);
        var (m, k) = Rows(a.Shape, TransposeA);
        var rank = c.Rank - 2;
        Span<int> aBatch = stackalloc int[rank], bBatch = stackalloc int[rank];
        PadBatch(a.Shape, aBatch);
        PadBatch(b.Shape, bBatch);
        BroadcastMatMul.Run(new(m, c.Shape[-1], k, TransposeA, TransposeB), c.Shape.Span[..rank],
            a.Pointer<float>(), aBatch, b.Pointer<float>(), bBatch, c.Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (a, b, gradient) = (g.Input(0), g.Input(1), g.OutputGradient());
        var da = !g.Needs(0) ? null
            : TransposeA ? b.MatMul(gradient, TransposeB, true)
            : gradient.MatMul(b, false, !TransposeB);
        return [da?.SumTo(a.Shape), g.Needs(1) ? RightGradient(a, b, gradient) : null];
    }

    private Tensor RightGradient(Tensor a, Tensor b, Tensor gradient)
    {
        if (!TransposeA && b.Shape.CountBetween(0, b.Rank - 2) == 1)
        {
            // One b for all: a tall product sums over the batch, where one product each would have to be summed after.
            a = AsMatrix(a.Expand([.. Batch(gradient.Shape), .. a.Shape.Span[^2..]]));
            gradient = AsMatrix(gradient);
        }
        var db = TransposeB ? gradient.MatMul(a, true, TransposeA) : a.MatMul(gradient, !TransposeA, false);
        return db.Rank < b.Rank ? db.Reshape(b.Shape) : db.SumTo(b.Shape);
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        outputs[0].Shape.ElementCount * Rows(inputs[0].Shape, TransposeA).Columns;

    private static (int Rows, int Columns) Rows(Shape shape, bool transposed) =>
        transposed ? (shape[-1], shape[-2]) : (shape[-2], shape[-1]);

    private static Shape Batch(Shape shape) => Shape.Create(shape.Span[..^2]);

    private static void PadBatch(Shape shape, Span<int> batch)
    {
        batch.Fill(1);
        shape.Span[..^2].CopyTo(batch[(batch.Length + 2 - shape.Rank)..]);
    }

    private static Tensor AsMatrix(Tensor x) => x.Rank == 2 ? x : x.Flatten(0, -2);
}

public static partial class TensorOps
{
    /// <summary>
    /// The matrix product over the last two axes: [..., m, k] · [..., k, n] gives [..., m, n]; the axes before broadcast.
    /// A flag reads its operand transposed, without a copy.
    /// </summary>
    public static Tensor MatMul(this Tensor a, Tensor b, bool transposeA = false, bool transposeB = false) => new MatMul(transposeA, transposeB).Apply(a, b);
}
