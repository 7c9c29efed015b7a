using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>a to the power of b, element by element, with NumPy's broadcasting, computed in float64; NaN for negative a and fractional b.</summary>
public sealed record Power : BinaryOp
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Output0;

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        BroadcastScalars.Run<Function>(inputs[0].Pointer<float>(), inputs[0].Shape.Span, inputs[1].Pointer<float>(), inputs[1].Shape.Span,
            outputs[0].Pointer<float>(), outputs[0].Shape.Span);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (dy, a, b) = (g.OutputGradient(), g.Input(0), g.Input(1));
        return
        [
            g.Needs(0) ? (dy * b * a.Power(b - 1)).SumTo(a.Shape) : null,
            // 0 to a power that is not negative stays 0, and its logarithm must not make that NaN.
            g.Needs(1) ? a.EqualTo(0).Where(0, dy * g.Output() * a.Log()).SumTo(b.Shape) : null,
        ];
    }

    private readonly struct Function : IBinaryScalarOperator
    {
        public static double Invoke(double a, double b) => Math.Pow(a, b);
    }
}

public static partial class TensorOps
{
    /// <summary>a to the power of b, element by element, broadcast.</summary>
    public static Tensor Power(this Tensor a, Tensor b) => new Power().Apply(a, b);
}
