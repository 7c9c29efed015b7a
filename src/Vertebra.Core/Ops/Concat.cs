using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>Joins tensors along one axis; the other axes and the dtype must agree. Any dtype.</summary>
public sealed record Concat(int Axis) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1, int.MaxValue);
        var first = inputs[0];
        var axis = first.Shape.NormalizeAxis(Axis, Name);
        long size = 0;
        for (var i = 0; i < inputs.Length; i++)
        {
            var shape = inputs[i].Shape;
            if (inputs[i].DType != first.DType)
                throw Rules.Broken(this, $"input {i} is {inputs[i]}, input 0 is {first}; convert with To");
            if (shape.Rank != first.Shape.Rank || shape.With(axis, 0) != first.Shape.With(axis, 0))
                throw Rules.Broken(this, $"input {i} of shape {shape} does not fit input 0 of shape {first.Shape}: all axes but axis {axis} must agree");
            size += shape[axis];
        }
        if (size > int.MaxValue)
            throw Rules.Broken(this, $"axis {axis} would have {size} positions");
        return [new(first.Shape.With(axis, (int)size), first.DType)];
    }

    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var axis = outputs[0].Shape.NormalizeAxis(Axis, Name);
        var strides = Layout.Strides(outputs[0].Shape);
        long start = 0;
        var copies = new ElementCopy[inputs.Length];
        for (var i = 0; i < copies.Length; i++)
        {
            copies[i] = Write(inputs[i], i, outputs[0], 0, start * strides[axis], strides);
            start += inputs[i].Shape[axis];
        }
        return copies;
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var gradients = new Tensor?[g.InputCount];
        var start = 0;
        for (var i = 0; i < gradients.Length; i++)
        {
            var size = g.InputSpec(i).Shape[Axis];
            if (g.Needs(i))
                gradients[i] = g.OutputGradient().Slice(Axis, start, start + size);
            start += size;
        }
        return gradients;
    }
}

public static partial class TensorOps
{
    extension(Tensor)
    {
        /// <summary>Joins tensors along one axis; their other axes agree.</summary>
        public static Tensor Concat(ReadOnlySpan<Tensor> tensors, int axis) => new Concat(axis).Apply(tensors);

        /// <summary>Joins tensors of one shape along a new axis: n tensors [2, 3] at axis 0 give [n, 2, 3].</summary>
        public static Tensor Stack(ReadOnlySpan<Tensor> tensors, int axis)
        {
            var parts = new Tensor[tensors.Length];
            for (var i = 0; i < parts.Length; i++)
                parts[i] = tensors[i].Unsqueeze(axis);
            return new Concat(axis).Apply(parts);
        }
    }
}
