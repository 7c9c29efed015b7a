using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Largest element over axes, NaN if there is one; the axes stay with size 1 if <paramref name="KeepAxes"/>. No axes: over all.</summary>
/// <remarks>Where several elements are largest, each gets an equal share of the gradient.</remarks>
public sealed record Max(IntList Axes, bool KeepAxes) : Reduction(Axes, KeepAxes)
{
    public override Saved Saves => Saved.Input0 | Saved.Output0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        var specs = base.Infer(inputs);
        return ReducedCount(inputs[0].Shape) > 0 ? specs : throw Rules.Broken(this, $"there is no largest of no elements: shape {inputs[0].Shape} over axes {Axes}");
    }

    private protected override void Compute(Steps steps, Tensor input, Tensor output) => Compute<MaxReduction>(steps, input, output);

    public override Tensor?[] Gradient(GradientContext g) => [ShareAmongTies(g)];
}

public static partial class TensorOps
{
    /// <summary>Largest of all elements, or over the given axes.</summary>
    public static Tensor Max(this Tensor x, IntList axes = default, bool keepAxes = false) => new Max(axes, keepAxes).Apply(x);
}
