using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>An operation that takes the largest value of windows of [N, H, W, C] images.</summary>
internal interface IMaxPooling
{
    /// <summary>The windows over an input of this shape.</summary>
    (PoolAxis Rows, PoolAxis Columns) Windows(Shape x);

    /// <summary>The same with or without the second output.</summary>
    Op WithIndices(bool keep);
}

/// <summary>
/// Largest value of each window; padding never wins, NaN always does. With <paramref name="KeepsIndices"/> a second output
/// tells where each value came from (int32, row · W + column), which is all that the gradient then keeps; without, the
/// gradient keeps the input.
/// </summary>
public sealed record MaxPool2d(bool KeepsIndices = false) : Pool2d, IMaxPooling
{
    public override Saved Saves => MaxPooling.Saves(KeepsIndices);

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        return MaxPooling.Outputs(PooledShape(inputs[0]), KeepsIndices);
    }

    internal override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => new PoolWindows(((IMaxPooling)this).Windows(inputs[0].Shape));

    internal override void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => MaxPooling.Forward((PoolWindows)prepared!, inputs[0], outputs);

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => MaxPooling.Gradient(this, KeepsIndices, g);

    (PoolAxis Rows, PoolAxis Columns) IMaxPooling.Windows(Shape x) => Axes(x, countPadding: false);

    Op IMaxPooling.WithIndices(bool keep) => this with { KeepsIndices = keep };
}

/// <summary>
/// Largest value of each of <paramref name="Height"/> x <paramref name="Width"/> windows that share the image out: window o
/// of n takes floor(o · size / n) to ceil((o + 1) · size / n), PyTorch's rule. Indices as in <see cref="MaxPool2d"/>.
/// </summary>
public sealed record AdaptiveMaxPool2d(int Height, int Width, bool KeepsIndices = false) : Op, IMaxPooling
{
    public override Saved Saves => MaxPooling.Saves(KeepsIndices);

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        return MaxPooling.Outputs(AdaptiveRules.OutputShape(this, inputs[0], Height, Width), KeepsIndices);
    }

    internal override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => new PoolWindows(((IMaxPooling)this).Windows(inputs[0].Shape));

    internal override void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => MaxPooling.Forward((PoolWindows)prepared!, inputs[0], outputs);

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    public override Tensor?[] Gradient(GradientContext g) => MaxPooling.Gradient(this, KeepsIndices, g);

    (PoolAxis Rows, PoolAxis Columns) IMaxPooling.Windows(Shape x) => (PoolAxis.Adaptive(x[1], Height), PoolAxis.Adaptive(x[2], Width));

    Op IMaxPooling.WithIndices(bool keep) => this with { KeepsIndices = keep };
}

/// <summary>
/// The gradient of a max pooling: sends the gradient of each window to the place its value came from. Inputs: the result's
/// gradient [N, OH, OW, C] and the indices; output [N, <paramref name="Height"/>, <paramref name="Width"/>, C]. Each input
/// position collects from the windows over it in a fixed order.
/// </summary>
public sealed record MaxPoolGradient(Op Pooling, int Height, int Width) : Op
{
    public override Saved Saves => Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.Is(this, inputs[1], DType.Int32, "indices");
        Rules.HasShape(this, inputs[1], inputs[0].Shape, "indices");
        var input = new TensorSpec([inputs[0].Shape[0], Height, Width, inputs[0].Shape[3]], DType.Float32);
        Rules.HasShape(this, inputs[0], Pooling.Infer([input])[0].Shape, "the result's gradient");
        return [input];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (rows, columns) = ((IMaxPooling)Pooling).Windows(outputs[0].Shape);
        MaxPool.Backward(outputs[0].Shape[0], outputs[0].Shape[3], rows, columns, inputs[0].Pointer<float>(), inputs[1].Pointer<int>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g) => [new MaxPoolPick(Pooling, Height, Width).Apply(g.OutputGradient(), g.Input(1)), null];
}

/// <summary>
/// For every window of a max pooling the value at its index: the transpose of <see cref="MaxPoolGradient"/>. Inputs: values
/// [N, H, W, C] and the indices [N, OH, OW, C]; output of the indices' shape.
/// </summary>
public sealed record MaxPoolPick(Op Pooling, int Height, int Width) : Op
{
    public override Saved Saves => Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.Is(this, inputs[1], DType.Int32, "indices");
        Rules.HasShape(this, inputs[1], Pooling.Infer([inputs[0]])[0].Shape, "indices");
        return [new(inputs[1].Shape, DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (rows, columns) = ((IMaxPooling)Pooling).Windows(inputs[0].Shape);
        MaxPool.Pick(inputs[0].Shape[0], inputs[0].Shape[3], rows, columns, inputs[0].Pointer<float>(), inputs[1].Pointer<int>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g) => [new MaxPoolGradient(Pooling, Height, Width).Apply(g.OutputGradient(), g.Input(1)), null];
}

/// <summary>What fixed and adaptive max pooling have in common.</summary>
internal static class MaxPooling
{
    public static Saved Saves(bool keepsIndices) => keepsIndices ? Saved.Output1 : Saved.Input0;

    public static TensorSpec[] Outputs(Shape shape, bool keepsIndices) =>
        keepsIndices ? [new(shape, DType.Float32), new(shape, DType.Int32)] : [new(shape, DType.Float32)];

    public static unsafe void Forward(PoolWindows windows, Tensor x, ReadOnlySpan<Tensor> outputs) =>
        MaxPool.Forward(x.Shape[0], x.Shape[3], windows.Rows, windows.Columns, x.Pointer<float>(), outputs[0].Pointer<float>(), outputs.Length > 1 ? outputs[1].Pointer<int>() : null);

    public static Tensor?[] Gradient(IMaxPooling pooling, bool keepsIndices, GradientContext g)
    {
        var indices = keepsIndices ? g.Output(1) : pooling.WithIndices(true).ApplyAll(g.Input(0).Detach())[1];
        var shape = g.InputSpec(0).Shape;
        return [new MaxPoolGradient(pooling.WithIndices(false), shape[1], shape[2]).Apply(g.OutputGradient(), indices)];
    }

    /// <summary>Indices are worth their memory only where a gradient will ask for them.</summary>
    public static bool WantsIndices(Tensor x) => x.RequiresGrad && GradMode.IsEnabled;
}

public static partial class TensorOps
{
    /// <summary>Largest value of each window of [N, H, W, C].</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="kernel">Window size.</param>
    /// <param name="stride">Distance between windows; the kernel size if not given.</param>
    /// <param name="padding">Positions around the image that never win; less than the kernel.</param>
    /// <param name="dilation">Distance between the taps of a window.</param>
    /// <param name="ceilMode">Round the output size up instead of down.</param>
    public static Tensor MaxPool2d(
        this Tensor x, Size2d kernel, Size2d? stride = null, Padding2d padding = default, Size2d? dilation = null, bool ceilMode = false) =>
        new MaxPool2d(MaxPooling.WantsIndices(x))
        {
            Kernel = kernel,
            Stride = stride ?? kernel,
            Padding = padding,
            Dilation = dilation ?? 1,
            CeilMode = ceilMode,
        }.Apply(x);

    /// <summary>Largest value of each of <paramref name="size"/> windows that share the image out.</summary>
    public static Tensor AdaptiveMaxPool2d(this Tensor x, Size2d size) => new AdaptiveMaxPool2d(size.H, size.W, MaxPooling.WantsIndices(x)).Apply(x);
}
