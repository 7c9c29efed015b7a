using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Sum over axes; the summed axes stay with size 1 if <paramref name="KeepAxes"/>. No axes: over all.</summary>
public sealed record Sum(IntList Axes, bool KeepAxes) : Reduction(Axes, KeepAxes)
{
    private protected override void Compute(Steps steps, Tensor input, Tensor output) => Compute<SumReduction>(steps, input, output);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var shape = g.InputSpec(0).Shape;
        return [Broadcastable(g.OutputGradient(), shape).Expand(IntList.Create(shape.Span))];
    }
}

public static partial class TensorOps
{
    /// <summary>Sum over all elements, or over the given axes; the error does not grow with their number.</summary>
    public static Tensor Sum(this Tensor x, IntList axes = default, bool keepAxes = false) => new Sum(axes, keepAxes).Apply(x);

    /// <summary>The gradient of broadcasting: sums the axes that were broadcast, so that the result has <paramref name="shape"/>.</summary>
    internal static Tensor SumTo(this Tensor x, Shape shape)
    {
        if (x.Shape == shape)
            return x;
        var axes = new List<int>();
        var lead = x.Rank - shape.Rank;
        for (var axis = 0; axis < x.Rank; axis++)
        {
            if (axis < lead || (shape[axis - lead] == 1 && x.Shape[axis] != 1))
                axes.Add(axis);
        }
        return (axes.Count == 0 ? x : x.Sum(axes.ToArray(), keepAxes: true)).Reshape(shape);
    }
}
