using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Cosine, computed in float64 so that large angles stay exact.</summary>
public sealed record Cos : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeScalar(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [-(g.OutputGradient() * g.Input(0).Sin())];

    private readonly struct Function : IScalarOperator
    {
        public double Invoke(double x) => Math.Cos(x);
    }
}

public static partial class TensorOps
{
    /// <summary>Cosine, element by element.</summary>
    public static Tensor Cos(this Tensor x) => new Cos().Apply(x);
}
