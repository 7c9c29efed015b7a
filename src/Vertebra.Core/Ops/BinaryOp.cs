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

    private protected static unsafe void Compute<TOperator>(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TOperator : struct, IBinaryOperator
    {
        var shape = outputs[0].Shape;
        Broadcast.Run<TOperator>(inputs[0].Pointer<float>(), Padded(inputs[0].Shape, shape.Rank),
            inputs[1].Pointer<float>(), Padded(inputs[1].Shape, shape.Rank), outputs[0].Pointer<float>(), shape.Span);
    }

    private static int[] Padded(Shape shape, int rank) => [.. Enumerable.Repeat(1, rank - shape.Rank), .. shape.Span];
}
