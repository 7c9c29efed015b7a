namespace Vertebra.Ops;

/// <summary>True where a <see cref="DType.Bool"/> tensor is false.</summary>
public sealed record LogicalNot : Op
{
    public override bool IsDifferentiable => false;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        Rules.Is(this, inputs[0], DType.Bool, "the operand");
        return [inputs[0]];
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var source = inputs[0].AsSpan<bool>();
        var target = outputs[0].AsSpan<bool>();
        for (var i = 0; i < source.Length; i++)
            target[i] = !source[i];
    }
}

public static partial class TensorOps
{
    /// <summary>True where the tensor is false, element by element.</summary>
    public static Tensor LogicalNot(this Tensor x) => new LogicalNot().Apply(x);
}
