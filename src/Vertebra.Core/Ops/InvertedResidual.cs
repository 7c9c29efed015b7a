using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// A depthwise convolution with the pointwise ones around it, as mobile networks have them (MobileNetV2, Sandler et al. 2018):
/// expansion, depthwise convolution, projection, each with bias and perhaps an activation, and perhaps a residual added. What lies
/// between them is computed a few rows at a time and never leaves the cache. Compiled graphs are made of it; it has no gradient. Inputs:
/// x [N, H, W, C]; if it expands, weight [E, C, 1, 1] and bias [E]; weight [E, 1, KH, KW] and bias [E]; if it projects, weight
/// [O, E, 1, 1] and bias [O]; the residual of the result's shape if there is one. The attributes are those of the depthwise convolution.
/// </summary>
/// <param name="Expands">Whether a pointwise convolution goes before.</param>
/// <param name="Projects">Whether one comes after.</param>
/// <param name="AddsResidual">Whether the last input is added before <paramref name="Activation"/>; it projects then.</param>
/// <param name="Inner">The activation after the expansion; null for none.</param>
/// <param name="Middle">The activation after the depthwise convolution; null for none.</param>
/// <param name="Activation">The activation after the projection; null for none.</param>
public sealed record InvertedResidual(bool Expands, bool Projects, bool AddsResidual, ActivationOp? Inner, ActivationOp? Middle, ActivationOp? Activation) : ConvolutionOp
{
    private static readonly Conv2d Pointwise = new();

    /// <summary>Where the weights stand among the inputs.</summary>
    internal int Weight => Expands ? 3 : 1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        var count = 3 + (Expands ? 2 : 0) + (Projects ? 2 : 0) + (AddsResidual ? 1 : 0);
        Rules.Arity(this, inputs, count);
        if (AddsResidual && !Projects)
            throw Rules.Broken(this, "a residual is added to a projection only");
        var expanded = Expands ? PointwiseResult([inputs[0], inputs[1], inputs[2]]) : inputs[0];
        var result = Convolved([expanded, inputs[Weight], inputs[Weight + 1]]);
        if (Groups != expanded.Shape[3] || inputs[Weight].Shape[0] != Groups)
            throw Rules.Broken(this, $"the convolution must be depthwise, one filter for each of {expanded.Shape[3]} channels, got {Groups} groups and weight {inputs[Weight].Shape}");
        if (Projects)
            result = PointwiseResult([result, inputs[Weight + 2], inputs[Weight + 3]]);
        FusedEpilogue.Check(this, inputs, AddsResidual, result);
        return [result];
    }

    private TensorSpec PointwiseResult(ReadOnlySpan<TensorSpec> inputs)
    {
        if (inputs[1].Shape.Rank == 4 && (inputs[1].Shape[2] != 1 || inputs[1].Shape[3] != 1))
            throw Rules.Broken(this, $"a pointwise weight must be [O, C, 1, 1], got shape {inputs[1].Shape}");
        return Pointwise.Infer(inputs)[0];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var sizes = SizesOf(inputs[0].Shape, inputs[Weight].Shape);
        float* x = inputs[0].Pointer<float>(), y = outputs[0].Pointer<float>();
        var first = Expands ? Packed(inputs[1], PointwiseSizes(inputs[1].Shape)) : null;
        var middle = Packed(inputs[Weight], sizes);
        var last = Projects ? Packed(inputs[Weight + 2], PointwiseSizes(inputs[Weight + 2].Shape)) : null;
        var expansion = first is null ? default : LayerOf(first, inputs[2], FusedEpilogue.Of(Inner, null), null);
        var projection = last is null ? default : LayerOf(last, inputs[Weight + 3], FusedEpilogue.Of(Activation, AddsResidual ? inputs[^1] : null), y);
        Depthwise.Chain(sizes, x, expansion, middle.Data, inputs[Weight + 1].Pointer<float>(), FusedEpilogue.Of(Middle, null), projection, y);
        GC.KeepAlive(first);
        GC.KeepAlive(middle);
        GC.KeepAlive(last);
    }

    private static unsafe PointwiseLayer LayerOf(PackedConvWeights weights, Tensor bias, in Epilogue epilogue, float* origin) => new()
    {
        C = weights.Shape.C, Channels = weights.Shape.OC, Weights = weights.Data, Bias = bias.Pointer<float>(), Epilogue = epilogue, Origin = origin,
    };

    /// <summary>
    /// Packs the weights, those of <see cref="WeightInputs"/>, for the kernels, and drops the data as stored: from then on this op alone can
    /// use them.
    /// </summary>
    internal void Pack(Shape x, IEnumerable<Tensor> weights)
    {
        foreach (var (i, weight) in WeightInputs.Zip(weights))
        {
            Packed(weight, i == Weight ? SizesOf(x, weight.Shape) : PointwiseSizes(weight.Shape));
            weight.DropData();
        }
    }

    /// <summary>The inputs that are weights.</summary>
    internal IEnumerable<int> WeightInputs => Enumerable.Range(0, (Expands ? 1 : 0) + 1 + (Projects ? 1 : 0)).Select(static i => 1 + 2 * i);

    // The depthwise convolution's, from the shapes of x and of its weight.
    internal ConvShape SizesOf(Shape x, Shape weight) => SizesFor([x[0], x[1], x[2], weight[0]], weight);

    private static ConvShape PointwiseSizes(Shape weight) => new(1, 1, 1, weight[1], weight[0], 1, 1);

    private static unsafe PackedConvWeights Packed(Tensor weight, in ConvShape sizes) =>
        PackedConvolution.Of(weight, sizes, ConvUse.Forward) ?? new PackedConvWeights(sizes, weight.Pointer<float>());

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs)
    {
        var weight = inputs[Weight].Shape;
        var pixels = outputs[0].Shape.CountBetween(0, 3);
        return (Expands ? inputs[0].Shape.ElementCount * weight[0] : 0) + pixels * weight.ElementCount + (Projects ? outputs[0].Shape.ElementCount * weight[0] : 0);
    }
}
