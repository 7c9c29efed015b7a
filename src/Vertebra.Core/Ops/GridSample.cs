using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Images [N, H, W, C] read at the places of a grid [N, OH, OW, 2]: (x, y), where -1 and 1 are the ends of the axes, the outer
/// edges of the outermost pixels or, with <paramref name="AlignCorners"/>, their centres. As PyTorch's <c>grid_sample</c>;
/// a place that is not a number lies outside.
/// </summary>
public sealed record GridSample(InterpolationMode Mode, GridPadding Padding, bool AlignCorners) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        Rules.Rank(this, inputs[0], 4, "[N, H, W, C]");
        Rules.Rank(this, inputs[1], 4, "a grid [N, OH, OW, 2]");
        var (x, grid) = (inputs[0].Shape, inputs[1].Shape);
        if (grid[0] != x[0] || grid[3] != 2)
            throw Rules.Broken(this, $"the grid must be [{x[0]}, OH, OW, 2] for images {x}, got {grid}");
        if (x[1] < 1 || x[2] < 1)
            throw Rules.Broken(this, $"images must not be empty, got shape {x}");
        return [new([x[0], grid[1], grid[2], x[3]], DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        Kernel(inputs[0].Shape, inputs[1].Shape).Forward(inputs[0].Shape[0], inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), outputs[0].Pointer<float>());

    public override Tensor?[] Gradient(GradientContext g) => new GridSampleGradient(this).ApplyAll(g.Input(0), g.Input(1), g.OutputGradient());

    internal GridSampling Kernel(Shape x, Shape grid) => new(x[1], x[2], x[3], checked(grid[1] * grid[2]), Mode, Padding, AlignCorners);
}

/// <summary>The gradients of <see cref="GridSample"/> for images and grid, from images, grid and the result's gradient. It has no second derivative.</summary>
public sealed record GridSampleGradient(GridSample Sampling) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.HasShape(this, inputs[2], Sampling.Infer(inputs[..2])[0].Shape, "the result's gradient");
        return [inputs[0], inputs[1]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        outputs[0].Clear();
        Sampling.Kernel(inputs[0].Shape, inputs[1].Shape).Backward(inputs[0].Shape[0], inputs[0].Pointer<float>(), inputs[1].Pointer<float>(),
            inputs[2].Pointer<float>(), outputs[0].Pointer<float>(), outputs[1].Pointer<float>());
    }
}

public static partial class TensorOps
{
    /// <summary>Images [N, H, W, C] read at the places (x, y) in [-1, 1] of a grid [N, OH, OW, 2].</summary>
    /// <returns>[N, OH, OW, C].</returns>
    public static Tensor GridSample(this Tensor x, Tensor grid, InterpolationMode mode = InterpolationMode.Bilinear, GridPadding padding = GridPadding.Zeros, bool alignCorners = false) =>
        new GridSample(mode, padding, alignCorners).Apply(x, grid);
}
