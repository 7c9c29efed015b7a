using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Smallest element over axes, NaN if there is one; the axes stay with size 1 if <paramref name="KeepAxes"/>. No axes: over all.</summary>
/// <remarks>Where several elements are smallest, each gets an equal share of the gradient.</remarks>
public sealed record Min(IntList Axes, bool KeepAxes) : Reduction(Axes, KeepAxes)
{
    public override Saved Saves => Saved.Input0 | Saved.Output0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        var specs = base.Infer(inputs);
        return ReducedCount(inputs[0].Shape) > 0 ? specs : throw Rules.Broken(this, $"there is no smallest of no elements: shape {inputs[0].Shape} over axes {Axes}");
    }

    private protected override void Compute(Steps steps, Tensor input, Tensor output) => Compute<MinReduction>(steps, input, output);

    public override Tensor?[] Gradient(GradientContext g) => [ShareAmongTies(g)];
}

public static partial class TensorOps
{
    /// <summary>Smallest of all elements, or over the given axes.</summary>
    public static Tensor Min(this Tensor x, IntList axes = default, bool keepAxes = false) => new Min(axes, keepAxes).Apply(x);
}
