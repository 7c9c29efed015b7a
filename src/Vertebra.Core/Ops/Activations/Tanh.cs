using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Hyperbolic tangent. Its gradient reads the result only.</summary>
public sealed record Tanh : ActivationOp
{
    public override Saved Saves => Saved.Output0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved) => 1 - saved.Square();

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            VectorMath.Tanh(x);
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector y) where TVector : unmanaged, IVector<TVector> =>
            dy * (TVector.Create(1f) - (y * y));
    }
}

public static partial class TensorOps
{
    /// <summary>Hyperbolic tangent, element by element.</summary>
    public static Tensor Tanh(this Tensor x) => new Tanh().Apply(x);
}
