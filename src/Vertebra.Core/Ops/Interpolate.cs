using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Images [N, H, W, C] resampled to [N, Height, Width, C], as PyTorch's <c>interpolate</c> does when it is given a size.
/// Pixels are areas: output o lies at (o + 0.5) · in / out - 0.5; with <paramref name="AlignCorners"/> they are points, and the
/// corners stay. With <paramref name="Antialias"/> the filter grows when the image shrinks, as in Pillow.
/// </summary>
public sealed record Interpolate(int Height, int Width, InterpolationMode Mode, bool AlignCorners = false, bool Antialias = false) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.Is(this, inputs[0], DType.Float32);
        Rules.Rank(this, inputs[0], 4, "[N, H, W, C]");
        var x = inputs[0].Shape;
        if (Height < 1 || Width < 1)
            throw Rules.Broken(this, $"output size must be 1x1 or more, got {Height}x{Width}");
        if (x[1] < 1 || x[2] < 1)
            throw Rules.Broken(this, $"images must not be empty, got shape {x}");
        if (Mode == InterpolationMode.Nearest && (AlignCorners || Antialias))
            throw Rules.Broken(this, "alignCorners and antialias go with bilinear and bicubic, not with nearest");
        return [new([x[0], Height, Width, x[3]], DType.Float32)];
    }

    internal override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        Tuple.Create(Weights(inputs[0].Shape[1], inputs[0].Shape[2]));

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    internal override unsafe void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (rows, columns) = ((Tuple<(AxisWeights, AxisWeights)>)prepared!).Item1;
        Resample.Run(inputs[0].Shape[0], inputs[0].Shape[3], rows, columns, inputs[0].Pointer<float>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g) =>
        [new InterpolateGradient(this, g.InputSpec(0).Shape[1], g.InputSpec(0).Shape[2]).Apply(g.OutputGradient())];

    internal (AxisWeights Rows, AxisWeights Columns) Weights(int height, int width) => (
        AxisWeights.Create(height, Height, Mode, AlignCorners, Antialias), AxisWeights.Create(width, Width, Mode, AlignCorners, Antialias));
}

/// <summary>
/// The gradient of <see cref="Interpolate"/>, which is its transpose: from [N, OH, OW, C] to [N, <paramref name="Height"/>,
/// <paramref name="Width"/>, C].
/// </summary>
public sealed record InterpolateGradient(Interpolate Interpolation, int Height, int Width) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.Is(this, inputs[0], DType.Float32);
        Rules.Rank(this, inputs[0], 4, "[N, OH, OW, C]");
        var dy = inputs[0].Shape;
        Rules.HasShape(this, inputs[0], [dy[0], Interpolation.Height, Interpolation.Width, dy[3]], "the result's gradient");
        return [new([dy[0], Height, Width, dy[3]], DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (rows, columns) = Interpolation.Weights(Height, Width);
        Resample.Run(inputs[0].Shape[0], inputs[0].Shape[3], rows.Transpose(), columns.Transpose(), inputs[0].Pointer<float>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g) => [Interpolation.Apply(g.OutputGradient())];
}

public static partial class TensorOps
{
    /// <summary>Images resampled to another size.</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="size">Height and width of the result.</param>
    /// <param name="mode">Nearest, bilinear or bicubic.</param>
    /// <param name="alignCorners">Pixels are points and the corners stay, instead of areas.</param>
    /// <param name="antialias">Widen the filter when the image shrinks.</param>
    /// <returns>[N, height, width, C].</returns>
    public static Tensor Interpolate(this Tensor x, Size2d size, InterpolationMode mode = InterpolationMode.Nearest, bool alignCorners = false, bool antialias = false) =>
        new Interpolate(size.H, size.W, mode, alignCorners, antialias).Apply(x);
}
