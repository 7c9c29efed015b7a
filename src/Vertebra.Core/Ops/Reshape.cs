namespace Vertebra.Ops;

/// <summary>The same elements in the same order under another shape; one size may be -1 and is worked out.</summary>
public sealed record Reshape(IntList Target) : ViewOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var sizes = Target.Span.ToArray();
        var unknown = Array.IndexOf(sizes, -1);
        if (unknown >= 0)
        {
            sizes[unknown] = 1;
            var known = ((Shape)sizes).ElementCount;
            if (known == 0 || inputs[0].Shape.ElementCount % known != 0)
                throw Mismatch(inputs[0].Shape);
            sizes[unknown] = checked((int)(inputs[0].Shape.ElementCount / known));
        }
        if (((Shape)sizes).ElementCount != inputs[0].Shape.ElementCount)
            throw Mismatch(inputs[0].Shape);
        return [new(sizes, inputs[0].DType)];
    }

    private ShapeException Mismatch(Shape input) => Rules.Broken(this, $"{input.ElementCount} elements of shape {input} do not fill {Target}");
}

public static partial class TensorOps
{
    /// <summary>The same elements under another shape, without a copy; one size may be -1.</summary>
    public static Tensor Reshape(this Tensor x, IntList shape) => new Reshape(shape).Apply(x);
}
