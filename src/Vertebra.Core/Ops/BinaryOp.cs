using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>A function of two float32 tensors, element by element, with NumPy's broadcasting.</summary>
public abstract record BinaryOp : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        return [new(Shape.Broadcast(inputs[0].Shape, inputs[1].Shape, Name), DType.Float32)];
    }

    internal override bool MayOverwrite(int input) => true;

    private protected static unsafe void Compute<TOperator>(TOperator op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TOperator : struct, IBinaryOperator =>
        Broadcast.Run(op, inputs[0].Pointer<float>(), inputs[0].Shape.Span, inputs[1].Pointer<float>(), inputs[1].Shape.Span,
            outputs[0].Pointer<float>(), outputs[0].Shape.Span);
}
