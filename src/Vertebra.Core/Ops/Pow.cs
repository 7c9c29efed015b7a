using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x to the power of a number, computed in float64.</summary>
public sealed record Pow(float Exponent) : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeScalar(new Function(Exponent), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [Exponent == 0 ? null : g.OutputGradient() * g.Input(0).Pow(Exponent - 1) * Exponent];

    private readonly struct Function(double exponent) : IScalarOperator
    {
        public double Invoke(double x) => Math.Pow(x, exponent);
    }
}

public static partial class TensorOps
{
    /// <summary>x to the power of a number, element by element.</summary>
    public static Tensor Pow(this Tensor x, float exponent) => new Pow(exponent).Apply(x);
}
