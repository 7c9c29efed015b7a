using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Elements moved along axes, those that leave at one end coming back at the other: output[i + shift] = input[i], modulo the axis; any
/// dtype. As <c>torch.roll</c>.
/// </summary>
/// <param name="Shifts">For each of the axes how far, negative towards the start.</param>
/// <param name="Axes">Axes, each once.</param>
public sealed record Roll(IntList Shifts, IntList Axes) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        if (Shifts.Count != Axes.Count)
            throw Rules.Broken(this, $"{Shifts.Count} shifts for {Axes.Count} axes");
        Rules.DistinctAxes(this, Axes, inputs[0].Shape);
        return [inputs[0]];
    }

    // Along each axis there are two pieces that stay whole; a block is one of them along every axis.
    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var shape = inputs[0].Shape;
        if (shape.ElementCount == 0)
            return [];
        var strides = Layout.Strides(shape);
        var blocks = new List<Block> { new(0, 0, shape.Span.ToArray()) };
        for (var i = 0; i < Axes.Count; i++)
        {
            var axis = shape.NormalizeAxis(Axes[i], Name);
            var back = ((Shifts[i] % shape[axis]) + shape[axis]) % shape[axis];
            if (back > 0)
                blocks = [.. blocks.SelectMany(b => b.Cut(axis, shape[axis] - back, strides[axis]))];
        }
        var size = inputs[0].DType.Size();
        return [.. blocks.Select(b => new ElementCopy(0, 0, b.From * size, b.To * size, new StridedCopy(strides, strides, b.Sizes, size)))];
    }

    public override Tensor?[] Gradient(GradientContext g) => [g.OutputGradient().Roll(Array.ConvertAll(Shifts.Span.ToArray(), s => -s), Axes)];

    private sealed record Block(long From, long To, int[] Sizes)
    {
        /// <summary>The first <paramref name="front"/> positions of an axis go to its end, the others to its start.</summary>
        public Block[] Cut(int axis, int front, long stride)
        {
            var behind = Sizes[axis] - front;
            return
            [
                new(From, To + (behind * stride), Resized(axis, front)),
                new(From + (front * stride), To, Resized(axis, behind)),
            ];
        }

        private int[] Resized(int axis, int size)
        {
            var sizes = (int[])Sizes.Clone();
            sizes[axis] = size;
            return sizes;
        }
    }
}

public static partial class TensorOps
{
    /// <summary>Elements moved along axes, those that leave at one end coming back at the other.</summary>
    /// <param name="x">Any tensor.</param>
    /// <param name="shifts">For each axis how far, negative towards the start.</param>
    /// <param name="axes">The axes, each once.</param>
    public static Tensor Roll(this Tensor x, IntList shifts, IntList axes) => new Roll(shifts, axes).Apply(x);
}
