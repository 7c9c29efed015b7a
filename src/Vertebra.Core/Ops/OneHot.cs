namespace Vertebra.Ops;

/// <summary>
/// Class numbers as distributions: an int64 tensor of any shape gives float32 of that shape with a last axis of
/// <paramref name="Classes"/>, 1 at the class and 0 elsewhere.
/// </summary>
public sealed record OneHot(int Classes) : Op
{
    public override bool IsDifferentiable => false;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.Is(this, inputs[0], DType.Int64, "index");
        return [new([.. inputs[0].Shape.Span, Classes], DType.Float32)];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Rules.IndicesLieIn(this, inputs[0], outputs[0].Shape, outputs[0].Rank - 1);
        outputs[0].Clear();
        var target = outputs[0].AsSpan<float>();
        var row = 0;
        foreach (var index in inputs[0].AsSpan<long>())
        {
            target[row + (int)index] = 1;
            row += Classes;
        }
    }
}

public static partial class TensorOps
{
    /// <summary>1 at each int64 class number and 0 elsewhere: [n] gives float32 [n, classes].</summary>
    /// <exception cref="VertebraException">A class number is negative or not below <paramref name="classes"/>.</exception>
    public static Tensor OneHot(this Tensor index, int classes) => new OneHot(classes).Apply(index);
}
