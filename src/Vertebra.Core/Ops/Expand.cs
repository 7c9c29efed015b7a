using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>Repeats axes of size 1, and adds axes in front, to reach a shape; -1 keeps an axis as it is. Any dtype.</summary>
public sealed record Expand(IntList Target) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        var lead = Target.Count - shape.Rank;
        if (lead < 0)
            throw Rules.Broken(this, $"shape {shape} has more axes than the target {Target}");
        var sizes = Target.Span.ToArray();
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            if (sizes[axis] == -1 && axis >= lead)
                sizes[axis] = shape[axis - lead];
            var fits = sizes[axis] >= 0 && (axis < lead || shape[axis - lead] == 1 || shape[axis - lead] == sizes[axis]);
            if (!fits)
                throw Rules.Broken(this, $"shape {shape} does not expand to {Target}: only axes of size 1 are repeated, and -1 keeps an axis that is there");
        }
        return [new(sizes, inputs[0].DType)];
    }

    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var shape = inputs[0].Shape;
        var own = Layout.Strides(shape);
        var strides = new long[outputs[0].Rank];
        var lead = strides.Length - own.Length;
        for (var axis = lead; axis < strides.Length; axis++)
            strides[axis] = shape[axis - lead] == 1 ? 0 : own[axis - lead];
        return [Read(inputs[0], 0, 0, strides, outputs[0], 0)];
    }

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient().SumTo(g.InputSpec(0).Shape)];
}

public static partial class TensorOps
{
    /// <summary>Repeats axes of size 1, and adds axes in front, to reach <paramref name="shape"/>; -1 keeps an axis.</summary>
    public static Tensor Expand(this Tensor x, IntList shape) => new Expand(shape).Apply(x);
}
