using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Layer normalisation over the last <paramref name="Axes"/> axes: <c>(x - mean) / √(variance + ε) · weight + bias</c>, with mean
/// and biased variance of those axes. Ba, Kiros and Hinton, "Layer Normalization", 2016. Inputs: x, and weight and bias of the
/// normalised axes' shape. Outputs: the result, and the mean and 1 / √(variance + ε) of every row, which the gradient keeps.
/// </summary>
public sealed record LayerNorm(float Epsilon, int Axes = 1) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Output1 | Saved.Output2;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.AllFloat32(this, inputs);
        var x = inputs[0].Shape;
        if (Axes < 1 || Axes > x.Rank)
            throw Rules.Broken(this, $"input {x} has no {Axes} last axes to normalise");
        Shape normalised = x.Span[^Axes..].ToArray();
        Rules.HasShape(this, inputs[1], normalised, "weight");
        Rules.HasShape(this, inputs[2], normalised, "bias");
        var statistics = new TensorSpec(x.Span[..^Axes].ToArray(), DType.Float32);
        return [inputs[0], statistics, statistics];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        LayerNormalization.Forward(outputs[1].ElementCount, (int)inputs[1].ElementCount, Epsilon, inputs[0].Pointer<float>(), inputs[1].Pointer<float>(),
            inputs[2].Pointer<float>(), outputs[0].Pointer<float>(), outputs[1].Pointer<float>(), outputs[2].Pointer<float>());

    public override Tensor?[] Gradient(GradientContext g) =>
        new LayerNormGradient().ApplyAll(g.OutputGradient(), g.Input(0), g.Input(1), g.Output(1), g.Output(2));
}

/// <summary>
/// The gradients of <see cref="LayerNorm"/>. Inputs: the result's gradient, x, weight, and the rows' means and inverse deviations.
/// Outputs: the gradients of x, weight and bias. It has no second derivative.
/// </summary>
public sealed record LayerNormGradient : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 5);
        Rules.AllFloat32(this, inputs);
        Rules.HasShape(this, inputs[0], inputs[1].Shape, "the result's gradient");
        return [inputs[1], inputs[2], inputs[2]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        LayerNormalization.Backward(inputs[3].ElementCount, (int)inputs[2].ElementCount, inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), inputs[2].Pointer<float>(),
            inputs[3].Pointer<float>(), inputs[4].Pointer<float>(), outputs[0].Pointer<float>(), outputs[1].Pointer<float>(), outputs[2].Pointer<float>());
}

public static partial class TensorOps
{
    /// <summary>Layer normalisation over the last axis, or the last axes that <paramref name="axes"/> counts.</summary>
    /// <param name="x">Any shape; [..., C] for one axis.</param>
    /// <param name="weight">Scale, of the normalised axes' shape; ones if null.</param>
    /// <param name="bias">Shift, of the same shape; zeros if null.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="axes">How many of the last axes are normalised together.</param>
    public static Tensor LayerNorm(this Tensor x, Tensor? weight = null, Tensor? bias = null, float epsilon = 1e-5f, int axes = 1)
    {
        Shape normalised = axes >= 1 && axes <= x.Rank ? x.Shape.Span[^axes..].ToArray() : [];
        return new LayerNorm(epsilon, axes).Apply(x, weight ?? Tensor.Ones(normalised), bias ?? Tensor.Zeros(normalised));
    }
}
