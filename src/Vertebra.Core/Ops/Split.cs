using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>Cuts one axis into consecutive pieces of the given sizes, which add up to the axis. Any dtype.</summary>
public sealed record Split(IntList Sizes, int Axis) : CopyOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        var axis = shape.NormalizeAxis(Axis, Name);
        long total = 0;
        foreach (var size in Sizes)
            total += size >= 0 ? size : throw Rules.Broken(this, $"sizes {Sizes} hold a negative one");
        if (Sizes.Count == 0 || total != shape[axis])
            throw Rules.Broken(this, $"sizes {Sizes} add up to {total}, axis {axis} of shape {shape} has {shape[axis]}");
        var dtype = inputs[0].DType;
        return Array.ConvertAll(Sizes.Span.ToArray(), size => new TensorSpec(shape.With(axis, size), dtype));
    }

    private protected override ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var axis = inputs[0].Shape.NormalizeAxis(Axis, Name);
        var strides = Layout.Strides(inputs[0].Shape);
        long start = 0;
        var copies = new ElementCopy[outputs.Length];
        for (var i = 0; i < copies.Length; i++)
        {
            copies[i] = Read(inputs[0], 0, start * strides[axis], strides, outputs[i], i);
            start += outputs[i].Shape[axis];
        }
        return copies;
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var parts = new Tensor[Sizes.Count];
        for (var i = 0; i < parts.Length; i++)
            parts[i] = g.OutputGradient(i);
        return [Tensor.Concat(parts, Axis)];
    }
}

public static partial class TensorOps
{
    /// <summary>Consecutive pieces of one axis; the sizes add up to it.</summary>
    public static Tensor[] Split(this Tensor x, IntList sizes, int axis) => new Split(sizes, axis).ApplyAll(x);

    /// <summary><paramref name="pieces"/> equal pieces of one axis.</summary>
    /// <exception cref="ShapeException">The axis does not divide into that many equal pieces.</exception>
    public static Tensor[] Chunk(this Tensor x, int pieces, int axis)
    {
        var size = x.Shape[x.Shape.NormalizeAxis(axis, nameof(Chunk))];
        if (pieces < 1 || size % pieces != 0)
            throw new ShapeException($"Chunk: axis {axis} of shape {x.Shape} does not divide into {pieces} equal pieces");
        return x.Split(Enumerable.Repeat(size / pieces, pieces).ToArray(), axis);
    }
}
