using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Group normalisation: <c>act((x - mean) / √(variance + ε) · weight + bias)</c>, with mean and biased variance of all positions
/// of an image and <c>C / Groups</c> neighbouring channels. Wu and He, "Group Normalization", ECCV 2018; as many groups as
/// channels make it instance normalisation. Inputs: x [N, ..., C], weight and bias [C]. Outputs: the result, and every group's
/// mean and 1 / √(variance + ε), [N, groups], which the gradient keeps.
/// </summary>
public sealed record GroupNorm(int Groups, float Epsilon, Activation Activation = Activation.None) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Input2 | Saved.Output1 | Saved.Output2;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        BatchNormRules.Check(this, inputs[0], inputs[1..], ["weight", "bias"]);
        var x = inputs[0].Shape;
        if (Groups < 1 || x[-1] % Groups != 0)
            throw Rules.Broken(this, $"input {x} has {x[-1]} channels, which {Groups} groups do not divide");
        var statistics = new TensorSpec([x[0], Groups], DType.Float32);
        return [inputs[0], statistics, statistics];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        GroupNormalization.Forward(GroupNormGradient.GridOf(inputs[0].Shape), Groups, Activation, Epsilon, inputs[0].Pointer<float>(), inputs[1].Pointer<float>(),
            inputs[2].Pointer<float>(), outputs[0].Pointer<float>(), outputs[1].Pointer<float>(), outputs[2].Pointer<float>());

    public override Tensor?[] Gradient(GradientContext g) =>
        new GroupNormGradient(Groups, Activation).ApplyAll(g.OutputGradient(), g.Input(0), g.Input(1), g.Input(2), g.Output(1), g.Output(2));
}

/// <summary>
/// The gradients of <see cref="GroupNorm"/>. Inputs: the result's gradient, x, weight, bias, and the groups' means and inverse
/// deviations. Outputs: the gradients of x, weight and bias. It has no second derivative.
/// </summary>
public sealed record GroupNormGradient(int Groups, Activation Activation) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 6);
        BatchNormRules.Check(this, inputs[1], inputs[2..4], ["weight", "bias"]);
        Rules.HasShape(this, inputs[0], inputs[1].Shape, "the result's gradient");
        return [.. inputs[1..4]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        GroupNormalization.Backward(GridOf(inputs[1].Shape), Groups, Activation, inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), inputs[2].Pointer<float>(),
            inputs[3].Pointer<float>(), inputs[4].Pointer<float>(), inputs[5].Pointer<float>(),
            outputs[0].Pointer<float>(), outputs[1].Pointer<float>(), outputs[2].Pointer<float>());

    /// <summary>One segment for each image.</summary>
    internal static ColumnGrid GridOf(Shape x) => new(x[0], x.CountBetween(1, x.Rank - 1), x[-1]);
}

public static partial class TensorOps
{
    /// <summary>Group normalisation of channels-last images.</summary>
    /// <param name="x">[N, ..., C].</param>
    /// <param name="groups">Number of groups; it divides C.</param>
    /// <param name="weight">Scale per channel, [C]; ones if null.</param>
    /// <param name="bias">Shift per channel, [C]; zeros if null.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="activation">Applied last.</param>
    public static Tensor GroupNorm(
        this Tensor x, int groups, Tensor? weight = null, Tensor? bias = null, float epsilon = 1e-5f, Activation activation = Activation.None)
    {
        var channels = x.Rank == 0 ? 0 : x.Shape[-1];
        return new GroupNorm(groups, epsilon, activation).Apply(x, weight ?? Tensor.Ones([channels]), bias ?? Tensor.Zeros([channels]));
    }

    /// <summary>Instance normalisation of channels-last images: every channel of every image on its own.</summary>
    /// <inheritdoc cref="GroupNorm(Tensor, int, Tensor?, Tensor?, float, Activation)"/>
    public static Tensor InstanceNorm(this Tensor x, Tensor? weight = null, Tensor? bias = null, float epsilon = 1e-5f, Activation activation = Activation.None) =>
        x.GroupNorm(x.Rank == 0 ? 1 : x.Shape[-1], weight, bias, epsilon, activation);
}
