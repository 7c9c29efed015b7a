using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>A condition on two tensors of one element type, element by element, with NumPy's broadcasting; the result is of <see cref="DType.Bool"/>. NaN equals nothing and has no order.</summary>
public abstract record Comparison : Op
{
    public override bool IsDifferentiable => false;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        if (inputs[0].DType != inputs[1].DType)
            throw Rules.Broken(this, $"the operands must be of one element type, got {inputs[0]} and {inputs[1]}; convert one with To");
        if (inputs[0].DType is DType.BFloat16)
            throw Rules.Broken(this, $"{inputs[0]} is not compared; convert it with To({DType.Float32})");
        return [new(Shape.Broadcast(inputs[0].Shape, inputs[1].Shape, Name), DType.Bool)];
    }

    private protected static void Compute<TComparison>(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TComparison : struct, IComparison
    {
        switch (inputs[0].DType)
        {
            case DType.Float32: Compute<TComparison, float>(inputs, outputs); break;
            case DType.Float64: Compute<TComparison, double>(inputs, outputs); break;
            case DType.Float16: Compute<TComparison, Half>(inputs, outputs); break;
            case DType.Int8: Compute<TComparison, sbyte>(inputs, outputs); break;
            case DType.Int32: Compute<TComparison, int>(inputs, outputs); break;
            case DType.Int64: Compute<TComparison, long>(inputs, outputs); break;
            default: Compute<TComparison, byte>(inputs, outputs); break; // UInt8 and Bool
        }
    }

    private static unsafe void Compute<TComparison, T>(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
        where TComparison : struct, IComparison
        where T : unmanaged, System.Numerics.INumber<T> =>
        Comparisons.Run<TComparison, T>((T*)inputs[0].DataPointer, inputs[0].Shape.Span, (T*)inputs[1].DataPointer, inputs[1].Shape.Span,
            outputs[0].DataPointer, outputs[0].Shape.Span);
}
