using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>An operation that averages windows of [N, H, W, C] images.</summary>
internal interface IAveragePooling
{
    /// <summary>The windows over an input of this shape.</summary>
    (PoolAxis Rows, PoolAxis Columns) Windows(Shape x);
}

/// <summary>
/// Average of each window. With <paramref name="CountIncludePad"/> padding counts as zeros, else it does not count; positions
/// that only ceil mode adds never count.
/// </summary>
public sealed record AvgPool2d(bool CountIncludePad = true) : Pool2d, IAveragePooling
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        return [new(PooledShape(inputs[0]), DType.Float32)];
    }

    internal override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => new PoolWindows(((IAveragePooling)this).Windows(inputs[0].Shape));

    internal override void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => AveragePooling.Forward((PoolWindows)prepared!, inputs[0], outputs[0]);

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [AveragePooling.Gradient(this, g)];

    (PoolAxis Rows, PoolAxis Columns) IAveragePooling.Windows(Shape x) => Axes(x, CountIncludePad);
}

/// <summary>Average of each of <paramref name="Height"/> x <paramref name="Width"/> windows that share the image out, as in <see cref="AdaptiveMaxPool2d"/>.</summary>
public sealed record AdaptiveAvgPool2d(int Height, int Width) : Op, IAveragePooling
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        return [new(AdaptiveRules.OutputShape(this, inputs[0], Height, Width), DType.Float32)];
    }

    internal override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => new PoolWindows(((IAveragePooling)this).Windows(inputs[0].Shape));

    internal override void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => AveragePooling.Forward((PoolWindows)prepared!, inputs[0], outputs[0]);

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => [AveragePooling.Gradient(this, g)];

    (PoolAxis Rows, PoolAxis Columns) IAveragePooling.Windows(Shape x) => (PoolAxis.Adaptive(x[1], Height), PoolAxis.Adaptive(x[2], Width));
}

/// <summary>
/// The gradient of an average pooling, which is its transpose: from [N, OH, OW, C] to [N, <paramref name="Height"/>,
/// <paramref name="Width"/>, C].
/// </summary>
public sealed record AvgPoolGradient(Op Pooling, int Height, int Width) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.Rank(this, inputs[0], 4, "[N, OH, OW, C]");
        var input = new TensorSpec([inputs[0].Shape[0], Height, Width, inputs[0].Shape[3]], DType.Float32);
        Rules.HasShape(this, inputs[0], Pooling.Infer([input])[0].Shape, "the result's gradient");
        return [input];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var shape = outputs[0].Shape;
        var (rows, columns) = ((IAveragePooling)Pooling).Windows(shape);
        AveragePool.Backward(shape[0], shape[3], rows, columns, inputs[0].Pointer<float>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g) => [Pooling.Apply(g.OutputGradient())];
}

/// <summary>The windows of a pooling over one input shape.</summary>
internal sealed class PoolWindows((PoolAxis Rows, PoolAxis Columns) axes)
{
    public PoolAxis Rows { get; } = axes.Rows;

    public PoolAxis Columns { get; } = axes.Columns;
}

/// <summary>What fixed and adaptive average pooling have in common.</summary>
internal static class AveragePooling
{
    public static unsafe void Forward(PoolWindows windows, Tensor x, Tensor y) =>
        AveragePool.Forward(x.Shape[0], x.Shape[3], windows.Rows, windows.Columns, x.Pointer<float>(), y.Pointer<float>());

    public static Tensor Gradient(Op pooling, GradientContext g)
    {
        var shape = g.InputSpec(0).Shape;
        return new AvgPoolGradient(pooling, shape[1], shape[2]).Apply(g.OutputGradient());
    }
}

/// <summary>The shape rule of adaptive pooling.</summary>
internal static class AdaptiveRules
{
    public static Shape OutputShape(Op op, TensorSpec input, int height, int width)
    {
        Rules.Is(op, input, DType.Float32);
        Rules.Rank(op, input, 4, "[N, H, W, C]");
        if (height < 1 || width < 1)
            throw Rules.Broken(op, $"output size must be 1x1 or more, got {height}x{width}");
        if (input.Shape[1] < 1 || input.Shape[2] < 1)
            throw Rules.Broken(op, $"images must not be empty, got shape {input.Shape}");
        return [input.Shape[0], height, width, input.Shape[3]];
    }
}

public static partial class TensorOps
{
    /// <summary>Average of each window of [N, H, W, C].</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="kernel">Window size.</param>
    /// <param name="stride">Distance between windows; the kernel size if not given.</param>
    /// <param name="padding">Zeros around the image; less than the kernel.</param>
    /// <param name="ceilMode">Round the output size up instead of down.</param>
    /// <param name="countIncludePad">Whether the average counts the padding.</param>
    public static Tensor AvgPool2d(
        this Tensor x, Size2d kernel, Size2d? stride = null, Padding2d padding = default, bool ceilMode = false, bool countIncludePad = true) =>
        new AvgPool2d(countIncludePad) { Kernel = kernel, Stride = stride ?? kernel, Padding = padding, CeilMode = ceilMode }.Apply(x);

    /// <summary>Average of each of <paramref name="size"/> windows that share the image out; 1 gives the global average [N, 1, 1, C].</summary>
    public static Tensor AdaptiveAvgPool2d(this Tensor x, Size2d size) => new AdaptiveAvgPool2d(size.H, size.W).Apply(x);
}
