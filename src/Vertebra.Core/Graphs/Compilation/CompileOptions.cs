namespace Vertebra.Graphs;

/// <summary>How a graph is compiled.</summary>
public sealed record CompileOptions
{
    /// <summary>
    /// Merge norms into weights, and residuals and activations into the ops before them. Without, every op stays as it was traced,
    /// and results have the bits of <see cref="Graph.Run(ReadOnlySpan{Tensor})"/>.
    /// </summary>
    public bool Fuses { get; init; } = true;

    /// <summary>For how many different input shapes memory and tables are kept, at least 1; the one not used for longest goes first.</summary>
    public int KeptPlans { get; init; } = 4;
}
