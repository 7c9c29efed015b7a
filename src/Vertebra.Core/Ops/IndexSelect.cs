using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// The positions of one axis named by an int64 vector, in its order. Inputs: x (any dtype), index [n].
/// An index outside the axis is an error; negative ones too.
/// </summary>
public sealed record IndexSelect(int Axis) : Op
{
    public override Saved Saves => Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        Rules.Is(this, inputs[1], DType.Int64, "index");
        if (inputs[1].Shape.Rank != 1)
            throw Rules.Broken(this, $"index must be a vector, got shape {inputs[1].Shape}; see Gather for one index per element");
        return [new(inputs[0].Shape.With(inputs[0].Shape.NormalizeAxis(Axis, Name), inputs[1].Shape[0]), inputs[0].DType)];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, index) = (inputs[0], inputs[1]);
        var axis = x.Shape.NormalizeAxis(Axis, Name);
        Rules.IndicesLieIn(this, index, x.Shape, axis);
        Indexing.Select(x.DataPointer, x.Shape[axis], index.Pointer<long>(), index.Shape[0], outputs[0].DataPointer,
            checked((int)x.Shape.CountBetween(0, axis)), x.Shape.CountBetween(axis + 1, x.Rank) * x.DType.Size());
    }

    public override Tensor?[] Gradient(GradientContext g) =>
        [Tensor.Zeros(g.InputSpec(0).Shape).IndexAdd(Axis, g.Input(1), g.OutputGradient()), null];
}

/// <summary>
/// x with the positions of <paramref name="Axis"/> that an int64 vector names increased by those of another tensor; repeated
/// indices add up, in order. Inputs: x, index [n], source (shape of x with n positions on the axis).
/// </summary>
public sealed record IndexAdd(int Axis) : Op
{
    public override Saved Saves => Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3);
        Rules.Is(this, inputs[0], DType.Float32);
        Rules.Is(this, inputs[1], DType.Int64, "index");
        Rules.Is(this, inputs[2], DType.Float32, "source");
        if (inputs[1].Shape.Rank != 1)
            throw Rules.Broken(this, $"index must be a vector, got shape {inputs[1].Shape}; see ScatterAdd for one index per element");
        Rules.HasShape(this, inputs[2], inputs[0].Shape.With(inputs[0].Shape.NormalizeAxis(Axis, Name), inputs[1].Shape[0]), "source");
        return [inputs[0]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, index) = (inputs[0], inputs[1]);
        var axis = x.Shape.NormalizeAxis(Axis, Name);
        Rules.IndicesLieIn(this, index, x.Shape, axis);
        outputs[0].CopyFrom(x);
        Indexing.Add(outputs[0].Pointer<float>(), x.Shape[axis], index.Pointer<long>(), index.Shape[0], inputs[2].Pointer<float>(),
            checked((int)x.Shape.CountBetween(0, axis)), x.Shape.CountBetween(axis + 1, x.Rank));
    }

    public override Tensor?[] Gradient(GradientContext g) =>
        [g.OutputGradient(), null, g.Needs(2) ? g.OutputGradient().IndexSelect(Axis, g.Input(1)) : null];
}

public static partial class TensorOps
{
    /// <summary>The positions of one axis that the int64 vector <paramref name="index"/> names, in its order.</summary>
    /// <exception cref="VertebraException">An index lies outside the axis.</exception>
    public static Tensor IndexSelect(this Tensor x, int axis, Tensor index) => new IndexSelect(axis).Apply(x, index);

    /// <summary>This tensor with <paramref name="source"/>'s positions added at those that <paramref name="index"/> names; repeated indices add up.</summary>
    /// <exception cref="VertebraException">An index lies outside the axis.</exception>
    public static Tensor IndexAdd(this Tensor x, int axis, Tensor index, Tensor source) => new IndexAdd(axis).Apply(x, index, source);
}
