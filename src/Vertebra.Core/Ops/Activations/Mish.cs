using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x · tanh(log(1 + e^x)) (Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019).</summary>
public sealed record Mish : ActivationOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved)
    {
        var tanh = saved.Softplus().Tanh();
        return tanh + (saved * saved.Sigmoid() * (1 - tanh.Square()));
    }

    /// <summary>tanh(log(1 + e^x)) and sigmoid(x), by e^-|x| alone so that nothing overflows or cancels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector Tanh, TVector Sigmoid) TanhOfSoftplus<TVector>(TVector x) where TVector : unmanaged, IVector<TVector>
    {
        // With t = e^x it is (t² + 2t) / (t² + 2t + 2); for positive x both are divided by t².
        var (one, two) = (TVector.Create(1f), TVector.Create(2f));
        var e = VectorMath.Exp(TVector.Zero - TVector.Abs(x));
        var isPositive = TVector.GreaterThan(x, TVector.Zero);
        var numerator = TVector.Select(isPositive, TVector.Fma(two, e, one), e * (e + two));
        var rest = TVector.Select(isPositive, two * e * e, two);
        return (numerator / (numerator + rest), TVector.Select(isPositive, one, e) / (one + e));
    }

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            x * TanhOfSoftplus(x).Tanh;
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector x) where TVector : unmanaged, IVector<TVector>
        {
            var (tanh, sigmoid) = TanhOfSoftplus(x);
            return dy * TVector.Fma(x * sigmoid, TVector.Create(1f) - (tanh * tanh), tanh);
        }
    }
}

public static partial class TensorOps
{
    /// <summary>x · tanh(log(1 + e^x)), element by element.</summary>
    public static Tensor Mish(this Tensor x) => new Mish().Apply(x);
}
