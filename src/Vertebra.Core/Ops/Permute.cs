using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>The axes in another order: axis i of the output is axis <c>Order[i]</c> of the input. Any dtype.</summary>
public sealed record Permute(IntList Order) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        return [new(Array.ConvertAll(Normalized(shape), axis => shape[axis]), inputs[0].DType)];
    }

    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var strides = Layout.Strides(inputs[0].Shape);
        return [Read(inputs[0], 0, 0, Array.ConvertAll(Normalized(inputs[0].Shape), axis => strides[axis]), outputs[0], 0)];
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var order = Normalized(g.InputSpec(0).Shape);
        var inverse = new int[order.Length];
        for (var i = 0; i < order.Length; i++)
            inverse[order[i]] = i;
        return [g.OutputGradient().Permute(inverse)];
    }

    private int[] Normalized(Shape shape)
    {
        if (Order.Count != shape.Rank)
            throw Rules.Broken(this, $"order {Order} must name each of the {shape.Rank} axes of shape {shape} once");
        var order = new int[shape.Rank];
        var seen = new bool[shape.Rank];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = shape.NormalizeAxis(Order[i], Name);
            if (seen[order[i]])
                throw Rules.Broken(this, $"order {Order} names axis {order[i]} twice; shape {shape}");
            seen[order[i]] = true;
        }
        return order;
    }
}

public static partial class TensorOps
{
    /// <summary>The axes in another order: axis i of the result is axis <paramref name="order"/>[i] of this tensor (negative counts from the end).</summary>
    public static Tensor Permute(this Tensor x, IntList order) => new Permute(order).Apply(x);

    /// <summary>Two axes exchanged.</summary>
    public static Tensor Transpose(this Tensor x, int a, int b)
    {
        var order = Enumerable.Range(0, x.Rank).ToArray();
        (a, b) = (x.Shape.NormalizeAxis(a, nameof(Transpose)), x.Shape.NormalizeAxis(b, nameof(Transpose)));
        (order[a], order[b]) = (b, a);
        return x.Permute(order);
    }
}
