using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x · value.</summary>
public sealed record MultiplyScalar(float Value) : UnaryOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(Value), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * Value];

    private readonly struct Function(float value) : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => x * TVector.Create(value);
    }
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>x · value, element by element.</summary>
        public static Tensor operator *(Tensor x, float value) => new MultiplyScalar(value).Apply(x);

        /// <summary>value · x, element by element.</summary>
        public static Tensor operator *(float value, Tensor x) => new MultiplyScalar(value).Apply(x);
    }
}
