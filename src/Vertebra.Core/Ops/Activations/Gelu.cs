using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x times the part of the standard normal distribution below x (Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016).</summary>
public sealed record Gelu : ActivationOp
{
    private const float DensityFactor = 0.398942280f; // 1 / √(2π)

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved)
    {
        var below = ((saved * 0.707106781f).Erf() + 1) * 0.5f;
        return below + (saved * (saved.Square() * -0.5f).Exp() * DensityFactor);
    }

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            x * VectorMath.Normal(x).Below;
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector x) where TVector : unmanaged, IVector<TVector>
        {
            var (below, density) = VectorMath.Normal(x);
            return dy * TVector.Fma(x * density, TVector.Create(DensityFactor), below);
        }
    }
}

/// <summary>The tanh approximation of <see cref="Gelu"/>: x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).</summary>
public sealed record GeluTanh : ActivationOp
{
    private const float Factor = 1.59576912f; // 2 · √(2/π): (1 + tanh(u)) / 2 is sigmoid(2u), which keeps small results exact
    private const float Cubic = 0.044715f;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved)
    {
        var square = saved.Square();
        var s = (saved * ((square * (Factor * Cubic)) + Factor)).Sigmoid();
        return s + (saved * s * (1 - s) * ((square * (3 * Factor * Cubic)) + Factor));
    }

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            x * VectorMath.Sigmoid(x * TVector.Fma(x * x, TVector.Create(Factor * Cubic), TVector.Create(Factor)));
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector x) where TVector : unmanaged, IVector<TVector>
        {
            // Beyond ±20 the slope is 0 or 1 to the last bit, and x² may overflow.
            var near = TVector.AtMost(TVector.Create(20f), TVector.AtLeast(TVector.Create(-20f), x));
            var square = near * near;
            var s = VectorMath.Sigmoid(near * TVector.Fma(square, TVector.Create(Factor * Cubic), TVector.Create(Factor)));
            var inner = TVector.Fma(square, TVector.Create(3 * Factor * Cubic), TVector.Create(Factor));
            return dy * TVector.Fma(near * s * (TVector.Create(1f) - s), inner, s);
        }
    }
}

public static partial class TensorOps
{
    /// <summary>Gaussian error linear unit, exact or by its tanh approximation.</summary>
    public static Tensor Gelu(this Tensor x, bool approximate = false) => (approximate ? new GeluTanh() : (Op)new Gelu()).Apply(x);
}
