namespace Vertebra.Onnx;

/// <summary>How a graph is written as an ONNX file.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>Operator set version, 13 to 21.</summary>
    public int Opset { get; init; } = 17;

    /// <summary>Leave the batch size open (named <c>batch</c>), so that the file runs at any.</summary>
    public bool DynamicBatch { get; init; } = true;

    /// <summary>Leave the images' size open too (<c>height</c> and <c>width</c>), where the network allows it.</summary>
    public bool DynamicSize { get; init; }

    /// <summary>
    /// Inputs and outputs of rank 4 are images, [N, H, W, C] here and [N, C, H, W] in the file. False: their axes are written as they are, for
    /// graphs that already have the file's order.
    /// </summary>
    public bool ChannelsFirst { get; init; } = true;

    /// <summary>Merge inference batch norms into the convolutions before them.</summary>
    public bool FoldBatchNorm { get; init; }

    /// <summary>Put resize, crop and normalise inside the file, which then takes uint8 images [N, H, W, 3] of any size; null: the file takes the network's input.</summary>
    public OnnxPreprocessing? Preprocessing { get; init; }

    /// <summary>Put the weights into a file of their own beside the model (its name and <c>.data</c>). Beyond 2 GB that is always done: the format's limit.</summary>
    public bool ExternalData { get; init; }

    /// <summary>Name of the graph in the file.</summary>
    public string GraphName { get; init; } = "network";

    /// <summary>Names of the outputs; <c>output</c> (or <c>output0</c>, <c>output1</c>, ...) where none is given.</summary>
    public IReadOnlyList<string> OutputNames { get; init; } = [];

    /// <summary>Key and value texts for the file's metadata: preprocessing facts, class names.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
}
