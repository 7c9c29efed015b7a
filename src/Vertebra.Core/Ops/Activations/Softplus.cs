using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>log(1 + e^x).</summary>
public sealed record Softplus : ActivationOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved) => saved.Sigmoid();

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            VectorMath.Softplus(x);
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector x) where TVector : unmanaged, IVector<TVector> =>
            dy * VectorMath.Sigmoid(x);
    }
}

public static partial class TensorOps
{
    /// <summary>log(1 + e^x), element by element.</summary>
    public static Tensor Softplus(this Tensor x) => new Softplus().Apply(x);
}
