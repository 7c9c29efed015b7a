using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x · sigmoid(x), also called swish (Elfwing, Uchibe, Doya, 2017).</summary>
public sealed record Silu : ActivationOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved)
    {
        var s = saved.Sigmoid();
        return s + (saved * s * (1 - s));
    }

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            VectorMath.Silu(x);
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector x) where TVector : unmanaged, IVector<TVector>
        {
            var s = VectorMath.Sigmoid(x);
            return dy * TVector.Fma(x * s, TVector.Create(1f) - s, s);
        }
    }
}

public static partial class TensorOps
{
    /// <summary>x · sigmoid(x), element by element.</summary>
    public static Tensor Silu(this Tensor x) => new Silu().Apply(x);
}
