using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Sine, computed in float64 so that large angles stay exact.</summary>
public sealed record Sin : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeScalar(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * g.Input(0).Cos()];

    private readonly struct Function : IScalarOperator
    {
        public double Invoke(double x) => Math.Sin(x);
    }
}

public static partial class TensorOps
{
    /// <summary>Sine, element by element.</summary>
    public static Tensor Sin(this Tensor x) => new Sin().Apply(x);
}
