using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>x [..., in] · weightᵀ + bias, with weight [out, in] and bias [out] (or none), as PyTorch stores them: [..., out]. Float32.</summary>
public sealed record Linear : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2, 3);
        return [ResultOf(this, inputs)];
    }

    /// <summary>The shape rule, for x, weight and perhaps a bias.</summary>
    internal static TensorSpec ResultOf(Op op, ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.AllFloat32(op, inputs);
        var (x, weight) = (inputs[0].Shape, inputs[1].Shape);
        if (weight.Rank != 2)
            throw Rules.Broken(op, $"weight must be [out, in], got shape {weight}");
        if (x.Rank == 0 || x[-1] != weight[1])
            throw Rules.Broken(op, $"input of shape {x} must end in an axis of {weight[1]} features, as weight {weight} ([out, in]) takes");
        if (inputs.Length == 3)
            Rules.HasShape(op, inputs[2], [weight[0]], "bias");
        return new(x.With(-1, weight[0]), DType.Float32);
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, weight) = (inputs[0], inputs[1]);
        var rows = RowsOf(x.Shape);
        var bias = inputs.Length == 3 ? inputs[2].Pointer<float>() : null;
        var (outFeatures, inFeatures) = (weight.Shape[0], weight.Shape[1]);
        // A few rows read the weight once, as it lies. More are worth a packed copy that is kept, unless the weight is being trained.
        const int FewRows = 4;
        var isTraining = GradMode.IsEnabled && weight.RequiresGrad;
        if (rows <= FewRows || isTraining || !WeightPacking.IsKept)
        {
            Kernels.MatMul.Run(rows, outFeatures, inFeatures, x.Pointer<float>(), inFeatures, false,
                weight.Pointer<float>(), inFeatures, true, outputs[0].Pointer<float>(), outFeatures, bias: bias);
            return;
        }
        var packed = weight.Derived(static w => PackedMatrix.Create(w.Shape[1], w.Shape[0], w.Pointer<float>(), w.Shape[1], transposed: true));
        Kernels.MatMul.Run(rows, x.Pointer<float>(), inFeatures, false, packed, outputs[0].Pointer<float>(), outFeatures, bias: bias);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (x, weight) = (g.InputSpec(0).Shape, g.InputSpec(1).Shape);
        var rows = RowsOf(x);
        var gradient = g.OutputGradient().Reshape(Shape.Create([rows, weight[0]]));
        var gradients = new Tensor?[g.InputCount];
        if (g.Needs(0))
            gradients[0] = gradient.MatMul(g.Input(1)).Reshape(x);
        if (g.Needs(1))
            gradients[1] = gradient.MatMul(g.Input(0).Reshape(Shape.Create([rows, weight[1]])), transposeA: true);
        if (g.Needs(2))
            gradients[2] = gradient.Sum([0]);
        return gradients;
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        outputs[0].Shape.ElementCount * inputs[1].Shape[1];

    private static int RowsOf(Shape x) => checked((int)x.CountBetween(0, x.Rank - 1));
}

public static partial class TensorOps
{
    /// <summary>x [..., in] · weightᵀ + bias, with <paramref name="weight"/> [out, in] and <paramref name="bias"/> [out] or null: [..., out].</summary>
    public static Tensor Linear(this Tensor x, Tensor weight, Tensor? bias = null) =>
        bias is null ? new Linear().Apply(x, weight) : new Linear().Apply(x, weight, bias);
}
