using Google.Protobuf;
using Vertebra.Graphs;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>How a graph is written as an ONNX file.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>Operator set version, 13 to 21.</summary>
    public int Opset { get; init; } = 17;

    /// <summary>Leave the batch size open (named <c>batch</c>), so that the file runs at any.</summary>
    public bool DynamicBatch { get; init; } = true;

    /// <summary>Merge inference batch norms into the convolutions before them.</summary>
    public bool FoldBatchNorm { get; init; }

    /// <summary>Name of the graph in the file.</summary>
    public string GraphName { get; init; } = "network";

    /// <summary>Key and value texts for the file's metadata: preprocessing facts, class names.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();
}

/// <summary>
/// Writes graphs as ONNX models. Image inputs are [N, C, H, W] in the file, as its consumers expect; no transposes stand in
/// the body of a convolutional network. Weights keep their state-dict names and nodes are named after their module paths.
/// </summary>
public static class OnnxExporter
{
    /// <summary>Writes a file, atomically.</summary>
    /// <exception cref="VertebraException">An operation has no ONNX form, the opset is out of range, or the file cannot be written.</exception>
    public static void Export(Graph graph, string path, OnnxExportOptions? options = null)
    {
        var model = Build(graph, options ?? new OnnxExportOptions());
        AtomicFile.Write(path, stream => model.WriteTo(stream));
    }

    internal static ModelProto Build(Graph graph, OnnxExportOptions options)
    {
        if (options.Opset is < 13 or > 21)
            throw new VertebraException($"opset {options.Opset} is not supported: choose 13 to 21 (17 runs nearly everywhere)");
        if (options.FoldBatchNorm)
            graph = BatchNormFolding.Apply(graph);
        var emitter = new OnnxEmitter(graph, options);
        var model = new ModelProto
        {
            IrVersion = options.Opset >= 21 ? 10 : 8,
            ProducerName = "vertebra",
            ProducerVersion = typeof(OnnxExporter).Assembly.GetName().Version!.ToString(3),
            Graph = emitter.Emit(),
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = options.Opset });
        foreach (var (key, value) in options.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        return model;
    }
}
