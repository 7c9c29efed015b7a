using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>The integer nearest to x, ties to even. Its gradient is zero everywhere.</summary>
public sealed record Round : UnaryOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [null];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Round(x);
    }
}

public static partial class TensorOps
{
    /// <summary>Each element rounded to the nearest integer, ties to even.</summary>
    public static Tensor Round(this Tensor x) => new Round().Apply(x);
}
