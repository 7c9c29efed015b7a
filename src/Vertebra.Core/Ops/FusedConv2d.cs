using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// A <see cref="Conv2d"/> that finishes its sums before they leave the cache: <c>activation(conv(x) + bias [+ residual])</c>.
/// Compiled graphs are made of it; it has no gradient. Inputs: x, weight, perhaps a bias [O], and last the residual of the
/// result's shape if there is one.
/// </summary>
/// <param name="Activation">Applied last; null for none.</param>
/// <param name="AddsResidual">Whether the last input is added before the activation.</param>
public sealed record FusedConv2d(ActivationOp? Activation, bool AddsResidual) : ConvolutionOp
{
    /// <summary>The convolution alone, with an epilogue that does nothing.</summary>
    public FusedConv2d(Conv2d convolution) : this(null, false) =>
        (Stride, Padding, Dilation, Groups) = (convolution.Stride, convolution.Padding, convolution.Dilation, convolution.Groups);

    /// <summary>How it is computed. A compiled graph chooses by the sizes it was traced at (<c>CompileOptions.Winograd</c>).</summary>
    public ConvMethod Method { get; init; }

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, AddsResidual ? 3 : 2, AddsResidual ? 4 : 3);
        var result = Convolved(AddsResidual ? inputs[..^1] : inputs);
        FusedEpilogue.Check(this, inputs, AddsResidual, result);
        if (Method != ConvMethod.Direct && !ConvMethods.HasWinograd(SizesFor(inputs[0].Shape, inputs[1].Shape)))
            throw Rules.Broken(this, $"{Method} computes 3x3 convolutions of stride, dilation and groups 1, not these with weight {inputs[1].Shape}; use {nameof(ConvMethod.Direct)}");
        return [result];
    }

    internal override bool MayOverwrite(int input) => AddsResidual && input >= 2;

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (weight, sizes) = (inputs[1], SizesFor(inputs[0].Shape, inputs[1].Shape));
        var bias = inputs.Length - (AddsResidual ? 1 : 0) > 2 ? inputs[2].Pointer<float>() : null;
        var packed = PackedConvolution.Of(weight, sizes, ConvUse.Forward, Method) ?? new PackedConvWeights(sizes, weight.Pointer<float>(), method: Method);
        Conv.Forward(sizes, inputs[0].Pointer<float>(), packed, bias, outputs[0].Pointer<float>(), FusedEpilogue.Of(Activation, AddsResidual ? inputs[^1] : null));
    }

    /// <summary>The same convolution by the method that is fastest at these sizes, as measured on this machine if that may be and was done, else as estimated.</summary>
    internal FusedConv2d ByFastestMethod(Shape x, Shape weight, bool usesTuned)
    {
        var problem = ProblemFor(x, weight);
        return this with { Method = usesTuned ? ConvChoice.Of(problem) : ConvMethods.Fastest(problem.Shape, problem.Use, problem.Packs) };
    }

    /// <summary>What the method is chosen for.</summary>
    internal ConvProblem ProblemFor(Shape x, Shape weight) => new(SizesFor(x, weight), ConvUse.Forward, Packs: false);

    /// <summary>Packs the weight for the kernels, and drops the data as stored: from then on this op alone can use it.</summary>
    internal void Pack(Shape x, Tensor weight)
    {
        if (PackedConvolution.Of(weight, SizesFor(x, weight.Shape), ConvUse.Forward, Method) is not null)
            weight.DropData();
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        outputs[0].Shape.ElementCount * inputs[1].Shape.CountBetween(1, 4);
}

/// <summary>What fused ops have in common.</summary>
internal static class FusedEpilogue
{
    public static void Check(Op op, ReadOnlySpan<TensorSpec> inputs, bool addsResidual, TensorSpec result)
    {
        if (!addsResidual)
            return;
        Rules.Is(op, inputs[^1], DType.Float32, "residual");
        Rules.HasShape(op, inputs[^1], result.Shape, "residual");
    }

    public static unsafe Epilogue Of(ActivationOp? activation, Tensor? residual) => new()
    {
        Residual = residual is null ? null : residual.Pointer<float>(),
        Clamps = activation is Relu or Relu6,
        Low = 0,
        High = activation is Relu6 ? 6 : float.PositiveInfinity,
        Function = activation is Relu or Relu6 ? null : activation,
    };
}
