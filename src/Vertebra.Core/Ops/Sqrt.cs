using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Square root; NaN below 0.</summary>
public sealed record Sqrt : UnaryOp
{
    public override Saved Saves => Saved.Output0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() / (g.Output() * 2)];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Sqrt(x);
    }
}

public static partial class TensorOps
{
    /// <summary>Square root, element by element.</summary>
    public static Tensor Sqrt(this Tensor x) => new Sqrt().Apply(x);
}
