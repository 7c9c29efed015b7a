using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>
/// Every <paramref name="Step"/>-th position from <paramref name="Start"/> up to but without <paramref name="End"/> on one axis.
/// Positions follow NumPy: negative ones count from the end, those beyond the axis are clamped to it, and an end before
/// the start gives an empty axis. Any dtype.
/// </summary>
public sealed record Slice(int Axis, int Start, int End, int Step) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        if (Step < 1)
            throw Rules.Broken(this, $"step must be at least 1, got {Step}; reverse with Flip");
        var (axis, _, count) = Resolve(inputs[0].Shape);
        return [new(inputs[0].Shape.With(axis, count), inputs[0].DType)];
    }

    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (axis, start, _) = Resolve(inputs[0].Shape);
        var strides = Layout.Strides(inputs[0].Shape);
        var offset = start * strides[axis];
        strides[axis] *= Step;
        return [Read(inputs[0], 0, offset, strides, outputs[0], 0)];
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (axis, start, _) = Resolve(g.InputSpec(0).Shape);
        return [new Unslice(axis, start, Step, g.InputSpec(0).Shape[axis]).Apply(g.OutputGradient())];
    }

    private (int Axis, int Start, int Count) Resolve(Shape shape)
    {
        var axis = shape.NormalizeAxis(Axis, Name);
        var size = shape[axis];
        var start = Math.Clamp(Start < 0 ? Start + (long)size : Start, 0, size);
        var end = Math.Clamp(End < 0 ? End + (long)size : End, 0, size);
        return (axis, (int)start, end <= start ? 0 : (int)((end - start + Step - 1) / Step));
    }
}

/// <summary>
/// The reverse of <see cref="Slice"/>, and its gradient: the input's positions on <paramref name="Axis"/> go to
/// <paramref name="Start"/>, <paramref name="Start"/> + <paramref name="Step"/>, ... of an axis of <paramref name="Size"/>,
/// and everything else is zero.
/// </summary>
public sealed record Unslice(int Axis, int Start, int Step, int Size) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var axis = inputs[0].Shape.NormalizeAxis(Axis, Name);
        var count = inputs[0].Shape[axis];
        if (Start < 0 || Step < 1 || (count > 0 && Start + ((count - 1L) * Step) >= Size))
            throw Rules.Broken(this, $"{count} positions from {Start} in steps of {Step} do not lie within an axis of size {Size}; input {inputs[0].Shape}");
        return [new(inputs[0].Shape.With(axis, Size), inputs[0].DType)];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var axis = inputs[0].Shape.NormalizeAxis(Axis, Name);
        var strides = Layout.Strides(outputs[0].Shape);
        var offset = Start * strides[axis];
        strides[axis] *= Step;
        outputs[0].Clear();
        Layout.Write(inputs[0], outputs[0], offset, strides);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var count = g.InputSpec(0).Shape[Axis];
        return [g.OutputGradient().Slice(Axis, Start, count == 0 ? Start : Start + ((count - 1) * Step) + 1, Step)];
    }
}

public static partial class TensorOps
{
    /// <summary>
    /// Positions <paramref name="start"/> (with) to <paramref name="end"/> (without) of one axis, in steps; NumPy's rule:
    /// negative positions count from the end, those beyond it are clamped, <see cref="int.MaxValue"/> means to the end.
    /// </summary>
    public static Tensor Slice(this Tensor x, int axis, int start, int end = int.MaxValue, int step = 1) => new Slice(axis, start, end, step).Apply(x);
}
