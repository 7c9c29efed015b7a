using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x where it is positive, <paramref name="Alpha"/> · (e^x - 1) elsewhere (Clevert, Unterthiner, Hochreiter, 2015). Its gradient reads the result only.</summary>
/// <param name="Alpha">At least 0.</param>
public sealed record Elu(float Alpha) : ActivationOp
{
    public override Saved Saves => Saved.Output0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs) =>
        Alpha >= 0 ? base.Infer(inputs) : throw Rules.Broken(this, $"alpha must be at least 0, got {Alpha}");

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(Alpha), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(Alpha), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(Alpha), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved) => saved.Greater(0).Where(1, saved + Alpha);

    private readonly struct Function(float alpha) : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            TVector.Select(TVector.GreaterThan(x, TVector.Zero), x, TVector.Create(alpha) * VectorMath.ExpMinusOne(TVector.AtMost(TVector.Zero, x)));
    }

    private readonly struct Derivative(float alpha) : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector y) where TVector : unmanaged, IVector<TVector> =>
            TVector.Select(TVector.GreaterThan(y, TVector.Zero), dy, dy * (y + TVector.Create(alpha)));
    }
}

public static partial class TensorOps
{
    /// <summary>x where it is positive, alpha · (e^x - 1) elsewhere.</summary>
    public static Tensor Elu(this Tensor x, float alpha = 1) => new Elu(alpha).Apply(x);
}
