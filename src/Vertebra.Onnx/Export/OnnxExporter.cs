using Google.Protobuf;
using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Writes networks as ONNX models. Image inputs are [N, C, H, W] in the file, as its consumers expect; no transposes stand in
/// the body of a convolutional network. Weights keep their state-dict names and nodes are named after their module paths.
/// </summary>
public static class OnnxExporter
{
    /// <summary>Bytes of weights that stand in the model itself: protocol buffers end at 2 GB, and nodes and names need some of that.</summary>
    internal const long LargestInline = 2_000_000_000;

    /// <summary>Writes the graph of a module, atomically.</summary>
    /// <param name="module">The network, in evaluation mode.</param>
    /// <param name="input">Shape of one input, images as [N, H, W, C]; sizes that the options leave open are those it is traced at.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is written.</param>
    /// <returns>What was written, which can be checked against the file.</returns>
    /// <exception cref="VertebraException">
    /// An operation has no ONNX form, the network does not allow what is left open, the opset is out of range, or the file cannot be written.
    /// </exception>
    public static ExportedNetwork Export(Module module, Shape input, string path, OnnxExportOptions? options = null) =>
        Save(Build(module, input, options ?? new()), path, options ?? new());

    /// <summary>Writes a graph, atomically. Open sizes follow from the ops' shape rules; where a module exists, exporting that sees more.</summary>
    /// <exception cref="VertebraException">As for a module.</exception>
    public static ExportedNetwork Export(Graph graph, string path, OnnxExportOptions? options = null) => Save(Build(graph, options ?? new()), path, options ?? new());

    internal static BuiltModel Build(Module module, Shape input, OnnxExportOptions options)
    {
        RequireOpset(options);
        var graph = Graph.Trace(module, input);
        return Build(graph, OpenSizes.From(graph, SizeProbes.Of(input, options, shape => GraphShapes.ByTracing(graph, module, shape))), options);
    }

    internal static BuiltModel Build(Graph graph, OnnxExportOptions options)
    {
        RequireOpset(options);
        if (!options.DynamicBatch && !options.DynamicSize)
            return Build(graph, OpenSizes.Fixed(graph), options);
        var first = graph.Inputs[0].Shape;
        return Build(graph, OpenSizes.From(graph, SizeProbes.Of(first, options, ShapesAt)), options);

        IReadOnlyDictionary<Value, Shape> ShapesAt(Shape shape)
        {
            var shapes = SizeProbes.Following(graph, shape);
            return graph.IsDynamic ? GraphShapes.ByResizing(graph, shapes) : GraphShapes.ByInference(graph, shapes);
        }
    }

    private static BuiltModel Build(Graph graph, OpenSizes sizes, OnnxExportOptions options)
    {
        if (options.FoldBatchNorm)
        {
            var folded = BatchNormFolding.Apply(graph);
            (graph, sizes) = (folded, sizes.For(folded));
        }
        if (options.Preprocessing is not null && (options.DynamicSize || graph.Inputs.Count != 1 || graph.Inputs[0].Shape.Rank != 4))
            throw new VertebraException("preprocessing inside the file fixes the size of the network's one input, an image: leave out the open size");
        var emitter = new OnnxEmitter(graph, sizes, options);
        var model = new ModelProto
        {
            IrVersion = IrVersionOf(options.Opset),
            ProducerName = "vertebra",
            ProducerVersion = typeof(OnnxExporter).Assembly.GetName().Version!.ToString(3),
            Graph = emitter.Emit(options.Preprocessing is { } facts ? e => PreprocessingNodes.Emit(facts, e) : null),
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = options.Opset });
        foreach (var (key, value) in options.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        return new(model, emitter.Initializers, graph, emitter.Names);
    }

    private static void RequireOpset(OnnxExportOptions options)
    {
        if (options.Opset is < 13 or > 21)
            throw new VertebraException($"opset {options.Opset} is not supported: choose 13 to 21 (17 runs nearly everywhere)");
    }

    // The first version of the format in which an operator set may stand (ONNX, docs/Versioning.md).
    private static int IrVersionOf(int opset) => opset switch { <= 14 => 7, <= 18 => 8, <= 20 => 9, _ => 10 };

    private static ExportedNetwork Save(BuiltModel built, string path, OnnxExportOptions options)
    {
        if (built.Initializers.FirstOrDefault(i => i.Data.IsMeta).Proto is { } empty)
            throw new VertebraException($"'{empty.Name}' has no data: the network was built for its shapes only");
        Write(built, path, options);
        return new(path, built);
    }

    private static void Write(BuiltModel built, string path, OnnxExportOptions options)
    {
        if (!options.ExternalData && built.Initializers.Sum(i => i.Data.Spec.Bytes) <= LargestInline)
        {
            AtomicFile.Write(path, built.Complete().WriteTo);
            return;
        }
        var name = Path.GetFileName(path) + ".data";
        AtomicFile.Write(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name), stream => built.WriteData(stream, name));
        AtomicFile.Write(path, built.Model.WriteTo);
    }
}

/// <summary>A model whose initializers' data lies beside it.</summary>
/// <param name="Model">The model.</param>
/// <param name="Initializers">Its initializers and their data.</param>
/// <param name="Graph">The graph that was written.</param>
/// <param name="Names">Values of the graph by their names in the file.</param>
internal sealed record BuiltModel(
    ModelProto Model, IReadOnlyList<(TensorProto Proto, Tensor Data)> Initializers, Graph Graph, IReadOnlyDictionary<string, (Value Value, AxisOrder Order)> Names)
{
    // Readers may map the file into memory, a page at a time.
    private const int Alignment = 4096;

    /// <summary>Transposes of values that flow; those of weights are done once, when the file is loaded.</summary>
    public int TransposeCount
    {
        get
        {
            var constants = Initializers.Select(i => i.Proto.Name).ToHashSet();
            return Model.Graph.Node.Count(n => n.OpType == "Transpose" && !constants.Contains(n.Input[0]));
        }
    }

    /// <summary>The model with the data inside.</summary>
    public ModelProto Complete()
    {
        foreach (var (proto, data) in Initializers)
            proto.RawData = UnsafeByteOperations.UnsafeWrap(TensorBytes.Of(data).ToArray());
        return Model;
    }

    /// <summary>Writes the data to a stream and makes the model point into that file.</summary>
    public void WriteData(Stream stream, string fileName)
    {
        long offset = 0;
        foreach (var (proto, data) in Initializers)
        {
            var bytes = TensorBytes.Of(data);
            // Shapes and axes are read while the graph is loaded, before any data file is.
            if (bytes.Length < 1024)
            {
                proto.RawData = ByteString.CopyFrom(bytes);
                continue;
            }
            var padding = (int)(-offset & (Alignment - 1));
            stream.Write(new byte[padding]);
            offset += padding;
            stream.Write(bytes);
            proto.DataLocation = TensorProto.Types.DataLocation.External;
            proto.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = fileName });
            proto.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = offset.ToString(System.Globalization.CultureInfo.InvariantCulture) });
            proto.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = bytes.Length.ToString(System.Globalization.CultureInfo.InvariantCulture) });
            offset += bytes.Length;
        }
    }
}
