using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Sets to zero each sample (index of axis 0) as a whole with probability <paramref name="P"/>
/// (Huang et al., "Deep Networks with Stochastic Depth", 2016; the survivors are scaled by 1 / (1 - p)). Whether one is dropped
/// follows from seed, stream and position: no mask is kept, and the gradient is the same op.
/// </summary>
/// <param name="P">Probability of zero, in [0, 1].</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Stream">Which layer and step this is: another stream, another mask.</param>
public sealed record DropPath(float P, ulong Seed, ulong Stream) : UnaryOp
{
    private float Scale => P < 1 ? 1 / (1 - P) : 0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        var specs = base.Infer(inputs);
        if (P is not (>= 0 and <= 1))
            throw Rules.Broken(this, $"the probability must lie in [0, 1], got {P}");
        return specs[0].Shape.Rank > 0 ? specs : throw Rules.Broken(this, "a scalar has no samples to drop; axis 0 must be the batch");
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var shape = inputs[0].Shape;
        DropMasks.Samples(inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), shape[0], shape.CountBetween(1, shape.Rank), P, Scale, new Philox(Seed, Stream));
    }

    public override Tensor?[] Gradient(GradientContext g) => [new DropPath(P, Seed, Stream).Apply(g.OutputGradient())];
}

public static partial class TensorOps
{
    /// <summary>Drops samples with probability <paramref name="p"/> and scales the others by 1 / (1 - p): for training. See <see cref="Ops.DropPath"/>.</summary>
    public static Tensor DropPath(this Tensor x, float p, ulong seed, ulong stream) => p == 0 ? x : new DropPath(p, seed, stream).Apply(x);
}
