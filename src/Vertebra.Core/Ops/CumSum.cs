using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Running sum along an axis, each element included in its own sum; from the end if <paramref name="Reverse"/>.</summary>
public sealed record CumSum(int Axis, bool Reverse) : UnaryOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        var specs = base.Infer(inputs);
        specs[0].Shape.NormalizeAxis(Axis, Name);
        return specs;
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (outer, length, inner) = inputs[0].Shape.Around(Axis);
        Scans.CumulativeSum(inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), outer, length, inner, Reverse);
    }

    public override Tensor?[] Gradient(GradientContext g) => [new CumSum(Axis, !Reverse).Apply(g.OutputGradient())];
}

public static partial class TensorOps
{
    /// <summary>Running sum along an axis.</summary>
    public static Tensor CumSum(this Tensor x, int axis) => new CumSum(axis, false).Apply(x);
}
