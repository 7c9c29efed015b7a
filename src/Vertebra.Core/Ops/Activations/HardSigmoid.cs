using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>min(max(x + 3, 0), 6) / 6. Its gradient reads the result only, and is 0 where that is 0 or 1.</summary>
public sealed record HardSigmoid : ActivationOp
{
    public override Saved Saves => Saved.Output0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved) => saved.Greater(0).LogicalAnd(saved.Less(1)).To(DType.Float32) / 6;

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> =>
            TVector.AtMost(TVector.Create(6f), TVector.AtLeast(TVector.Zero, x + TVector.Create(3f))) / TVector.Create(6f);
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector y) where TVector : unmanaged, IVector<TVector> =>
            (dy / TVector.Create(6f)) & TVector.GreaterThan(y, TVector.Zero) & TVector.GreaterThan(TVector.Create(1f), y);
    }
}

public static partial class TensorOps
{
    /// <summary>min(max(x + 3, 0), 6) / 6, element by element.</summary>
    public static Tensor HardSigmoid(this Tensor x) => new HardSigmoid().Apply(x);
}
