namespace Vertebra.Onnx;

/// <summary>What a file from outside may ask for at most. The defaults stop only what no machine could do.</summary>
public sealed record OnnxLimits
{
    /// <summary>Bytes of one tensor; half of the machine's memory unless set.</summary>
    public long LargestTensorBytes { get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;

    /// <summary>Bytes of all initialisers together; the machine's memory unless set.</summary>
    public long InitializerBytes { get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>Nodes of the file, those of subgraphs and of functions where they are called included.</summary>
    public int MostNodes { get; init; } = 1_000_000;

    /// <summary>Nodes executed in one run, each turn of a loop counted.</summary>
    public long MostSteps { get; init; } = 100_000_000;
}
