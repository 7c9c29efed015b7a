using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>value - x.</summary>
public sealed record SubtractFromScalar(float Value) : UnaryOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(Value), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [-g.OutputGradient()];

    private readonly struct Function(float value) : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Create(value) - x;
    }
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>value - x, element by element.</summary>
        public static Tensor operator -(float value, Tensor x) => new SubtractFromScalar(value).Apply(x);
    }
}
