using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Vertebra.Autograd;

namespace Vertebra.Ops;

/// <summary>
/// One operation: an immutable record whose properties are its attributes. It states its shape rule, its forward
/// computation, its gradient (written with ops) and its multiply-accumulates. The same object runs eagerly, stands on the
/// gradient tape, becomes a node of a graph and maps to ONNX.
/// </summary>
[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] // OpAttributes reads them
public abstract record Op
{
    /// <summary>The operation's name in messages, graphs and tables.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>
    /// The shape rule: what the outputs are for inputs of these specs. It also validates.
    /// </summary>
    /// <exception cref="ShapeException">The inputs do not fit; the message names the operation, the shapes and the rule.</exception>
    public abstract TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs);

    /// <summary>
    /// Computes the outputs, which have the inferred specs and undefined contents. Inputs and outputs stay reachable while
    /// it runs. Not called when an input is meta, nor for a view.
    /// </summary>
    protected internal abstract void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs);

    /// <summary>
    /// What <see cref="Forward"/> works out from shapes alone: tables, plans. Whoever runs the
    /// op again and again at the same shapes (a compiled graph) makes it once, and nothing is allocated after; null when
    /// there is nothing of the kind.
    /// </summary>
    internal virtual object? Prepare(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => null;

    /// <summary>Forward with what <see cref="Prepare"/> made for tensors of these shapes.</summary>
    internal virtual void ForwardPrepared(object? prepared, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => Forward(inputs, outputs);

    /// <summary>
    /// Output 0 may lie on the memory of this operand, which has its shape: every element is read for the last time before
    /// the element in its place is written.
    /// </summary>
    internal virtual bool MayOverwrite(int input) => false;

    /// <summary>The only output is the first input's memory under another shape: <see cref="Forward"/> is not called.</summary>
    public virtual bool IsView => false;

    /// <summary>Two operands may change places.</summary>
    public virtual bool IsCommutative => false;

    /// <summary>False when no gradient flows back at all (comparisons, indices).</summary>
    public virtual bool IsDifferentiable => true;

    /// <summary>Which operands and results <see cref="Gradient"/> reads; only these are kept in memory until then.</summary>
    public virtual Saved Saves => Saved.None;

    /// <summary>
    /// The gradients of the inputs, one each, null where none flows or none is asked for (<see cref="GradientContext.Needs"/>).
    /// Written with ops, so that second derivatives follow.
    /// </summary>
    public virtual Tensor?[] Gradient(GradientContext g) =>
        throw new VertebraException($"{Name} has no gradient; detach its result, or use operations that have one");

    /// <summary>Multiply-accumulates of one forward: convolutions and matrix products count, everything else is 0.</summary>
    public virtual long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) => 0;

    /// <summary>Applies the operation and returns its first output.</summary>
    public Tensor Apply(params ReadOnlySpan<Tensor> inputs) => ApplyAll(inputs)[0];

    /// <summary>
    /// Applies the operation: infers, computes (unless an input is meta), and records it for gradients and for a running trace.
    /// </summary>
    public Tensor[] ApplyAll(params ReadOnlySpan<Tensor> inputs)
    {
        var specs = new TensorSpec[inputs.Length];
        var (anyMeta, anyGrad) = (false, false);
        for (var i = 0; i < inputs.Length; i++)
        {
            specs[i] = inputs[i].Spec;
            anyMeta |= inputs[i].IsMeta;
            anyGrad |= inputs[i].RequiresGrad;
        }
        var clock = OpClock.Current;
        var start = clock is null ? 0 : Stopwatch.GetTimestamp();
        var results = Infer(specs);
        var outputs = Compute(inputs, results, anyMeta);
        clock?.Applied(this, start, Macs(specs, results));
        if (anyGrad && IsDifferentiable && GradMode.IsEnabled)
            GradNode.Record(this, inputs, outputs);
        OpRecording.Current?.Record(this, inputs, outputs);
        return outputs;
    }

    /// <summary>Keeps what every op has out of <c>ToString</c>: an op is written as its name and its attributes.</summary>
    protected virtual bool PrintMembers(System.Text.StringBuilder builder) => false;

    private Tensor[] Compute(ReadOnlySpan<Tensor> inputs, TensorSpec[] specs, bool anyMeta)
    {
        if (IsView)
            return [anyMeta ? Tensor.Meta(specs[0].Shape, specs[0].DType) : inputs[0].View(specs[0].Shape)];
        var outputs = new Tensor[specs.Length];
        for (var i = 0; i < outputs.Length; i++)
            outputs[i] = anyMeta ? Tensor.Meta(specs[i].Shape, specs[i].DType) : Tensor.Empty(specs[i].Shape, specs[i].DType);
        if (anyMeta)
            return outputs;
        Forward(inputs, outputs);
        // The kernels hold bare pointers: operands and results must not be collected before they are done.
        foreach (var input in inputs)
            GC.KeepAlive(input);
        GC.KeepAlive(outputs);
        return outputs;
    }
}

/// <summary>What an op's gradient reads.</summary>
[Flags]
public enum Saved
{
    None = 0,
    Input0 = 1,
    Input1 = 2,
    Input2 = 4,
    Input3 = 8,
    Input4 = 16,
    AllInputs = 0xFFFF,
    Output0 = 0x10000,
    Output1 = 0x20000,
    Output2 = 0x40000,
    AllOutputs = 0x7FFF0000,
}

/// <summary>Someone who listens to the ops applied on this thread: the graph tracer.</summary>
internal interface IOpRecorder
{
    /// <summary>An op was applied.</summary>
    void Record(Op op, ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs);

    /// <summary>A module (of a room above this one) has returned a tensor.</summary>
    void Returned(object module, Tensor output);
}

/// <summary>The recorder of this thread, if any.</summary>
internal static class OpRecording
{
    [ThreadStatic] private static IOpRecorder? t_current;

    public static IOpRecorder? Current
    {
        get => t_current;
        set => t_current = value;
    }
}
