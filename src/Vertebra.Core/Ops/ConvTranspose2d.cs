using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Transposed convolution: the input gradient of <see cref="Conv2d"/> with the same attributes. Inputs: x [N, H, W, C], weight
/// [C, O / groups, KH, KW], and optionally bias [O]. Output: [N, OH, OW, O] with OH = (H - 1) · stride - top - bottom +
/// dilation · (KH - 1) + 1 + <see cref="OutputPadH"/>.
/// </summary>
public sealed record ConvTranspose2d : ConvolutionOp
{
    /// <summary>Rows added at the bottom of the output, less than the stride or the dilation: among the heights that a strided convolution maps to the same height, which one it was.</summary>
    public int OutputPadH { get; init; }

    /// <summary>Columns added at the right of the output, as <see cref="OutputPadH"/>.</summary>
    public int OutputPadW { get; init; }

    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2, 3);
        Check(inputs[0], "[N, H, W, C]", inputs[1], "[C, O / groups, KH, KW]");
        var (x, weight) = (inputs[0].Shape, inputs[1].Shape);
        if (x[3] != weight[0])
            throw Rules.Broken(this, $"input {x} has {x[3]} channels, but weight {weight} takes {weight[0]}");
        CheckBias(inputs, weight[1] * Groups);
        if (OutputPadH < 0 || OutputPadW < 0 || OutputPadH >= Math.Max(StrideH, DilationH) || OutputPadW >= Math.Max(StrideW, DilationW))
            throw Rules.Broken(this, $"output padding {OutputPadH}x{OutputPadW} must be smaller than the stride or the dilation, {StrideH}x{StrideW} and {DilationH}x{DilationW}");
        return [new(OutputShape(x, weight), DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var weight = inputs[1];
        var sizes = SizesOf(outputs[0].Shape, weight.Shape[0], weight.Shape[2], weight.Shape[3]);
        float* x = inputs[0].Pointer<float>(), bias = inputs.Length > 2 ? inputs[2].Pointer<float>() : null, y = outputs[0].Pointer<float>();
        if (WeightPacking.IsKept && PackedConvolution.Of(weight, sizes, ConvUse.InputGradient) is { } packed)
            Conv.InputGradient(sizes, x, packed, y, bias);
        else
            Conv.InputGradient(sizes, x, weight.Pointer<float>(), y, bias, PackedConvolution.MethodFor(weight, sizes, ConvUse.InputGradient));
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (dy, weight) = (g.OutputGradient(), g.InputSpec(1).Shape);
        Tensor?[] gradients =
        [
            g.Needs(0) ? Forwards().Apply(dy, g.Input(1)) : null,
            g.Needs(1) ? ForWeight(weight[2], weight[3]).Apply(dy, g.Input(0)) : null,
        ];
        return g.InputCount == 2 ? gradients : [.. gradients, g.Needs(2) ? dy.Sum([0, 1, 2]) : null];
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        inputs[0].Shape.ElementCount * inputs[1].Shape.CountBetween(1, 4);

    /// <summary>Output height for an input of <paramref name="height"/> rows.</summary>
    internal int HeightOf(int height, int kernel) => ((height - 1) * StrideH) - PadTop - PadBottom + (DilationH * (kernel - 1)) + 1 + OutputPadH;

    /// <summary>Output width for an input of <paramref name="width"/> columns.</summary>
    internal int WidthOf(int width, int kernel) => ((width - 1) * StrideW) - PadLeft - PadRight + (DilationW * (kernel - 1)) + 1 + OutputPadW;

    private Shape OutputShape(Shape x, Shape weight)
    {
        var (height, width) = (HeightOf(x[1], weight[2]), WidthOf(x[2], weight[3]));
        if (x[1] < 1 || x[2] < 1 || height < 1 || width < 1)
            throw Rules.Broken(this, $"a {weight[2]}x{weight[3]} kernel with padding top {PadTop}, left {PadLeft}, bottom {PadBottom}, right {PadRight} leaves nothing of input {x}");
        return [x[0], height, width, weight[1] * Groups];
    }
}

public static partial class TensorOps
{
    /// <summary>Transposed convolution of images, which enlarges them by its stride.</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="weight">[C, O / groups, KH, KW].</param>
    /// <param name="bias">[O], or none.</param>
    /// <param name="stride">Distance in the output between neighbours of the input; 1 if not given.</param>
    /// <param name="padding">Rows and columns cut off around the output.</param>
    /// <param name="outputPadding">Rows and columns added at its bottom and right.</param>
    /// <param name="dilation">Distance between the taps of the kernel; 1 if not given.</param>
    /// <param name="groups">Groups of channels that are convolved apart.</param>
    /// <returns>[N, OH, OW, O].</returns>
    public static Tensor ConvTranspose2d(
        this Tensor x, Tensor weight, Tensor? bias = null, Size2d? stride = null, Padding2d padding = default, Size2d outputPadding = default,
        Size2d? dilation = null, int groups = 1)
    {
        var op = new ConvTranspose2d
        {
            Stride = stride ?? 1,
            Padding = padding,
            Dilation = dilation ?? 1,
            Groups = groups,
            OutputPadH = outputPadding.H,
            OutputPadW = outputPadding.W,
        };
        return bias is null ? op.Apply(x, weight) : op.Apply(x, weight, bias);
    }
}
