using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Error function.</summary>
public sealed record Erf : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * (-g.Input(0).Square()).Exp() * 1.12837917f];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Erf(x);
    }
}

public static partial class TensorOps
{
    /// <summary>Error function, element by element.</summary>
    public static Tensor Erf(this Tensor x) => new Erf().Apply(x);
}
