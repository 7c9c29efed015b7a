using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Mean over axes, NaN over no elements; the axes stay with size 1 if <paramref name="KeepAxes"/>. No axes: over all.</summary>
public sealed record Mean(IntList Axes, bool KeepAxes) : Reduction(Axes, KeepAxes)
{
    private protected override void Compute(Steps steps, Tensor input, Tensor output) =>
        Compute<SumReduction>(steps, input, output, 1.0 / steps.ReducedCount);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var shape = g.InputSpec(0).Shape;
        return [Broadcastable(g.OutputGradient() / ReducedCount(shape), shape).Expand(IntList.Create(shape.Span))];
    }
}

public static partial class TensorOps
{
    /// <summary>Mean over all elements, or over the given axes.</summary>
    public static Tensor Mean(this Tensor x, IntList axes = default, bool keepAxes = false) => new Mean(axes, keepAxes).Apply(x);
}
