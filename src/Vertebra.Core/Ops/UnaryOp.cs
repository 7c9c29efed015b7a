using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>A function of one float32 tensor, element by element.</summary>
public abstract record UnaryOp : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.AllFloat32(this, inputs);
        return [inputs[0]];
    }

    internal override bool MayOverwrite(int input) => true;

    private protected static unsafe void Compute<TOperator>(TOperator op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TOperator : struct, IUnaryOperator =>
        Elementwise.Run(op, inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), outputs[0].ElementCount);

    private protected static unsafe void ComputeScalar<TOperator>(TOperator op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TOperator : struct, IScalarOperator =>
        Elementwise.RunScalar(op, inputs[0].Pointer<float>(), outputs[0].Pointer<float>(), outputs[0].ElementCount);
}
