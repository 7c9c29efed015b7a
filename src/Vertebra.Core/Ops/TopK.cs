using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// The <paramref name="K"/> largest (or smallest) elements along an axis, best first, float32, and their positions, int64.
/// Of equal elements the one with the lower position comes first; NaN counts as larger than every number.
/// </summary>
public sealed record TopK(int K, int Axis, bool Largest) : Op
{
    public override Saved Saves => Saved.Output1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        var shape = inputs[0].Shape;
        var axis = shape.NormalizeAxis(Axis, Name);
        if (K < 0 || K > shape[axis])
            throw Rules.Broken(this, $"k = {K} must lie between 0 and {shape[axis]}, the size of axis {axis} of shape {shape}");
        return [new(shape.With(axis, K), DType.Float32), new(shape.With(axis, K), DType.Int64)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var shape = inputs[0].Shape;
        var (axis, outer, _, inner) = Gather.Extents(shape, shape, Axis);
        Selection.TopK(inputs[0].Pointer<float>(), outer, shape[axis], inner, K, Largest, outputs[0].Pointer<float>(), outputs[1].Pointer<long>());
    }

    public override Tensor?[] Gradient(GradientContext g) =>
        [Tensor.Zeros(g.InputSpec(0).Shape).ScatterAdd(Axis, g.Output(1), g.OutputGradient())];
}

public static partial class TensorOps
{
    /// <summary>
    /// The k largest (or smallest) elements along an axis, best first, and their int64 positions. Of equal elements the one
    /// with the lower position comes first; NaN counts as larger than every number.
    /// </summary>
    public static (Tensor Values, Tensor Indices) TopK(this Tensor x, int k, int axis = -1, bool largest = true)
    {
        var outputs = new TopK(k, axis, largest).ApplyAll(x);
        return (outputs[0], outputs[1]);
    }
}
