using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>A function of two <see cref="DType.Bool"/> tensors, element by element, with NumPy's broadcasting.</summary>
public abstract record LogicalOp : Op
{
    public override bool IsDifferentiable => false;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.Is(this, inputs[0], DType.Bool, "the first operand");
        Rules.Is(this, inputs[1], DType.Bool, "the second operand");
        return [new(Shape.Broadcast(inputs[0].Shape, inputs[1].Shape, Name), DType.Bool)];
    }

    private protected static unsafe void Compute<TCondition>(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TCondition : struct, IComparison =>
        Comparisons.Run<TCondition, byte>(inputs[0].DataPointer, inputs[0].Shape.Span, inputs[1].DataPointer, inputs[1].Shape.Span,
            outputs[0].DataPointer, outputs[0].Shape.Span);
}
