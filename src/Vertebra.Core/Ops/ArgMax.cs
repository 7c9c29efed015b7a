using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Position of the largest element along an axis, as int64; the first of equals, and NaN counts as largest. The axis goes.</summary>
public sealed record ArgMax(int Axis) : Op
{
    public override bool IsDifferentiable => false;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        var shape = inputs[0].Shape;
        var axis = shape.NormalizeAxis(Axis, Name);
        if (shape[axis] == 0)
            throw Rules.Broken(this, $"there is no largest of no elements: shape {shape} along axis {Axis}");
        return [new([.. shape.Span[..axis], .. shape.Span[(axis + 1)..]], DType.Int64)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (outer, length, inner) = inputs[0].Shape.Around(Axis);
        Scans.ArgMax(inputs[0].Pointer<float>(), outputs[0].Pointer<long>(), outer, length, inner);
    }
}

public static partial class TensorOps
{
    /// <summary>Position of the largest element along an axis, as int64 without that axis.</summary>
    public static Tensor ArgMax(this Tensor x, int axis = -1) => new ArgMax(axis).Apply(x);
}
