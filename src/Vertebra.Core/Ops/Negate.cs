using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>-x.</summary>
public sealed record Negate : UnaryOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [-g.OutputGradient()];

    private readonly struct Function : IUnaryOperator
    {
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => x ^ TVector.Create(-0f);
    }
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>-x, element by element.</summary>
        public static Tensor operator -(Tensor x) => new Negate().Apply(x);
    }
}
