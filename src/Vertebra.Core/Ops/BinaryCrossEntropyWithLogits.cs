using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>-t · log σ(x) - (1 - t) · log(1 - σ(x)) of logits x and targets t in [0, 1] of the same shape, element by element, without overflow or cancellation.</summary>
public sealed record BinaryCrossEntropyWithLogits : BinaryOp
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        Rules.HasShape(this, inputs[1], inputs[0].Shape, $"the targets of logits {inputs[0].Shape}");
        return [inputs[0]];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) =>
    [
        g.Needs(0) ? g.OutputGradient() * (g.Input(0).Sigmoid() - g.Input(1)) : null,
        g.Needs(1) ? -(g.OutputGradient() * g.Input(0)) : null,
    ];

    private readonly struct Function : IBinaryOperator
    {
        // The linear part first: it is exactly 0 for a sure and right logit, and the small rest then keeps its digits.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x, TVector t) where TVector : unmanaged, IVector<TVector> =>
            TVector.AtLeast(TVector.Zero, x) - (x * t) + VectorMath.LogOnePlus(VectorMath.Exp(TVector.Zero - TVector.Abs(x)));
    }
}

public static partial class TensorOps
{
    /// <summary>Binary cross-entropy of logits with targets in [0, 1] of the same shape: the mean over all elements. See <see cref="Ops.BinaryCrossEntropyWithLogits"/>.</summary>
    public static Tensor BinaryCrossEntropyWithLogits(this Tensor logits, Tensor targets, LossReduction reduction = LossReduction.Mean)
    {
        var losses = new BinaryCrossEntropyWithLogits().Apply(logits, targets);
        return reduction switch
        {
            LossReduction.None => losses,
            LossReduction.Sum => losses.Sum(),
            _ => losses.Mean(),
        };
    }
}
