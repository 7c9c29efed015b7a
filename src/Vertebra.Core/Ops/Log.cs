using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Natural logarithm; -∞ at 0, NaN below.</summary>
public sealed record Log : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() / g.Input(0)];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => VectorMath.Log(x);
    }
}

public static partial class TensorOps
{
    /// <summary>Natural logarithm, element by element.</summary>
    public static Tensor Log(this Tensor x) => new Log().Apply(x);
}
