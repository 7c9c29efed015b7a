using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>|x|. Its gradient is 0 at 0.</summary>
public sealed record Abs : UnaryOp
{
    public override Saved Saves => Saved.Input0;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient() * g.Input(0).Sign()];

    private readonly struct Function : IUnaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x) where TVector : unmanaged, IVector<TVector> => TVector.Abs(x);
    }
}

public static partial class TensorOps
{
    /// <summary>|x|, element by element.</summary>
    public static Tensor Abs(this Tensor x) => new Abs().Apply(x);
}
