using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// The gradients of <see cref="BatchNorm"/> and <see cref="BatchNormTraining"/> in two passes over the data. Inputs: the
/// result's gradient, x, weight, bias, mean and variance. Outputs: the gradients of x, weight and bias, and unless training
/// those of mean and variance. It has no second derivative.
/// </summary>
public sealed record BatchNormGradient(float Epsilon, Activation Activation, bool IsTraining) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 6);
        BatchNormRules.Check(this, inputs[1], inputs[2..], ["weight", "bias", "mean", "variance"]);
        Rules.HasShape(this, inputs[0], inputs[1].Shape, "the result's gradient");
        return IsTraining ? [.. inputs[1..4]] : [.. inputs[1..6]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        float* weight = inputs[2].Pointer<float>(), variance = inputs[5].Pointer<float>();
        float* dweight = outputs[1].Pointer<float>(), dbias = outputs[2].Pointer<float>();
        BatchNormalization.Gradient(BatchNormRules.GridOf(inputs[1].Shape), Activation, Epsilon, IsTraining, inputs[0].Pointer<float>(),
            inputs[1].Pointer<float>(), weight, inputs[3].Pointer<float>(), inputs[4].Pointer<float>(), variance,
            outputs[0].Pointer<float>(), dweight, dbias);
        if (IsTraining)
            return;
        float* dmean = outputs[3].Pointer<float>(), dvariance = outputs[4].Pointer<float>();
        for (var c = 0; c < outputs[3].ElementCount; c++)
        {
            var inverse = BatchNormalization.InverseDeviation(variance[c], Epsilon);
            dmean[c] = (float)(-weight[c] * inverse * dbias[c]);
            dvariance[c] = (float)(-0.5 * weight[c] * inverse * inverse * dweight[c]);
        }
    }
}

/// <summary>
/// A gradient taken back through an activation, given the activation's result: inputs the result and its gradient, output
/// gradient · f'. The slope of every <see cref="Kernels.Activation"/> is constant between its kinks, so the second derivative is zero there.
/// </summary>
public sealed record ActivationGate(Activation Activation) : Op
{
    public override Saved Saves => Saved.Input0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        Rules.HasShape(this, inputs[1], inputs[0].Shape, "the gradient");
        return [inputs[0]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        ChannelAffine.Gate(Activation, inputs[0].ElementCount, inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), outputs[0].Pointer<float>());

    public override Tensor?[] Gradient(Autograd.GradientContext g) => [null, Apply(g.Input(0), g.OutputGradient())];
}
