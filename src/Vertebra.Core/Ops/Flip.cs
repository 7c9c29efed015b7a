using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>The named axes in reverse order. Any dtype.</summary>
public sealed record Flip(IntList Axes) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.DistinctAxes(this, Axes, inputs[0].Shape);
        return [inputs[0]];
    }

    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var shape = inputs[0].Shape;
        if (shape.ElementCount == 0)
            return [];
        var strides = Layout.Strides(shape);
        long offset = 0;
        foreach (var axis in Axes)
        {
            var flipped = shape.NormalizeAxis(axis, Name);
            offset += (shape[flipped] - 1) * strides[flipped];
            strides[flipped] = -strides[flipped];
        }
        return [Read(inputs[0], 0, offset, strides, outputs[0], 0)];
    }

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient().Flip(Axes)];
}

public static partial class TensorOps
{
    /// <summary>The named axes in reverse order.</summary>
    public static Tensor Flip(this Tensor x, params IntList axes) => new Flip(axes).Apply(x);
}
