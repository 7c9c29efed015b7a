namespace Vertebra.Ops;

/// <summary>Axes <paramref name="First"/> to <paramref name="Last"/>, both included, as one.</summary>
public sealed record Flatten(int First, int Last) : ViewOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        var (first, last) = (shape.NormalizeAxis(First, Name), shape.NormalizeAxis(Last, Name));
        if (first > last)
            throw Rules.Broken(this, $"axis {First} comes after axis {Last} in shape {shape}");
        var merged = checked((int)shape.CountBetween(first, last + 1));
        return [new([.. shape.Span[..first], merged, .. shape.Span[(last + 1)..]], inputs[0].DType)];
    }
}

public static partial class TensorOps
{
    /// <summary>Axes <paramref name="first"/> to <paramref name="last"/>, both included, as one: [8, 7, 7, 512] gives [8, 25088].</summary>
    public static Tensor Flatten(this Tensor x, int first = 1, int last = -1) => new Flatten(first, last).Apply(x);
}
