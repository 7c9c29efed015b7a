namespace Vertebra.Graphs;

/// <summary>Merges inference batch norms into the convolutions and matrix products before them.</summary>
public static class BatchNormFolding
{
    /// <summary>A graph with the same results (up to rounding) and fewer nodes. Batch norms that no convolution precedes stay.</summary>
    public static Graph Apply(Graph graph) => graph.Rewrite(FoldingRules.ConvolutionBatchNorm, FoldingRules.LinearBatchNorm);
}
