using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Batch normalisation with given statistics (inference): <c>act((x - mean) / √(variance + ε) · weight + bias [+ residual])</c>
/// per channel, which is the last axis. Ioffe and Szegedy, "Batch Normalization", ICML 2015.
/// Inputs: x of rank 2 or more, weight, bias, mean and variance [C], and the residual of x's shape if there is one.
/// </summary>
public sealed record BatchNorm(float Epsilon, Activation Activation = Activation.None, bool AddsResidual = false) : Op
{
    /// <summary>Share of a batch in the running statistics when a graph with this op is trained; inference does not read it.</summary>
    public float Momentum { get; init; } = 0.1f;

    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Input2 | Saved.Input3 | Saved.Input4 | BatchNormRules.SavedForResidual(Activation, AddsResidual);

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, AddsResidual ? 6 : 5);
        BatchNormRules.Check(this, inputs[0], inputs[1..], ["weight", "bias", "mean", "variance", "residual"]);
        return [inputs[0]];
    }

    internal override bool MayOverwrite(int input) => input is 0 or 5;

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        BatchNormalization.Forward(BatchNormRules.GridOf(inputs[0].Shape), Activation, Epsilon, inputs[0].Pointer<float>(),
            AddsResidual ? inputs[5].Pointer<float>() : null, inputs[1].Pointer<float>(), inputs[2].Pointer<float>(),
            inputs[3].Pointer<float>(), inputs[4].Pointer<float>(), outputs[0].Pointer<float>());

    public override Tensor?[] Gradient(GradientContext g)
    {
        var dy = BatchNormRules.GradientBeforeResidual(g, Activation, AddsResidual);
        var op = new BatchNormGradient(Epsilon, AddsResidual ? Activation.None : Activation, IsTraining: false);
        var gradients = op.ApplyAll(dy, g.Input(0), g.Input(1), g.Input(2), g.Input(3), g.Input(4));
        return AddsResidual ? [.. gradients, dy] : gradients;
    }
}

/// <summary>What inference and training have in common.</summary>
internal static class BatchNormRules
{
    /// <summary>x is channels-last; vectors have one number per channel, the residual x's shape.</summary>
    public static void Check(Op op, TensorSpec x, ReadOnlySpan<TensorSpec> others, ReadOnlySpan<string> names)
    {
        Rules.Is(op, x, DType.Float32);
        if (x.Shape.Rank < 2)
            throw Rules.Broken(op, $"input must be channels-last with rank 2 or more, got shape {x.Shape}");
        for (var i = 0; i < others.Length; i++)
        {
            Rules.Is(op, others[i], DType.Float32, names[i]);
            Rules.HasShape(op, others[i], names[i] == "residual" ? x.Shape : [x.Shape[-1]], names[i]);
        }
    }

    public static ColumnGrid GridOf(Shape x) => new(1, x.CountBetween(0, x.Rank - 1), x[-1]);

    // The sum's sign is that of the result, so with a residual the result is kept instead of both addends;
    // the convolution that follows keeps it anyway.
    public static Saved SavedForResidual(Activation activation, bool addsResidual) =>
        addsResidual && activation != Activation.None ? Saved.Output0 : Saved.None;

    /// <summary>With a residual, the gradient of the sum before the activation; it is the residual's gradient too.</summary>
    public static Tensor GradientBeforeResidual(GradientContext g, Activation activation, bool addsResidual) =>
        addsResidual && activation != Activation.None ? new ActivationGate(activation).Apply(g.Output(), g.OutputGradient()) : g.OutputGradient();
}

public static partial class TensorOps
{
    /// <summary>Batch normalisation with given statistics, with an optional residual added and an activation applied in the same pass.</summary>
    /// <param name="x">[..., C], channels last.</param>
    /// <param name="weight">Scale per channel, [C].</param>
    /// <param name="bias">Shift per channel, [C].</param>
    /// <param name="mean">Running mean, [C].</param>
    /// <param name="variance">Running variance, [C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="activation">Applied last.</param>
    /// <param name="residual">Added before the activation; of x's shape.</param>
    /// <param name="momentum">Share of a batch in the running statistics, for graphs that are trained later.</param>
    public static Tensor BatchNorm(
        this Tensor x, Tensor weight, Tensor bias, Tensor mean, Tensor variance, float epsilon = 1e-5f, Activation activation = Activation.None, Tensor? residual = null,
        float momentum = 0.1f)
    {
        var op = new BatchNorm(epsilon, activation, residual is not null) { Momentum = momentum };
        return residual is null ? op.Apply(x, weight, bias, mean, variance) : op.Apply(x, weight, bias, mean, variance, residual);
    }
}
