namespace Vertebra.Graphs;

/// <summary>How a graph is compiled.</summary>
public sealed record CompileOptions
{
    /// <summary>
    /// Merge norms into weights, and residuals and activations into the ops before them. Without, every op stays as it was traced,
    /// and results have the bits of <see cref="Graph.Run(ReadOnlySpan{Tensor})"/>.
    /// </summary>
    public bool Fuses { get; init; } = true;

    /// <summary>
    /// Compute 3 × 3 convolutions of stride 1 by Winograd's methods where the sizes of the traced graph say that this is faster; each
    /// convolution's <see cref="Vertebra.Ops.FusedConv2d.Method"/> says what was chosen. Rounding errors grow, at most to about twice those of the direct form.
    /// </summary>
    public bool Winograd { get; init; } = true;

    /// <summary>
    /// Choose kernels as they were measured on this machine (<c>vertebra tune</c>, <see cref="Vertebra.Kernels.Tuning"/>), where they were; else by
    /// estimates from sizes alone, the same on every machine. What is chosen may change rounding.
    /// </summary>
    public bool UsesTuned { get; init; } = true;

    /// <summary>For how many different input shapes memory and tables are kept, at least 1; the one not used for longest goes first.</summary>
    public int KeptPlans { get; init; } = 4;
}
