using System.Runtime.CompilerServices;
using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x where it is positive, weight · x elsewhere; the weight is one number [1] or one per channel [C] of x [..., C] (He et al., "Delving Deep into Rectifiers", 2015).</summary>
public sealed record Prelu : BinaryOp
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        var (shape, weight) = (inputs[0].Shape, inputs[1].Shape);
        var fits = weight.Rank == 1 && shape.Rank > 0 && (weight[0] == 1 || weight[0] == shape[-1]);
        return fits ? [inputs[0]] : throw Rules.Broken(this, $"the weight must have shape [1] or [C] for x [..., C], got {weight} for x {shape}");
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute(new Function(), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (dy, x, weight) = (g.OutputGradient(), g.Input(0), g.Input(1));
        return
        [
            g.Needs(0) ? x.Greater(0).Where(dy, dy * weight) : null,
            g.Needs(1) ? (dy * x.Clamp(max: 0)).SumTo(weight.Shape) : null,
        ];
    }

    private readonly struct Function : IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector x, TVector weight) where TVector : unmanaged, IVector<TVector> =>
            TVector.Select(TVector.GreaterThan(x, TVector.Zero), x, x * weight);
    }
}

public static partial class TensorOps
{
    /// <summary>x where it is positive, weight · x elsewhere; the weight is [1] or, per channel of the last axis, [C].</summary>
    public static Tensor Prelu(this Tensor x, Tensor weight) => new Prelu().Apply(x, weight);
}
