using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// A <see cref="Linear"/> layer that finishes its sums before they leave the cache: <c>activation(x · weightᵀ + bias [+ residual])</c>.
/// Compiled graphs are made of it; it has no gradient. Inputs: x [..., in], weight [out, in], perhaps a bias [out], and last the
/// residual of the result's shape if there is one.
/// </summary>
/// <param name="Activation">Applied last; null for none.</param>
/// <param name="AddsResidual">Whether the last input is added before the activation.</param>
public sealed record FusedLinear(ActivationOp? Activation, bool AddsResidual) : Op
{
    // So few rows read the weight once, as it lies.
    private const int FewRows = 4;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, AddsResidual ? 3 : 2, AddsResidual ? 4 : 3);
        var result = Ops.Linear.ResultOf(this, AddsResidual ? inputs[..^1] : inputs);
        FusedEpilogue.Check(this, inputs, AddsResidual, result);
        return [result];
    }

    internal override bool MayOverwrite(int input) => AddsResidual && input >= 2;

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, weight, residual) = (inputs[0], inputs[1], AddsResidual ? inputs[^1] : null);
        var rows = RowsOf(x.Shape);
        var bias = inputs.Length - (AddsResidual ? 1 : 0) > 2 ? inputs[2].Pointer<float>() : null;
        var (outFeatures, inFeatures) = (weight.Shape[0], weight.Shape[1]);
        var epilogue = FusedEpilogue.Of(Activation, residual);
        float* from = x.Pointer<float>(), y = outputs[0].Pointer<float>();
        if (rows > FewRows || weight.IsMeta)
        {
            Kernels.MatMul.Run(rows, from, inFeatures, false, Packed(weight), y, outFeatures, bias: bias, epilogue: epilogue);
            return;
        }
        // The product of a few rows has no epilogue of its own; its result is as short as the rows are few.
        if (residual is not null && epilogue.Residual != y)
            outputs[0].AsSpan<float>().Clear();
        Kernels.MatMul.Run(rows, outFeatures, inFeatures, from, inFeatures, false, weight.Pointer<float>(), inFeatures, true, y, outFeatures, accumulate: residual is not null, bias: bias);
        for (var i = 0; i < rows * outFeatures; i++)
        {
            if (residual is not null)
                y[i] += (bias == null ? 0 : bias[i % outFeatures]) + (epilogue.Residual == y ? 0 : epilogue.Residual[i]);
            if (epilogue.Clamps)
                y[i] = MathF.Min(MathF.Max(y[i], epilogue.Low), epilogue.High);
        }
        epilogue.Finish(y, 1, 0, (long)rows * outFeatures);
    }

    /// <summary>Packs the weight for the kernels where that is how it will be read, and drops the data as stored: from then on this op alone can use it.</summary>
    internal static void Pack(Shape x, Tensor weight)
    {
        if (ReadsStored(x))
            return;
        Packed(weight);
        weight.DropData();
    }

    /// <summary>Whether the weight is read as it is stored, for so few rows.</summary>
    internal static bool ReadsStored(Shape x) => RowsOf(x) <= FewRows;

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        outputs[0].Shape.ElementCount * inputs[1].Shape[1];

    private static unsafe PackedMatrix Packed(Tensor weight) =>
        weight.Derived(static w => PackedMatrix.Create(w.Shape[1], w.Shape[0], w.Pointer<float>(), w.Shape[1], transposed: true));

    private static int RowsOf(Shape x) => checked((int)x.CountBetween(0, x.Rank - 1));
}
