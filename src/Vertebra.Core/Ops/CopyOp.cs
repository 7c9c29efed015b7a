using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>An op that only moves elements: its outputs are read from its inputs, or its inputs written into its outputs, by strides.</summary>
public abstract record CopyOp : Op
{
    private protected abstract ElementCopy[] Copies(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs);

    internal sealed override object Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Copies(inputs, outputs);

    internal sealed override void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        foreach (var copy in (ElementCopy[])prepared!)
            copy.Run(inputs, outputs);
    }

    protected internal sealed override void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => ForwardPrepared(Copies(inputs, outputs), inputs, outputs);

    /// <summary>Fills an output from an input that is read at an offset and by strides (in elements).</summary>
    private protected static ElementCopy Read(Tensor input, int inputIndex, long offset, ReadOnlySpan<long> strides, Tensor output, int outputIndex)
    {
        var size = input.DType.Size();
        return new(inputIndex, outputIndex, offset * size, 0, new StridedCopy(strides, Layout.Strides(output.Shape), output.Shape.Span, size));
    }

    /// <summary>Puts all of an input into an output, written at an offset and by strides (in elements).</summary>
    private protected static ElementCopy Write(Tensor input, int inputIndex, Tensor output, int outputIndex, long offset, ReadOnlySpan<long> strides)
    {
        var size = input.DType.Size();
        return new(inputIndex, outputIndex, 0, offset * size, new StridedCopy(Layout.Strides(input.Shape), strides, input.Shape.Span, size));
    }
}

/// <summary>A planned copy from one operand to one result; offsets are in bytes.</summary>
internal sealed record ElementCopy(int Input, int Output, long SourceOffset, long TargetOffset, StridedCopy Copy)
{
    public unsafe void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) =>
        Copy.Run(inputs[Input].DataPointer + SourceOffset, outputs[Output].DataPointer + TargetOffset);
}
