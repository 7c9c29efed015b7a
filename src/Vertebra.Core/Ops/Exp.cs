using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>e^x.</summary>
public sealed record Exp : UnaryOp
{
    public override Saved Saves => Saved.Output0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * g.Output()];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Exp(x);
    }
}

public static partial class TensorOps
{
    /// <summary>e^x, element by element.</summary>
    public static Tensor Exp(this Tensor x) => new Exp().Apply(x);
}
