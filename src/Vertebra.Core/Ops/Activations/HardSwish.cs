using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x · min(max(x + 3, 0), 6) / 6 (Howard et al., "Searching for MobileNetV3", 2019).</summary>
public sealed record HardSwish : ActivationOp
{
    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved)
    {
        var slope = saved.Greater(3).Where(1, (saved / 3) + 0.5f);
        return saved.Less(-3).Where(0, slope);
    }

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            x * TVector.AtMost(TVector.Create(6f), TVector.AtLeast(TVector.Zero, x + TVector.Create(3f))) / TVector.Create(6f);
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector x) where TVector : unmanaged, IVector<TVector>
        {
            var (low, high) = (TVector.Create(-3f), TVector.Create(3f));
            var middle = TVector.Fma(x, TVector.Create(1 / 3f), TVector.Create(0.5f));
            var slope = TVector.Select(TVector.GreaterThan(x, high), TVector.Create(1f), middle);
            return dy * TVector.Select(TVector.GreaterThan(low, x), TVector.Zero, slope);
        }
    }
}

public static partial class TensorOps
{
    /// <summary>x · min(max(x + 3, 0), 6) / 6, element by element.</summary>
    public static Tensor HardSwish(this Tensor x) => new HardSwish().Apply(x);
}
