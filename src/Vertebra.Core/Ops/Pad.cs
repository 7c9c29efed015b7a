using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>What the margins of a padded tensor hold.</summary>
public enum PadMode
{
    /// <summary>One value.</summary>
    Constant,

    /// <summary>The inside mirrored at its outermost elements, which are not repeated: margins are smaller than the axis.</summary>
    Reflect,

    /// <summary>The outermost elements, repeated.</summary>
    Replicate,
}

/// <summary>
/// Adds positions before and after the axes: <paramref name="Before"/> and <paramref name="After"/> name a count for every axis.
/// Any dtype; <paramref name="Value"/> is converted to it.
/// </summary>
public sealed record Pad(IntList Before, IntList After, PadMode Mode, float Value) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        var shape = inputs[0].Shape;
        if (Before.Count != shape.Rank || After.Count != shape.Rank)
            throw Rules.Broken(this, $"before {Before} and after {After} must name a count for each of the {shape.Rank} axes of shape {shape}");
        var sizes = new int[shape.Rank];
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            var most = Mode switch { PadMode.Constant => int.MaxValue, PadMode.Reflect => Math.Max(0, shape[axis] - 1), _ => shape[axis] == 0 ? 0 : int.MaxValue };
            if (Before[axis] < 0 || After[axis] < 0)
                throw Rules.Broken(this, $"before {Before} and after {After} must not be negative; cut with Slice");
            if (Math.Max(Before[axis], After[axis]) > most)
                throw Rules.Broken(this, $"{Mode} can add at most {most} positions to axis {axis} of shape {shape}, not {Math.Max(Before[axis], After[axis])}");
            sizes[axis] = checked(Before[axis] + shape[axis] + After[axis]);
        }
        return [new(sizes, inputs[0].DType)];
    }

    internal override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var origins = new int[inputs[0].Rank][];
        for (var axis = 0; axis < origins.Length; axis++)
            origins[axis] = Origins(axis, inputs[0].Shape[axis]);
        return new Padding(inputs[0].Shape.Span, origins);
    }

    protected internal override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Prepare(inputs, outputs), inputs, outputs);

    internal override unsafe void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (x, y, padding) = (inputs[0], outputs[0], (Padding)prepared!);
        var fill = BitsOf(Value, x.DType);
        switch (x.DType.Size())
        {
            case 1: padding.Run(x.DataPointer, y.DataPointer, (byte)fill); break;
            case 2: padding.Run((ushort*)x.DataPointer, (ushort*)y.DataPointer, (ushort)fill); break;
            case 4: padding.Run((uint*)x.DataPointer, (uint*)y.DataPointer, (uint)fill); break;
            default: padding.Run((ulong*)x.DataPointer, (ulong*)y.DataPointer, fill); break;
        }
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var (shape, gradient) = (g.InputSpec(0).Shape, g.OutputGradient());
        for (var axis = 0; axis < shape.Rank; axis++)
        {
            if (Before[axis] + After[axis] == 0)
                continue;
            gradient = Mode == PadMode.Constant
                ? gradient.Slice(axis, Before[axis], Before[axis] + shape[axis])
                : Tensor.Zeros(gradient.Shape.With(axis, shape[axis]))
                    .IndexAdd(axis, Tensor.From(Array.ConvertAll(Origins(axis, shape[axis]), i => (long)i)), gradient);
        }
        return [gradient];
    }

    /// <summary>Where each position of the padded axis comes from; -1 for the value.</summary>
    private int[] Origins(int axis, int size)
    {
        var origins = new int[Before[axis] + size + After[axis]];
        for (var i = 0; i < origins.Length; i++)
        {
            var origin = i - Before[axis];
            origins[i] = (uint)origin < (uint)size ? origin : Mode switch
            {
                PadMode.Constant => -1,
                PadMode.Reflect => origin < 0 ? -origin : (2 * (size - 1)) - origin,
                _ => origin < 0 ? 0 : size - 1,
            };
        }
        return origins;
    }

    private static ulong BitsOf(float value, DType dtype) => dtype switch
    {
        DType.Float32 => BitConverter.SingleToUInt32Bits(value),
        DType.Float64 => BitConverter.DoubleToUInt64Bits(value),
        DType.Float16 => BitConverter.HalfToUInt16Bits((Half)value),
        // Round to nearest, ties to even, on the upper half of the float's bits.
        DType.BFloat16 => float.IsNaN(value) ? 0x7FC0u : (BitConverter.SingleToUInt32Bits(value) + 0x7FFF + ((BitConverter.SingleToUInt32Bits(value) >> 16) & 1)) >> 16,
        DType.Bool => value != 0 ? 1u : 0,
        _ => (ulong)(long)value,
    };
}

public static partial class TensorOps
{
    /// <summary>Adds positions before and after every axis, which hold a value or copies of the inside.</summary>
    /// <param name="x">Any shape and dtype.</param>
    /// <param name="before">Positions added in front, one count per axis.</param>
    /// <param name="after">Positions added behind, one count per axis.</param>
    /// <param name="mode">What they hold.</param>
    /// <param name="value">The value of <see cref="PadMode.Constant"/>.</param>
    public static Tensor Pad(this Tensor x, IntList before, IntList after, PadMode mode = PadMode.Constant, float value = 0) =>
        new Pad(before, after, mode, value).Apply(x);
}
