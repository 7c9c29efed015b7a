namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>One scan header (T.81, B.2.3) with the tables it uses.</summary>
internal sealed class JpegScan
{
    public required JpegComponent[] Components { get; init; }

    /// <summary>By component of the scan; null where the scan codes no first coefficients.</summary>
    public required HuffmanTable?[] DcTables { get; init; }

    /// <summary>By component of the scan; null where the scan codes first coefficients only.</summary>
    public required HuffmanTable?[] AcTables { get; init; }

    /// <summary>First zigzag index coded.</summary>
    public required int First { get; init; }

    /// <summary>Last zigzag index coded.</summary>
    public required int Last { get; init; }

    /// <summary>Successive approximation: the lowest bit sent before, 0 in a first scan.</summary>
    public required int HighBit { get; init; }

    /// <summary>Successive approximation: the bit this scan ends with.</summary>
    public required int LowBit { get; init; }

    /// <summary>Minimum coded units between restart markers; 0 for none.</summary>
    public required int RestartInterval { get; init; }

    /// <summary>Where the entropy-coded bytes begin in the file.</summary>
    public required int DataStart { get; init; }

    /// <summary>A scan of one component goes block by block and leaves out the padding blocks (T.81, A.2.2).</summary>
    public bool IsInterleaved => Components.Length > 1;
}
