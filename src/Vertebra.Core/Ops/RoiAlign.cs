using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Regions of images pooled to <paramref name="Height"/> × <paramref name="Width"/>. Inputs: images [N, H, W, C]; regions [R, 4] as
/// (x1, y1, x2, y2) in units of 1 / <paramref name="Scale"/> pixels; the image of each region, int64 [R]. Every bin is the mean of a
/// square of bilinear samples, <paramref name="SamplingRatio"/> to a side (0: as many as pixels). With <paramref name="HalfPixel"/>
/// pixel centres lie at halves (torchvision's <c>aligned</c>), else at integers, and regions measure at least 1 pixel.
/// With <paramref name="Largest"/> a bin is the largest product of a sample's corner with its weight, as ONNX's mode "max"
/// is computed by its reference; that has no gradient.
/// </summary>
public sealed record RoiAlign(int Height, int Width, float Scale, int SamplingRatio, bool HalfPixel, bool Largest = false) : Op
{
    public override Saved Saves => Saved.Input1 | Saved.Input2;

    public override bool IsDifferentiable => !Largest;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.AllFloat32(this, inputs[..2]);
        Rules.Rank(this, inputs[0], 4, "[N, H, W, C]");
        return [new(ResultShape(inputs[0].Shape[3], inputs[1], inputs[2]), DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var x = inputs[0].Shape;
        Rules.IndicesLieIn(this, inputs[2], x, 0);
        var kernel = Kernel(x[1], x[2], x[3]);
        if (Largest)
            kernel.Largest(inputs[1].Shape[0], inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), inputs[2].Pointer<long>(), outputs[0].Pointer<float>());
        else
            kernel.Average(inputs[1].Shape[0], inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), inputs[2].Pointer<long>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var x = g.InputSpec(0).Shape;
        return [new RoiAlignGradient(this, x[0], x[1], x[2]).Apply(g.OutputGradient(), g.Input(1), g.Input(2)), null, null];
    }

    internal Shape ResultShape(int channels, TensorSpec regions, TensorSpec images)
    {
        Rules.Is(this, images, DType.Int64, "the images of the regions");
        if (regions.Shape.Rank != 2 || regions.Shape[1] != 4)
            throw Rules.Broken(this, $"regions must be [R, 4], got {regions.Shape}");
        Rules.HasShape(this, images, [regions.Shape[0]], "the images of the regions");
        if (Height < 1 || Width < 1 || SamplingRatio < 0)
            throw Rules.Broken(this, $"output size must be 1x1 or more and the sampling ratio not negative, got {Height}x{Width} and {SamplingRatio}");
        return [regions.Shape[0], Height, Width, channels];
    }

    internal RegionPooling Kernel(int height, int width, int channels) => new(height, width, channels, Height, Width, Scale, SamplingRatio, HalfPixel);
}

/// <summary>
/// The gradient of <see cref="RoiAlign"/> for the images, [<paramref name="Images"/>, <paramref name="ImageHeight"/>,
/// <paramref name="ImageWidth"/>, C]: its transpose. Inputs: the result's gradient, the regions, their images.
/// </summary>
public sealed record RoiAlignGradient(RoiAlign Pooling, int Images, int ImageHeight, int ImageWidth) : Op
{
    public override Saved Saves => Saved.Input1 | Saved.Input2;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.AllFloat32(this, inputs[..2]);
        Rules.Rank(this, inputs[0], 4, "[R, OH, OW, C]");
        var channels = inputs[0].Shape[3];
        Rules.HasShape(this, inputs[0], Pooling.ResultShape(channels, inputs[1], inputs[2]), "the result's gradient");
        return [new([Images, ImageHeight, ImageWidth, channels], DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        outputs[0].Clear();
        Rules.IndicesLieIn(this, inputs[2], outputs[0].Shape, 0);
        Pooling.Kernel(ImageHeight, ImageWidth, inputs[0].Shape[3]).Spread(Images, inputs[1].Shape[0], inputs[1].Pointer<float>(), inputs[2].Pointer<long>(),
            inputs[0].Pointer<float>(), outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g) => [Pooling.Apply(g.OutputGradient(), g.Input(1), g.Input(2)), null, null];
}

public static partial class TensorOps
{
    /// <summary>Regions of images pooled to a fixed size from bilinear samples, as torchvision's <c>roi_align</c>.</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="regions">[R, 4]: (x1, y1, x2, y2), which <paramref name="scale"/> turns into pixels.</param>
    /// <param name="images">int64 [R]: the image of each region.</param>
    /// <param name="size">Height and width of the result.</param>
    /// <param name="scale">Pixels of x per unit of the regions.</param>
    /// <param name="samplingRatio">Samples to a side of a bin; 0 for as many as pixels.</param>
    /// <param name="halfPixel">Pixel centres lie at halves.</param>
    /// <returns>[R, height, width, C].</returns>
    public static Tensor RoiAlign(this Tensor x, Tensor regions, Tensor images, Size2d size, float scale = 1, int samplingRatio = 0, bool halfPixel = false) =>
        new RoiAlign(size.H, size.W, scale, samplingRatio, halfPixel).Apply(x, regions, images);
}
