using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// One element of x for every element of an int64 index, which has x's shape but for its size on <paramref name="Axis"/>:
/// result[i, j, k] = x[i, index[i, j, k], k] for axis 1. x is of any dtype.
/// </summary>
public sealed record Gather(int Axis) : Op
{
    public override Saved Saves => Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        CheckIndex(this, inputs[0].Shape, inputs[1], Axis);
        return [new(inputs[1].Shape, inputs[0].DType)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, y) = (inputs[0], outputs[0]);
        var index = inputs[1].Pointer<long>();
        var (axis, outer, count, inner) = Extents(x.Shape, inputs[1].Shape, Axis);
        Rules.IndicesLieIn(this, inputs[1], x.Shape, axis);
        var size = x.Shape[axis];
        switch (x.DType.Size())
        {
            case 1: Indexing.Gather(x.DataPointer, size, index, count, y.DataPointer, outer, inner); break;
            case 2: Indexing.Gather((ushort*)x.DataPointer, size, index, count, (ushort*)y.DataPointer, outer, inner); break;
            case 4: Indexing.Gather((uint*)x.DataPointer, size, index, count, (uint*)y.DataPointer, outer, inner); break;
            default: Indexing.Gather((ulong*)x.DataPointer, size, index, count, (ulong*)y.DataPointer, outer, inner); break;
        }
    }

    public override Tensor?[] Gradient(GradientContext g) =>
        [Tensor.Zeros(g.InputSpec(0).Shape).ScatterAdd(Axis, g.Input(1), g.OutputGradient()), null];

    internal static void CheckIndex(Op op, Shape x, TensorSpec index, int axis)
    {
        Rules.Is(op, index, DType.Int64, "index");
        axis = x.NormalizeAxis(axis, op.Name);
        if (index.Shape.Rank != x.Rank || index.Shape.With(axis, 0) != x.With(axis, 0))
            throw Rules.Broken(op, $"index of shape {index.Shape} must agree with shape {x} in all axes but axis {axis}");
    }

    internal static (int Axis, int Outer, int Count, int Inner) Extents(Shape x, Shape index, int axis)
    {
        axis = axis < 0 ? axis + x.Rank : axis;
        return (axis, checked((int)x.CountBetween(0, axis)), index[axis], checked((int)x.CountBetween(axis + 1, x.Rank)));
    }
}

/// <summary>
/// x with the elements of source added where an int64 index of source's shape says; equal indices add up, in order:
/// result[i, index[i, j, k], k] += source[i, j, k] for axis 1. Inputs: x, index, source; shapes agree but for
/// <paramref name="Axis"/>. Float32.
/// </summary>
public sealed record ScatterAdd(int Axis) : Op
{
    public override Saved Saves => Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.Is(this, inputs[0], DType.Float32);
        Rules.Is(this, inputs[2], DType.Float32, "source");
        Gather.CheckIndex(this, inputs[0].Shape, inputs[1], Axis);
        Rules.HasShape(this, inputs[2], inputs[1].Shape, "source");
        return [inputs[0]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, index) = (inputs[0], inputs[1]);
        var (axis, outer, count, inner) = Gather.Extents(x.Shape, index.Shape, Axis);
        Rules.IndicesLieIn(this, index, x.Shape, axis);
        outputs[0].CopyFrom(x);
        Indexing.ScatterAdd(outputs[0].Pointer<float>(), x.Shape[axis], index.Pointer<long>(), count, inputs[2].Pointer<float>(), outer, inner);
    }

    public override Tensor?[] Gradient(GradientContext g) =>
        [g.OutputGradient(), null, g.Needs(2) ? g.OutputGradient().Gather(Axis, g.Input(1)) : null];
}

public static partial class TensorOps
{
    /// <summary>result[i, j, k] = x[i, index[i, j, k], k] for axis 1: one element per int64 index; the shapes agree in the other axes.</summary>
    /// <exception cref="VertebraException">An index lies outside the axis.</exception>
    public static Tensor Gather(this Tensor x, int axis, Tensor index) => new Gather(axis).Apply(x, index);

    /// <summary>result = x, then result[i, index[i, j, k], k] += source[i, j, k] for axis 1; equal indices add up.</summary>
    /// <exception cref="VertebraException">An index lies outside the axis.</exception>
    public static Tensor ScatterAdd(this Tensor x, int axis, Tensor index, Tensor source) => new ScatterAdd(axis).Apply(x, index, source);
}
