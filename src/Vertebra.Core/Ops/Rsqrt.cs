using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>1 / √x.</summary>
public sealed record Rsqrt : UnaryOp
{
    public override Saved Saves => Saved.Output0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * (g.Output() * g.Output().Square() * -0.5f)];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Create(1f) / TVector.Sqrt(x);
    }
}

public static partial class TensorOps
{
    /// <summary>1 / √x, element by element.</summary>
    public static Tensor Rsqrt(this Tensor x) => new Rsqrt().Apply(x);
}
