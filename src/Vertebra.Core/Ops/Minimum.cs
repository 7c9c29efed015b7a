using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>The smaller of a and b, NaN if one is. Where they are equal, each gets half of the gradient.</summary>
public sealed record Minimum : BinaryOp
{
    public override bool IsCommutative => true;

    public override Saved Saves => Saved.Input0 | Saved.Input1;

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (a, b) = (g.Input(0), g.Input(1));
        var half = a.EqualTo(b).To(DType.Float32) * 0.5f;
        return
        [
            g.Needs(0) ? (g.OutputGradient() * (a.Less(b).To(DType.Float32) + half)).SumTo(a.Shape) : null,
            g.Needs(1) ? (g.OutputGradient() * (b.Less(a).To(DType.Float32) + half)).SumTo(b.Shape) : null,
        ];
    }

    private readonly struct Function : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => TVector.Min(a, b);
    }
}

public static partial class TensorOps
{
    /// <summary>The smaller of a and b, element by element, broadcast.</summary>
    public static Tensor Minimum(this Tensor a, Tensor b) => new Minimum().Apply(a, b);
}
