using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Batch normalisation with the batch's own statistics (training), otherwise as <see cref="BatchNorm"/>. Inputs: x, weight,
/// bias, and the residual if there is one. Outputs: the result, and the batch's mean and biased variance [C], from which the
/// module updates its running statistics; no gradient flows back through those two. Keeps x and the statistics for the
/// gradient (with a residual and an activation the result too).
/// </summary>
public sealed record BatchNormTraining(float Epsilon, Activation Activation = Activation.None, bool AddsResidual = false) : Op
{
    public override Saved Saves =>
        Saved.Input0 | Saved.Input1 | Saved.Input2 | Saved.Output1 | Saved.Output2 | BatchNormRules.SavedForResidual(Activation, AddsResidual);

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, AddsResidual ? 4 : 3);
        BatchNormRules.Check(this, inputs[0], inputs[1..], ["weight", "bias", "residual"]);
        var shape = inputs[0].Shape;
        if (shape.CountBetween(0, shape.Rank - 1) < 2)
            throw Rules.Broken(this, $"needs more than one value per channel for a variance, got shape {shape}; use a larger batch, or inference mode");
        var statistics = new TensorSpec([shape[-1]], DType.Float32);
        return [inputs[0], statistics, statistics];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var grid = BatchNormRules.GridOf(inputs[0].Shape);
        float* x = inputs[0].Pointer<float>(), mean = outputs[1].Pointer<float>(), variance = outputs[2].Pointer<float>();
        ColumnStatistics.Run(grid, x, mean, variance);
        BatchNormalization.Forward(grid, Activation, Epsilon, x, AddsResidual ? inputs[3].Pointer<float>() : null,
            inputs[1].Pointer<float>(), inputs[2].Pointer<float>(), mean, variance, outputs[0].Pointer<float>());
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var dy = BatchNormRules.GradientBeforeResidual(g, Activation, AddsResidual);
        var op = new BatchNormGradient(Epsilon, AddsResidual ? Activation.None : Activation, IsTraining: true);
        var gradients = op.ApplyAll(dy, g.Input(0), g.Input(1), g.Input(2), g.Output(1), g.Output(2));
        return AddsResidual ? [.. gradients, dy] : gradients;
    }
}

public static partial class TensorOps
{
    /// <summary>Batch normalisation with the batch's own statistics, with an optional residual added and an activation applied in the same pass.</summary>
    /// <param name="x">[..., C], channels last, with two or more values per channel.</param>
    /// <param name="weight">Scale per channel, [C].</param>
    /// <param name="bias">Shift per channel, [C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="activation">Applied last.</param>
    /// <param name="residual">Added before the activation; of x's shape.</param>
    /// <returns>The result, and the batch's mean and biased variance [C]; running variances take the unbiased one, n / (n - 1) times as large.</returns>
    public static (Tensor Result, Tensor Mean, Tensor Variance) BatchNormTraining(
        this Tensor x, Tensor weight, Tensor bias, float epsilon = 1e-5f, Activation activation = Activation.None, Tensor? residual = null)
    {
        var op = new BatchNormTraining(epsilon, activation, residual is not null);
        var outputs = residual is null ? op.ApplyAll(x, weight, bias) : op.ApplyAll(x, weight, bias, residual);
        return (outputs[0], outputs[1].Detach(), outputs[2].Detach());
    }
}
