using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x where it is positive, <paramref name="NegativeSlope"/> · x elsewhere.</summary>
/// <param name="NegativeSlope">The slope for negative x; at 0 the gradient is this too.</param>
public sealed record LeakyRelu(float NegativeSlope) : ActivationOp
{
    public override Saved Saves => NegativeSlope >= 0 ? Saved.Output0 : Saved.Input0; // only then has the result the sign of the operand;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(NegativeSlope), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(NegativeSlope), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(NegativeSlope), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved) => saved.Greater(0).Where(Tensor.Scalar(1), NegativeSlope);

    private readonly struct Function(float slope) : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            TVector.Select(TVector.GreaterThan(x, TVector.Zero), x, x * TVector.Create(slope));
    }

    private readonly struct Derivative(float slope) : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector saved) where TVector : unmanaged, IVector<TVector> =>
            TVector.Select(TVector.GreaterThan(saved, TVector.Zero), dy, dy * TVector.Create(slope));
    }
}

public static partial class TensorOps
{
    /// <summary>x where it is positive, slope · x elsewhere.</summary>
    public static Tensor LeakyRelu(this Tensor x, float slope = 0.01f) => new LeakyRelu(slope).Apply(x);
}
