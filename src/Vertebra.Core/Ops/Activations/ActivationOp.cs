using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>
/// An activation function. Its gradient is one pass over memory, by <see cref="ActivationGradient"/>; where a second
/// derivative may be asked for (gradients are being recorded), it is built of ops instead.
/// </summary>
public abstract record ActivationOp : UnaryOp, Kernels.ILineFunction
{
    /// <summary>The gradient reads one tensor: the result where that is enough, else the operand.</summary>
    public override Saved Saves => Saved.Input0;

    /// <summary>The derivative as an expression of ops, in terms of the operand or, if that is what is saved, of the result.</summary>
    protected internal abstract Tensor Slope(Tensor saved);

    /// <summary>Applies the function to numbers where they lie, on the calling thread: as the last step of another op.</summary>
    internal abstract unsafe void Apply(float* line, long count);

    unsafe void Kernels.ILineFunction.Apply(float* line, long count) => Apply(line, count);

    /// <summary>The gradient in one pass: from the output's gradient and what is saved.</summary>
    internal abstract void ForwardGradient(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs);

    public sealed override Tensor?[] Gradient(GradientContext g)
    {
        var saved = Saves == Saved.Output0 ? g.Output() : g.Input(0);
        return [GradMode.IsEnabled ? g.OutputGradient() * Slope(saved) : new ActivationGradient(this).Apply(g.OutputGradient(), saved)];
    }

    private protected static unsafe void ComputeGradient<TOperator>(TOperator op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) where TOperator : struct, Kernels.IBinaryOperator =>
        Kernels.Elementwise.Run(op, inputs[0].Pointer<float>(), inputs[1].Pointer<float>(), outputs[0].Pointer<float>(), outputs[0].ElementCount);
}

/// <summary>The gradient of an activation in one pass: inputs are the output's gradient and what the activation saves. It has no gradient itself.</summary>
public sealed record ActivationGradient(ActivationOp Of) : Op
{
    public override string Name => $"{Of.Name}Gradient";

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.AllFloat32(this, inputs);
        Rules.HasShape(this, inputs[1], inputs[0].Shape, "what the activation saved");
        return [inputs[0]];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Of.ForwardGradient(inputs, outputs);
}
