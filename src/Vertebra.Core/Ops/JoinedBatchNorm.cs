using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// <see cref="BatchNorm"/> of tensors joined along their channels, which are joined nowhere else: each is read where it lies. For
/// inference; it has no gradient. Inputs: tensors [..., Ci], which agree in all axes but the last, then weight, bias, mean and variance
/// [C], C the sum of the Ci. Output: act((x - mean) / √(variance + ε) · weight + bias), [..., C].
/// </summary>
public sealed record JoinedBatchNorm(float Epsilon, Activation Activation) : Op
{
    private const int Parameters = 4;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1 + Parameters, int.MaxValue);
        var joined = new Concat(-1).Infer(inputs[..^Parameters])[0];
        BatchNormRules.Check(this, joined, inputs[^Parameters..], ["weight", "bias", "mean", "variance"]);
        return [joined];
    }

    internal override unsafe object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var plan = new Plan(new nint[inputs.Length - Parameters], new int[inputs.Length - Parameters]);
        for (var i = 0; i < plan.Widths.Length; i++)
            plan.Widths[i] = inputs[i].Shape[-1];
        return plan;
    }

    internal override unsafe void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var plan = (Plan)prepared!;
        for (var i = 0; i < plan.Pieces.Length; i++)
            plan.Pieces[i] = (nint)inputs[i].Pointer<float>();
        var y = outputs[0];
        var parameters = inputs[^Parameters..];
        BatchNormalization.ForwardJoined(y.Shape.CountBetween(0, y.Rank - 1), y.Shape[-1], Activation, Epsilon, plan.Pieces, plan.Widths,
            parameters[0].Pointer<float>(), parameters[1].Pointer<float>(), parameters[2].Pointer<float>(), parameters[3].Pointer<float>(), y.Pointer<float>());
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    private sealed record Plan(nint[] Pieces, int[] Widths);
}
