using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>e^x / Σ e^x over one axis; the largest x is subtracted first, so nothing overflows. A line of nothing but -∞ gives NaN.</summary>
public sealed record Softmax(int Axis) : Op
{
    public override Saved Saves => Saved.Output0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        inputs[0].Shape.NormalizeAxis(Axis, Name);
        return [inputs[0]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (outer, length, inner) = inputs[0].Shape.Around(Axis);
        Softmaxes.Forward(inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), outer, length, inner, log: false);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (y, dy) = (g.Output(), g.OutputGradient());
        return [GradMode.IsEnabled ? y * (dy - (dy * y).Sum([Axis], keepAxes: true)) : new SoftmaxGradient(Axis).Apply(dy, y)];
    }
}

/// <summary>The gradient of <see cref="Softmax"/> in one op: y · (dy - Σ dy · y), of the output's gradient dy and the output y. It has no gradient itself.</summary>
public sealed record SoftmaxGradient(int Axis) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        Rules.HasShape(this, inputs[1], inputs[0].Shape, "the output");
        inputs[0].Shape.NormalizeAxis(Axis, Name);
        return [inputs[0]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (outer, length, inner) = inputs[0].Shape.Around(Axis);
        Softmaxes.Gradient(inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), outputs[0].Pointer<float>(), outer, length, inner, log: false);
    }
}

public static partial class TensorOps
{
    /// <summary>e^x / Σ e^x over an axis.</summary>
    public static Tensor Softmax(this Tensor x, int axis = -1) => new Softmax(axis).Apply(x);
}
