namespace Vertebra.Ops;

/// <summary>Without an axis of size 1.</summary>
public sealed record Squeeze(int Axis) : ViewOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        var axis = shape.NormalizeAxis(Axis, Name);
        if (shape[axis] != 1)
            throw Rules.Broken(this, $"axis {Axis} of shape {shape} has size {shape[axis]}, not 1");
        return [new([.. shape.Span[..axis], .. shape.Span[(axis + 1)..]], inputs[0].DType)];
    }
}

/// <summary>With a new axis of size 1, which is <paramref name="Axis"/> of the result; -1 is the last.</summary>
public sealed record Unsqueeze(int Axis) : ViewOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        var axis = Axis < 0 ? Axis + shape.Rank + 1 : Axis;
        if ((uint)axis > (uint)shape.Rank)
            throw Rules.Broken(this, $"axis {Axis} does not exist in a result of rank {shape.Rank + 1}; input {shape}");
        return [new([.. shape.Span[..axis], 1, .. shape.Span[axis..]], inputs[0].DType)];
    }
}

public static partial class TensorOps
{
    /// <summary>Without an axis of size 1.</summary>
    public static Tensor Squeeze(this Tensor x, int axis) => new Squeeze(axis).Apply(x);

    /// <summary>With a new axis of size 1, which is <paramref name="axis"/> of the result; -1 is the last.</summary>
    public static Tensor Unsqueeze(this Tensor x, int axis) => new Unsqueeze(axis).Apply(x);
}
