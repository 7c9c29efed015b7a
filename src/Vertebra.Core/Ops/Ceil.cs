using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>The smallest integer that is not below x. Its gradient is zero everywhere.</summary>
public sealed record Ceil : UnaryOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [null];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
        {
            var near = TVector.Round(x);
            return TVector.Select(TVector.GreaterThan(x, near), near + TVector.Create(1f), near);
        }
    }
}

public static partial class TensorOps
{
    /// <summary>Each element rounded up to an integer.</summary>
    public static Tensor Ceil(this Tensor x) => new Ceil().Apply(x);
}
