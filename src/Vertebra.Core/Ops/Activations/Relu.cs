using System.Runtime.CompilerServices;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>max(x, 0). Its gradient reads the result only, and is 0 at 0.</summary>
public sealed record Relu : ActivationOp
{
    public override Saved Saves => Saved.Output0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    internal override unsafe void Apply(float* line, long count) => Kernels.Elementwise.Line(new Function(), line, line, count);

    internal override void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ComputeGradient(new Derivative(), inputs, outputs);

    protected internal override Tensor Slope(Tensor saved) => saved.Greater(0).To(DType.Float32);

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.AtLeast(TVector.Zero, x);
    }

    private readonly struct Derivative : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector dy, TVector y) where TVector : unmanaged, IVector<TVector> => dy & TVector.GreaterThan(y, TVector.Zero);
    }
}

public static partial class TensorOps
{
    /// <summary>max(x, 0), element by element.</summary>
    public static Tensor Relu(this Tensor x) => new Relu().Apply(x);
}
