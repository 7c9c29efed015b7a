using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// The same numbers as another element type. To a floating-point type: nearest, ties to even; too large becomes infinite.
/// To an integer type: the fraction is dropped, what is out of range becomes the nearest bound, NaN becomes 0. To bool:
/// anything but zero is true, NaN too. From bool: 0 and 1.
/// </summary>
public sealed record Cast(DType To) : Op
{
    public override bool IsDifferentiable => To.IsFloat();

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        return [new(inputs[0].Shape, To)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        Casts.Run(inputs[0].DType, inputs[0].DataPointer, To, outputs[0].DataPointer, inputs[0].ElementCount);

    public override Tensor?[] Gradient(GradientContext g) => [g.InputSpec(0).DType.IsFloat() ? g.OutputGradient().To(g.InputSpec(0).DType) : null];
}

public static partial class TensorOps
{
    /// <summary>The same numbers as another element type (see <see cref="Cast"/> for rounding and range); the tensor itself if it has that type.</summary>
    public static Tensor To(this Tensor x, DType dtype) => x.DType == dtype ? x : new Cast(dtype).Apply(x);
}
