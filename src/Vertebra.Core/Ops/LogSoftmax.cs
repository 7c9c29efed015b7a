using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x - log Σ e^x over one axis; the largest x is subtracted first, so nothing overflows. A line of nothing but -∞ gives NaN.</summary>
public sealed record LogSoftmax(int Axis) : Op
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
        Softmaxes.Forward(inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), outer, length, inner, log: true);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (y, dy) = (g.Output(), g.OutputGradient());
        return [GradMode.IsEnabled ? dy - (y.Exp() * dy.Sum([Axis], keepAxes: true)) : new LogSoftmaxGradient(Axis).Apply(dy, y)];
    }
}

/// <summary>The gradient of <see cref="LogSoftmax"/> in one op: dy - e^y · Σ dy, of the output's gradient dy and the output y. It has no gradient itself.</summary>
public sealed record LogSoftmaxGradient(int Axis) : Op
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
        Softmaxes.Gradient(inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), outputs[0].Pointer<float>(), outer, length, inner, log: true);
    }
}

public static partial class TensorOps
{
    /// <summary>x - log Σ e^x over an axis.</summary>
    public static Tensor LogSoftmax(this Tensor x, int axis = -1) => new LogSoftmax(axis).Apply(x);
}
