using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Element by element, a where the condition is true, else b; broadcast. The condition is of <see cref="DType.Bool"/>, a and b float32.</summary>
public sealed record Where : Op
{
    public override Saved Saves => Saved.Input0;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.Is(this, inputs[0], DType.Bool, "the condition");
        Rules.AllFloat32(this, inputs[1..]);
        return [new(Shape.Broadcast(inputs[0].Shape, Shape.Broadcast(inputs[1].Shape, inputs[2].Shape, Name), Name), DType.Float32)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        Selections.Run((byte*)inputs[0].Pointer<bool>(), inputs[0].Shape.Span, inputs[1].Pointer<float>(), inputs[1].Shape.Span,
            inputs[2].Pointer<float>(), inputs[2].Shape.Span, outputs[0].Pointer<float>(), outputs[0].Shape.Span);

    public override Tensor?[] Gradient(GradientContext g)
    {
        var zero = Tensor.Scalar(0);
        return
        [
            null,
            g.Needs(1) ? new Where().Apply(g.Input(0), g.OutputGradient(), zero).SumTo(g.InputSpec(1).Shape) : null,
            g.Needs(2) ? new Where().Apply(g.Input(0), zero, g.OutputGradient()).SumTo(g.InputSpec(2).Shape) : null,
        ];
    }
}

public static partial class TensorOps
{
    /// <summary>Element by element, <paramref name="a"/> where <paramref name="condition"/> is true, else <paramref name="b"/>; broadcast.</summary>
    public static Tensor Where(this Tensor condition, Tensor a, Tensor b) => new Where().Apply(condition, a, b);

    /// <summary>Element by element, <paramref name="a"/> where <paramref name="condition"/> is true, else a number.</summary>
    public static Tensor Where(this Tensor condition, Tensor a, float b) => condition.Where(a, Tensor.Scalar(b));

    /// <summary>Element by element, a number where <paramref name="condition"/> is true, else <paramref name="b"/>.</summary>
    public static Tensor Where(this Tensor condition, float a, Tensor b) => condition.Where(Tensor.Scalar(a), b);
}
