using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Convolution in which every image has kernels of its own, as networks have that compute their kernels from the image. Inputs: x [N, H, W, C]
/// and weight [N, O, C / groups, KH, KW]. Output: [N, OH, OW, O], sizes as those of <see cref="Conv2d"/>.
/// </summary>
public sealed record PerImageConv2d : ConvolutionOp
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        var weight = inputs[1];
        Rules.Rank(this, inputs[0], 4, "[N, H, W, C]");
        if (weight.Shape.Rank != 5 || weight.Shape[0] != inputs[0].Shape[0])
            throw Rules.Broken(this, $"weight must be [N, O, C / groups, KH, KW] with kernels for each of {inputs[0].Shape[0]} images, got shape {weight.Shape}");
        return [Convolved([inputs[0], new TensorSpec(KernelsOfOne(weight.Shape), weight.DType)])];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, weight, y) = (inputs[0], inputs[1], outputs[0]);
        var one = SizesFor(x.Shape, KernelsOfOne(weight.Shape)) with { N = 1 };
        long image = x.Shape.CountBetween(1, 4), kernels = weight.Shape.CountBetween(1, 5), result = y.Shape.CountBetween(1, 4);
        for (var n = 0; n < x.Shape[0]; n++)
            Conv.Forward(one, x.Pointer<float>() + (n * image), weight.Pointer<float>() + (n * kernels), null, y.Pointer<float>() + (n * result));
    }

    // One grouped convolution for the whole batch: the images lie side by side in the channels.
    public override Tensor?[] Gradient(GradientContext g)
    {
        var (x, weight, dy) = (g.InputSpec(0).Shape, g.InputSpec(1).Shape, SideBySide(g.OutputGradient()));
        var groups = Groups * x[0];
        return
        [
            g.Needs(0) ? Apart((Transposed(dy.Shape, x[1], x[2], weight[3], weight[4]) with { Groups = groups })
                .Apply(dy, g.Input(1).Reshape([weight[0] * weight[1], weight[2], weight[3], weight[4]])), x[0]) : null,
            g.Needs(1) ? (ForWeight(weight[3], weight[4]) with { Groups = groups }).Apply(SideBySide(g.Input(0)), dy).Reshape(weight.Span.ToArray()) : null,
        ];
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        outputs[0].Shape.ElementCount * inputs[1].Shape.CountBetween(2, 5);

    private static Shape KernelsOfOne(Shape weight) => weight.Span[1..].ToArray();

    // [N, H, W, C] as [1, H, W, N · C].
    private static Tensor SideBySide(Tensor x) => x.Permute([1, 2, 0, 3]).Reshape([1, x.Shape[1], x.Shape[2], x.Shape[0] * x.Shape[3]]);

    private static Tensor Apart(Tensor x, int images) =>
        x.Reshape([x.Shape[1], x.Shape[2], images, x.Shape[3] / images]).Permute([2, 0, 1, 3]);
}

public static partial class TensorOps
{
    /// <summary>Convolution of images, each by kernels of its own.</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="weight">[N, O, C / groups, KH, KW].</param>
    /// <param name="stride">Distance between the places of the kernel; 1 if not given.</param>
    /// <param name="padding">Zeros around the image.</param>
    /// <param name="dilation">Distance between the taps of the kernel; 1 if not given.</param>
    /// <param name="groups">Groups of channels that are convolved apart; as many as channels for a depthwise convolution.</param>
    /// <returns>[N, OH, OW, O].</returns>
    public static Tensor PerImageConv2d(
        this Tensor x, Tensor weight, Size2d? stride = null, Padding2d padding = default, Size2d? dilation = null, int groups = 1) =>
        new PerImageConv2d { Stride = stride ?? 1, Padding = padding, Dilation = dilation ?? 1, Groups = groups }.Apply(x, weight);
}
