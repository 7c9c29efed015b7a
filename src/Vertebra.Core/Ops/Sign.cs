using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>-1, 0 or 1, and NaN for NaN. Its gradient is zero everywhere.</summary>
public sealed record Sign : UnaryOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [null];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Select(TVector.GreaterThan(TVector.Abs(x), TVector.Zero), TVector.Create(1f) | (x & TVector.Create(-0f)), x);
    }
}

public static partial class TensorOps
{
    /// <summary>-1, 0 or 1 by the sign of each element.</summary>
    public static Tensor Sign(this Tensor x) => new Sign().Apply(x);
}
