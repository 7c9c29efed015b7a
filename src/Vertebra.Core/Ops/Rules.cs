namespace Vertebra.Ops;

/// <summary>Checks that shape rules share; each throws a <see cref="ShapeException"/> that names the operation and the rule.</summary>
internal static class Rules
{
    public static void Arity(Op op, ReadOnlySpan<TensorSpec> inputs, int least, int most)
    {
        if (inputs.Length < least || inputs.Length > most)
            throw new ShapeException($"{op.Name}: takes {(least == most ? $"{least}" : $"{least} to {most}")} inputs, got {inputs.Length}");
    }

    public static void Arity(Op op, ReadOnlySpan<TensorSpec> inputs, int count) => Arity(op, inputs, count, count);

    public static void Is(Op op, TensorSpec input, DType dtype, string what = "input")
    {
        if (input.DType != dtype)
            throw new ShapeException($"{op.Name}: {what} must be {dtype}, got {input.DType}{input.Shape}; convert it with To({dtype})");
    }

    public static void AllFloat32(Op op, ReadOnlySpan<TensorSpec> inputs)
    {
        foreach (var input in inputs)
            Is(op, input, DType.Float32);
    }

    public static void Rank(Op op, TensorSpec input, int rank, string axes)
    {
        if (input.Shape.Rank != rank)
            throw new ShapeException($"{op.Name}: input must be {axes} (rank {rank}), got shape {input.Shape}");
    }

    public static void HasShape(Op op, TensorSpec input, Shape expected, string what)
    {
        if (input.Shape != expected)
            throw new ShapeException($"{op.Name}: {what} must have shape {expected}, got {input.Shape}");
    }

    /// <summary>Every axis is one of the shape's, and named once.</summary>
    public static void DistinctAxes(Op op, IntList axes, Shape shape)
    {
        var seen = new HashSet<int>();
        foreach (var axis in axes)
        {
            if (!seen.Add(shape.NormalizeAxis(axis, op.Name)))
                throw Broken(op, $"axes {axes} name axis {axis} twice");
        }
    }

    /// <summary>Checks the values of an int64 tensor before a kernel uses them as positions on an axis.</summary>
    public static void IndicesLieIn(Op op, Tensor index, Shape shape, int axis)
    {
        var size = (ulong)shape[axis];
        var values = index.AsSpan<long>();
        for (var i = 0; i < values.Length; i++)
        {
            if ((ulong)values[i] >= size)
                throw new VertebraException($"{op.Name}: index {values[i]} (element {i} of the index tensor) is outside axis {axis} of shape {shape}");
        }
    }

    public static ShapeException Broken(Op op, string message) => new($"{op.Name}: {message}");
}
