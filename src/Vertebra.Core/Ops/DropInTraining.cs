namespace Vertebra.Ops;

/// <summary>
/// The place of a dropout in the graph of a network in evaluation mode: it does nothing there, and becomes what
/// <see cref="Dropping"/> returns where the graph is trained. Any dtype.
/// </summary>
/// <param name="P">Probability of zero, in [0, 1).</param>
/// <param name="WholeImages">Whether all of an image drops together (stochastic depth) or each element by itself.</param>
public sealed record DropInTraining(float P, bool WholeImages) : ViewOp
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1);
        return [inputs[0]];
    }

    /// <summary>The op of one training step.</summary>
    public Op Dropping(ulong seed, ulong stream) => WholeImages ? new DropPath(P, seed, stream) : new Dropout(P, seed, stream);
}
