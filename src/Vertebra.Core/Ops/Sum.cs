using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>Sum over axes; the summed axes stay with size 1 if <paramref name="KeepAxes"/>. No axes: over all.</summary>
public sealed record Sum(IntList Axes, bool KeepAxes) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        return [new(Reduced(inputs[0].Shape, KeepAxes), DType.Float32)];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var source = inputs[0].AsSpan<float>();
        var target = outputs[0].AsSpan<float>();
        var shape = inputs[0].Shape;
        var kept = Reduced(shape, keepAxes: true);
        var sums = new double[target.Length];
        Span<int> index = stackalloc int[shape.Rank];
        foreach (var value in source)
        {
            var position = 0;
            for (var axis = 0; axis < shape.Rank; axis++)
                position = (position * kept[axis]) + (kept[axis] == 1 ? 0 : index[axis]);
            sums[position] += value;
            for (var axis = shape.Rank - 1; axis >= 0 && ++index[axis] == shape[axis]; axis--)
                index[axis] = 0;
        }
        for (var i = 0; i < sums.Length; i++)
            target[i] = (float)sums[i];
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var shape = g.InputSpec(0).Shape;
        return [g.OutputGradient().Reshape(Reduced(shape, keepAxes: true)) * Tensor.Ones(shape)];
    }

    private Shape Reduced(Shape shape, bool keepAxes)
    {
        var summed = new bool[shape.Rank];
        foreach (var axis in Axes)
            summed[shape.NormalizeAxis(axis, Name)] = true;
        var sizes = new List<int>();
        for (var axis = 0; axis < shape.Rank; axis++)
        {
            var isSummed = Axes.Count == 0 || summed[axis];
            if (!isSummed || keepAxes)
                sizes.Add(isSummed ? 1 : shape[axis]);
        }
        return sizes.ToArray();
    }
}

public static partial class TensorOps
{
    /// <summary>Sum over all elements, or over the given axes.</summary>
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
