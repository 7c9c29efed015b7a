using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x².</summary>
public sealed record Square : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * g.Input(0) * 2];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => x * x;
    }
}

public static partial class TensorOps
{
    /// <summary>x², element by element.</summary>
    public static Tensor Square(this Tensor x) => new Square().Apply(x);
}
