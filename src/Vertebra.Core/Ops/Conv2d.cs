using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// What a convolution and its relatives have in common. They all speak of the same convolution, from an image [N, H, W, C]
/// to an image [N, OH, OW, O] with weights [O, C / groups, KH, KW].
/// </summary>
public abstract record ConvolutionOp : SlidingWindowOp
{
    public int DilationH { get; init; } = 1;

    public int DilationW { get; init; } = 1;

    public int Groups { get; init; } = 1;

    internal Size2d Dilation
    {
        get => new(DilationH, DilationW);
        init => (DilationH, DilationW) = (value.H, value.W);
    }

    /// <summary>The sizes of the convolution from <paramref name="image"/> [N, H, W, C] with weights [O, ?, KH, KW].</summary>
    private protected ConvShape SizesOf(Shape image, int outputChannels, int kernelH, int kernelW) =>
        new(image[0], image[1], image[2], image[3], outputChannels, kernelH, kernelW)
        {
            StrideH = StrideH, StrideW = StrideW, PadTop = PadTop, PadLeft = PadLeft, PadBottom = PadBottom, PadRight = PadRight,
            DilationH = DilationH, DilationW = DilationW, Groups = Groups,
        };

    /// <summary>The sizes of the convolution of x with this weight.</summary>
    internal ConvShape SizesFor(Shape x, Shape weight) => SizesOf(x, weight[0], weight[2], weight[3]);

    /// <summary>Checks what does not depend on the direction: dtypes, ranks, attributes, and that groups divide both channel counts.</summary>
    private protected void Check(TensorSpec image, string imageAxes, TensorSpec weight, string weightAxes)
    {
        Rules.Is(this, image, DType.Float32);
        Rules.Is(this, weight, DType.Float32, "weight");
        Rules.Rank(this, image, 4, imageAxes);
        if (weight.Shape.Rank != 4)
            throw Rules.Broken(this, $"weight must be {weightAxes} (rank 4), got shape {weight.Shape}");
        CheckWindow();
        if (DilationH < 1 || DilationW < 1 || Groups < 1)
            throw Rules.Broken(this, $"dilation and groups must be 1 or more, got {DilationH}x{DilationW} and {Groups}");
        foreach (var size in weight.Shape)
        {
            if (size < 1)
                throw Rules.Broken(this, $"weight must not be empty, got shape {weight.Shape}");
        }
        if (weight.Shape[0] % Groups != 0)
            throw Rules.Broken(this, $"weight {weight.Shape} has {weight.Shape[0]} filters, which {Groups} groups do not divide");
    }

    private protected void CheckBias(ReadOnlySpan<TensorSpec> inputs, int channels)
    {
        if (inputs.Length < 3)
            return;
        Rules.Is(this, inputs[2], DType.Float32, "bias");
        Rules.HasShape(this, inputs[2], [channels], "bias");
    }

    /// <summary>What a convolution of x [N, H, W, C] with weight [O, C / groups, KH, KW] and perhaps a bias gives.</summary>
    private protected TensorSpec Convolved(ReadOnlySpan<TensorSpec> inputs)
    {
        Check(inputs[0], "[N, H, W, C]", inputs[1], "[O, C / groups, KH, KW]");
        var (x, weight) = (inputs[0].Shape, inputs[1].Shape);
        if (x[3] != weight[1] * Groups)
            throw Rules.Broken(this, $"input {x} has {x[3]} channels, but weight {weight} with {Groups} groups takes {weight[1] * Groups}");
        CheckBias(inputs, weight[0]);
        return new(ConvolvedShape(SizesOf(x, weight[0], weight[2], weight[3]), x), DType.Float32);
    }

    /// <summary>[N, OH, OW, O].</summary>
    private protected Shape ConvolvedShape(ConvShape sizes, Shape image)
    {
        if (sizes.OH < 1 || sizes.OW < 1)
        {
            var dilated = DilationH == 1 && DilationW == 1 ? "" : $", dilated {DilationH}x{DilationW},";
            throw Rules.Broken(this, $"a {sizes.KH}x{sizes.KW} kernel{dilated} does not fit images of {sizes.H}x{sizes.W} with padding top {PadTop}, left {PadLeft}, bottom {PadBottom}, right {PadRight}, input shape {image}");
        }
        return [sizes.N, sizes.OH, sizes.OW, sizes.OC];
    }

    /// <summary>The convolution from images to features with these attributes.</summary>
    private protected Conv2d Forwards() => new() { Stride = Stride, Padding = Padding, Dilation = Dilation, Groups = Groups };

    /// <summary>Its transpose, from features to images of <paramref name="height"/> x <paramref name="width"/>, with kernels of the given size.</summary>
    private protected ConvTranspose2d Transposed(Shape features, int height, int width, int kernelH, int kernelW)
    {
        var least = new ConvTranspose2d { Stride = Stride, Padding = Padding, Dilation = Dilation, Groups = Groups };
        return least with
        {
            OutputPadH = height - least.HeightOf(features[1], kernelH),
            OutputPadW = width - least.WidthOf(features[2], kernelW),
        };
    }

    private protected Conv2dWeightGradient ForWeight(int kernelH, int kernelW) =>
        new(kernelH, kernelW) { Stride = Stride, Padding = Padding, Dilation = Dilation, Groups = Groups };
}

/// <summary>
/// Convolution (cross-correlation, as everywhere in deep learning). Inputs: x [N, H, W, C], weight [O, C / groups, KH, KW], and
/// optionally bias [O]. Output: [N, OH, OW, O] with OH = floor((H + top + bottom - dilation · (KH - 1) - 1) / stride) + 1.
/// </summary>
public sealed record Conv2d : ConvolutionOp
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2, 3);
        return [Convolved(inputs)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var weight = inputs[1];
        var sizes = SizesOf(inputs[0].Shape, weight.Shape[0], weight.Shape[2], weight.Shape[3]);
        float* x = inputs[0].Pointer<float>(), bias = inputs.Length > 2 ? inputs[2].Pointer<float>() : null, y = outputs[0].Pointer<float>();
        if (WeightPacking.IsKept && PackedConvolution.Of(weight, sizes, ConvUse.Forward) is { } packed)
            Conv.Forward(sizes, x, packed, bias, y);
        else
            Conv.Forward(sizes, x, weight.Pointer<float>(), bias, y, PackedConvolution.MethodFor(weight, sizes, ConvUse.Forward));
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (dy, x, weight) = (g.OutputGradient(), g.InputSpec(0).Shape, g.InputSpec(1).Shape);
        Tensor?[] gradients =
        [
            g.Needs(0) ? Transposed(dy.Shape, x[1], x[2], weight[2], weight[3]).Apply(dy, g.Input(1)) : null,
            g.Needs(1) ? ForWeight(weight[2], weight[3]).Apply(g.Input(0), dy) : null,
        ];
        return g.InputCount == 2 ? gradients : [.. gradients, g.Needs(2) ? dy.Sum([0, 1, 2]) : null];
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        outputs[0].Shape.ElementCount * inputs[1].Shape.CountBetween(1, 4);
}

/// <summary>
/// The gradient of a convolution's weight. Inputs: x [N, H, W, C] and the gradient of the result [N, OH, OW, O]; output
/// [O, C / groups, <paramref name="KernelH"/>, <paramref name="KernelW"/>].
/// </summary>
public sealed record Conv2dWeightGradient(int KernelH, int KernelW) : ConvolutionOp
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.Rank(this, inputs[0], 4, "[N, H, W, C]");
        Rules.Rank(this, inputs[1], 4, "[N, OH, OW, O]");
        var (x, dy) = (inputs[0].Shape, inputs[1].Shape);
        if (Groups < 1 || x[3] % Groups != 0)
            throw Rules.Broken(this, $"input {x} has {x[3]} channels, which {Groups} groups do not divide");
        var weight = new TensorSpec([dy[3], x[3] / Groups, KernelH, KernelW], DType.Float32);
        Check(inputs[0], "[N, H, W, C]", weight, "[O, C / groups, KH, KW]");
        Rules.Is(this, inputs[1], DType.Float32, "the result's gradient");
        Rules.HasShape(this, inputs[1], ConvolvedShape(SizesOf(x, dy[3], KernelH, KernelW), x), "the result's gradient");
        return [weight];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        Conv.WeightGradient(SizesOf(inputs[0].Shape, outputs[0].Shape[0], KernelH, KernelW),
            inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), outputs[0].Pointer<float>(), Winograd.InTraining);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (x, weight) = (g.InputSpec(0).Shape, g.OutputGradient());
        return
        [
            g.Needs(0) ? Transposed(g.InputSpec(1).Shape, x[1], x[2], KernelH, KernelW).Apply(g.Input(1), weight) : null,
            g.Needs(1) ? Forwards().Apply(g.Input(0), weight) : null,
        ];
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        inputs[1].Shape.ElementCount * outputs[0].Shape.CountBetween(1, 4);
}

/// <summary>
/// The packed forms of one weight, made when first asked for. Weights in training change with every step, and their packed
/// forms would double their memory, so those are packed for each call instead.
/// </summary>
internal sealed class PackedConvolution
{
    private PackedConvWeights? _forward;
    private PackedConvWeights? _transposed;

    /// <summary>The kept packed form of this weight, or null when it is to be packed for this call only.</summary>
    public static unsafe PackedConvWeights? Of(Tensor weight, in ConvShape sizes, ConvUse use, ConvMethod method = ConvMethod.Direct)
    {
        // In the backward walk nothing is recorded, but a weight that requires a gradient is in training all the same.
        if (weight.RequiresGrad && (GradMode.IsEnabled || use == ConvUse.InputGradient))
            return null;
        var kept = weight.Derived(static _ => new PackedConvolution());
        ref var slot = ref use == ConvUse.Forward ? ref kept._forward : ref kept._transposed;
        if (slot is not { } packed)
        {
            packed = new PackedConvWeights(sizes, weight.Pointer<float>(), use, method);
            slot = packed;
        }
        return packed.Method == method && packed.Shape with { N = sizes.N, H = sizes.H, W = sizes.W } == sizes ? packed : null;
    }

    /// <summary>How a convolution is computed whose weight is packed for one call: a weight in training may take a faster way.</summary>
    public static ConvMethod MethodFor(Tensor weight, in ConvShape sizes, ConvUse use) =>
        weight.RequiresGrad && Winograd.InTraining ? ConvChoice.Of(new(sizes, use, Packs: true)) : ConvMethod.Direct;
}

public static partial class TensorOps
{
    /// <summary>Convolution of images.</summary>
    /// <param name="x">[N, H, W, C].</param>
    /// <param name="weight">[O, C / groups, KH, KW].</param>
    /// <param name="bias">[O], or none.</param>
    /// <param name="stride">Distance between the places of the kernel; 1 if not given.</param>
    /// <param name="padding">Zeros around the image.</param>
    /// <param name="dilation">Distance between the taps of the kernel; 1 if not given.</param>
    /// <param name="groups">Groups of channels that are convolved apart; as many as channels for a depthwise convolution.</param>
    /// <returns>[N, OH, OW, O].</returns>
    public static Tensor Conv2d(
        this Tensor x, Tensor weight, Tensor? bias = null, Size2d? stride = null, Padding2d padding = default, Size2d? dilation = null, int groups = 1)
    {
        var op = new Conv2d { Stride = stride ?? 1, Padding = padding, Dilation = dilation ?? 1, Groups = groups };
        return bias is null ? op.Apply(x, weight) : op.Apply(x, weight, bias);
    }
}
