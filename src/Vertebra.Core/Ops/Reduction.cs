using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>A reduction over axes; the reduced axes stay with size 1 if <paramref name="KeepAxes"/>. No axes: over all.</summary>
public abstract record Reduction(IntList Axes, bool KeepAxes) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        return [new(Reduced(inputs[0].Shape, KeepAxes), DType.Float32)];
    }

    /// <summary>The shape without the reduced axes, or with them at size 1.</summary>
    /// <exception cref="ShapeException">An axis does not exist or stands there twice.</exception>
    private protected Shape Reduced(Shape shape, bool keepAxes)
    {
        var reduced = ReducedAxes(shape);
        var sizes = new List<int>(shape.Rank);
        for (var axis = 0; axis < shape.Rank; axis++)
        {
            if (!reduced[axis] || keepAxes)
                sizes.Add(reduced[axis] ? 1 : shape[axis]);
        }
        return sizes.ToArray();
    }

    /// <summary>How many elements become one.</summary>
    private protected long ReducedCount(Shape shape)
    {
        var reduced = ReducedAxes(shape);
        long count = 1;
        for (var axis = 0; axis < shape.Rank; axis++)
            count *= reduced[axis] ? shape[axis] : 1;
        return count;
    }

    /// <summary>An output gradient (or output) as it broadcasts against the input.</summary>
    private protected Tensor Broadcastable(Tensor reduced, Shape input) => reduced.Reshape(Reduced(input, keepAxes: true));

    /// <summary>The gradient of a largest or smallest element: equal shares for all that are equal to it.</summary>
    private protected Tensor ShareAmongTies(GradientContext g)
    {
        var x = g.Input(0);
        var isExtreme = x.EqualTo(Broadcastable(g.Output(), x.Shape)).To(DType.Float32);
        return isExtreme * (Broadcastable(g.OutputGradient(), x.Shape) / isExtreme.Sum(Axes, keepAxes: true));
    }

    /// <summary>
    /// One block of neighbouring axes is reduced after another, the last one first: most reductions have one block, and
    /// [outer, reduced, inner] is what the kernel takes.
    /// </summary>
    private protected sealed record Steps((long Outer, long Reduced, long Inner)[] Blocks, long ReducedCount);

    internal sealed override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var blocks = Blocks(inputs[0].Shape);
        var steps = new List<(long, long, long)>();
        while (blocks.FindLastIndex(b => b.IsReduced) is >= 0 and var last)
        {
            steps.Add((CountOf(blocks[..last]), blocks[last].Size, CountOf(blocks[(last + 1)..])));
            blocks.RemoveAt(last);
        }
        return new Steps([.. steps], ReducedCount(inputs[0].Shape));
    }

    internal sealed override void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Compute((Steps)prepared!, inputs[0], outputs[0]);

    protected internal sealed override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    private protected abstract void Compute(Steps steps, Tensor input, Tensor output);

    private protected static unsafe void Compute<TReduction>(Steps steps, Tensor input, Tensor output, double scale = 1) where TReduction : struct, IReduction
    {
        var source = input.Pointer<float>();
        var (outer, reduced, inner) = steps.Blocks[0];
        if (steps.Blocks.Length == 1)
        {
            Reductions.Run<TReduction>(source, outer, reduced, inner, output.Pointer<float>(), scale);
            return;
        }
        // What lies between two steps: written by one, read by the next.
        var between = outer * inner;
        using var scratch = Scratch.Take(2 * between);
        for (var i = 0; i < steps.Blocks.Length; i++)
        {
            (outer, reduced, inner) = steps.Blocks[i];
            var isLast = i == steps.Blocks.Length - 1;
            var target = isLast ? output.Pointer<float>() : scratch.Pointer + (i % 2 * between);
            Reductions.Run<TReduction>(source, outer, reduced, inner, target, isLast ? scale : 1);
            source = target;
        }
    }

    private static long CountOf(List<(long Size, bool IsReduced)> blocks) => blocks.Aggregate(1L, (count, block) => count * block.Size);

    /// <summary>The axes, neighbours of one kind merged.</summary>
    private List<(long Size, bool IsReduced)> Blocks(Shape shape)
    {
        var reduced = ReducedAxes(shape);
        var blocks = new List<(long Size, bool IsReduced)>();
        for (var axis = 0; axis < shape.Rank; axis++)
        {
            if (shape[axis] == 1)
                continue;
            if (blocks.Count > 0 && blocks[^1].IsReduced == reduced[axis])
                blocks[^1] = (blocks[^1].Size * shape[axis], reduced[axis]);
            else
                blocks.Add((shape[axis], reduced[axis]));
        }
        if (!blocks.Any(b => b.IsReduced))
            blocks.Add((1, true)); // nothing but axes of size 1: a reduction of each element by itself
        return blocks;
    }

    private bool[] ReducedAxes(Shape shape)
    {
        var reduced = new bool[shape.Rank];
        foreach (var axis in Axes)
        {
            var normal = shape.NormalizeAxis(axis, Name);
            if (reduced[normal])
                throw Rules.Broken(this, $"axis {axis} of shape {shape} stands twice in {Axes}");
            reduced[normal] = true;
        }
        if (Axes.Count == 0)
            Array.Fill(reduced, true);
        return reduced;
    }
}
