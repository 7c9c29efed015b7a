using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Sets to zero each element with probability <paramref name="P"/>
/// (Srivastava et al., 2014, "inverted": the survivors are scaled by 1 / (1 - p), so that evaluation does nothing). Whether one is dropped
/// follows from seed, stream and position: no mask is kept, and the gradient is the same op.
/// </summary>
/// <param name="P">Probability of zero, in [0, 1].</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Stream">Which layer and step this is: another stream, another mask.</param>
public sealed record Dropout(float P, ulong Seed, ulong Stream) : UnaryOp
{
    private float Scale => P < 1 ? 1 / (1 - P) : 0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs) => P is >= 0 and <= 1 ? base.Infer(inputs) : throw Rules.Broken(this, $"the probability must lie in [0, 1], got {P}");

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        DropMasks.Elements(inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), inputs[0].ElementCount, P, Scale, new Philox(Seed, Stream));

    public override Tensor?[] Gradient(GradientContext g) => [new Dropout(P, Seed, Stream).Apply(g.OutputGradient())];
}

public static partial class TensorOps
{
    /// <summary>Drops elements with probability <paramref name="p"/> and scales the others by 1 / (1 - p): for training. See <see cref="Ops.Dropout"/>.</summary>
    public static Tensor Dropout(this Tensor x, float p, ulong seed, ulong stream) => p == 0 ? x : new Dropout(p, seed, stream).Apply(x);
}
