using Google.Protobuf;
using Vertebra.Graphs;
using Vertebra.Onnx.Format;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>
/// A network out of an ONNX file, of any origin. <see cref="Run(IReadOnlyDictionary{string, Tensor}, Action{string, Tensor}?)"/>
/// executes the file as it is, node by node, in ONNX's own layout; <see cref="ToGraph(IReadOnlyList{Shape})"/> makes a
/// <see cref="Graph"/> of it, in this project's. Arithmetic is float32: float16, bfloat16 and double tensors are converted
/// when they are read. A file is data only: it is checked throughout, and nothing in it is executed.
/// </summary>
public sealed class OnnxModel
{
    private readonly OnnxProgram _program;
    private readonly TensorReader _tensors;
    private readonly OnnxLimits _limits;

    private OnnxModel(string source, ModelProto proto, string? folder, OnnxLimits limits)
    {
        (Source, _limits) = (source, limits);
        var graph = proto.Graph ?? throw new FileFormatException($"{source}: not an ONNX model: it has no graph");
        _tensors = new TensorReader(source, folder is null ? null : new ExternalData(source, folder), limits);
        var builder = new ProgramBuilder(source, proto, _tensors, limits);
        Opset = builder.Opset;
        _program = builder.Build(graph);
        Producer = $"{proto.ProducerName} {proto.ProducerVersion}".Trim();
        Metadata = proto.MetadataProps.DistinctBy(m => m.Key).ToDictionary(m => m.Key, m => m.Value, StringComparer.Ordinal);
        var given = _program.Inputs.ToHashSet(StringComparer.Ordinal);
        Inputs = [.. graph.Input.Where(i => given.Contains(i.Name)).Select(i => OnnxTensorInfo.Of(i, source))];
        Outputs = [.. graph.Output.Select(o => OnnxTensorInfo.Of(o, source))];
    }

    /// <summary>The file's name, for messages.</summary>
    public string Source { get; }

    /// <summary>Version of the standard operator set.</summary>
    public long Opset { get; }

    /// <summary>Who wrote the file.</summary>
    public string Producer { get; }

    /// <summary>Key and value texts: preprocessing facts and class names, where this project wrote the file.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>What must be given.</summary>
    public IReadOnlyList<OnnxTensorInfo> Inputs { get; }

    public IReadOnlyList<OnnxTensorInfo> Outputs { get; }

    /// <summary>Operators that an ONNX file may use here, with their domain unless it is the standard one.</summary>
    public static IReadOnlyCollection<string> SupportedOperators => OperatorTable.Names;

    /// <summary>Number of nodes of the main graph, constants not counted.</summary>
    public int NodeCount => _program.Nodes.Count;

    // ---------------------------------------------------------------- loading

    /// <summary>Reads and checks a file; data that lies in other files must lie in the same folder or below.</summary>
    /// <exception cref="FileFormatException">It is no ONNX model, damaged, inconsistent, or uses something unsupported; the message says what and where.</exception>
    /// <exception cref="VertebraException">The file cannot be read.</exception>
    public static OnnxModel Load(string path, OnnxLimits? limits = null)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (file.Length > int.MaxValue)
                throw new FileFormatException($"{path}: larger than 2 GiB, which no ONNX file may be: keep the weights in external data");
            var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            return Parse(path, file, folder, limits);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot read {path}: {e.Message}", e);
        }
    }

    /// <summary>Reads and checks a model in memory; it can have no data in other files.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="limits">What it may ask for.</param>
    public static OnnxModel Read(byte[] bytes, string name = "the model", OnnxLimits? limits = null) => Parse(name, new MemoryStream(bytes), null, limits);

    private static OnnxModel Parse(string source, Stream stream, string? folder, OnnxLimits? limits)
    {
        try
        {
            return new(source, ModelProto.Parser.ParseFrom(stream), folder, limits ?? new());
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new FileFormatException($"{source}: not an ONNX model, or damaged: {e.Message}", e);
        }
    }

    // ---------------------------------------------------------------- executing

    /// <summary>Executes the file.</summary>
    /// <param name="inputs">By name, in ONNX's own layout: images are [N, C, H, W]. Initialisers that are also inputs may be given or left out.</param>
    /// <param name="observe">Sees every value by name as soon as it is computed, in ONNX's layout.</param>
    /// <returns>The outputs in the file's order and in ONNX's layout.</returns>
    /// <exception cref="VertebraException">An input is missing, unknown or does not fit; or a node cannot be computed, and the message names it.</exception>
    public Tensor[] Run(IReadOnlyDictionary<string, Tensor> inputs, Action<string, Tensor>? observe = null) =>
        [.. RunValues(inputs.ToDictionary(i => i.Key, i => OnnxValue.Plain(i.Value)), observe).Select(v => v.AsPlain())];

    /// <summary>Executes the file with its inputs in order.</summary>
    public Tensor[] Run(params IReadOnlyList<Tensor> inputs)
    {
        if (inputs.Count != Inputs.Count)
            throw new VertebraException($"{Source} takes {Inputs.Count} inputs ({string.Join("; ", Inputs)}), got {inputs.Count}");
        return Run(Inputs.Zip(inputs).ToDictionary(p => p.First.Name, p => p.Second));
    }

    /// <summary>Executes the file on values, which may be sequences.</summary>
    internal OnnxValue[] RunValues(IReadOnlyDictionary<string, OnnxValue> inputs, Action<string, Tensor>? observe = null)
    {
        var given = new Dictionary<string, OnnxValue>(StringComparer.Ordinal);
        foreach (var info in Inputs)
        {
            given[info.Name] = inputs.TryGetValue(info.Name, out var value) ? Fitting(info, value)
                : throw new VertebraException($"{Source}: the input {info} is not given");
        }
        foreach (var (name, value) in inputs)
        {
            if (!given.ContainsKey(name) && !_program.Constants.ContainsKey(name))
                throw new VertebraException($"{Source} has no input '{name}'; it has {string.Join("; ", Inputs)}");
            given.TryAdd(name, value);
        }
        var interpreter = new Interpreter(Source, _limits, _tensors, null, observe is null ? null : (name, value) =>
        {
            if (value.IsTensor)
                observe(name, value.AsPlain());
        });
        return interpreter.ExecuteMain(_program, given);
    }

    private OnnxValue Fitting(OnnxTensorInfo info, OnnxValue value)
    {
        if (!value.IsTensor || info.DType is not { } dtype)
            return value;
        var tensor = value.AsPlain();
        if (tensor.DType != dtype && !(tensor.DType.IsFloat() && dtype.IsFloat()))
            throw new VertebraException($"{Source}: the input {info} is given as {tensor.Spec}; convert it to {dtype}");
        if (info.Dimensions is { } sizes && (sizes.Count != tensor.Rank || sizes.Where((d, i) => d.Size is { } size && size != tensor.Shape[i]).Any()))
            throw new VertebraException($"{Source}: the input {info} is given with the shape {tensor.Shape}");
        return tensor.To(dtype);
    }

    // ---------------------------------------------------------------- as a graph

    /// <summary>
    /// The file as a graph: nodes are this project's ops, shape arithmetic and everything else that is constant is computed.
    /// In the graph images are [N, H, W, C]: inputs and outputs of four axes are given and come so. Node paths and value names
    /// are the file's.
    /// </summary>
    /// <param name="shapes">The inputs' shapes in ONNX's order ([N, C, H, W]), one each; none, where the file says them: an open first axis is then the batch and 1.</param>
    /// <exception cref="VertebraException">A size is open, or what is computed depends on data; the message names the place.</exception>
    public Graph ToGraph(params IReadOnlyList<Shape> shapes)
    {
        if (shapes.Count != 0 && shapes.Count != Inputs.Count)
            throw new VertebraException($"{Source} takes {Inputs.Count} inputs ({string.Join("; ", Inputs)}), {shapes.Count} shapes were given");
        var tracer = new ImportTracer();
        foreach (var (name, value) in _program.Constants)
            tracer.Name(value, name);
        var inputs = new List<(string Name, Tensor Tensor)>();
        var given = new Dictionary<string, OnnxValue>(StringComparer.Ordinal);
        for (var i = 0; i < Inputs.Count; i++)
        {
            var info = Inputs[i];
            var shape = shapes.Count > 0 ? shapes[i] : StatedShape(info);
            var dtype = info.DType ?? throw new VertebraException($"{Source}: the input {info} has no place in a graph; execute the file with OnnxModel.Run instead");
            var value = AsInGraph(Fitting(info, OnnxValue.Plain(Tensor.Meta(shape, dtype))), shape);
            inputs.Add((info.Name, value.Stored));
            given[info.Name] = value;
        }
        var former = OpRecording.Current;
        OpRecording.Current = tracer;
        try
        {
            var results = new Interpreter(Source, _limits, _tensors, tracer, null).ExecuteMain(_program, given);
            return tracer.Build(inputs, [.. results.Select((r, i) => (Outputs[i].Name, r.Rank == 4 ? r.AsChannelsLast() : r.AsPlain()))]);
        }
        finally
        {
            OpRecording.Current = former;
        }
    }

    private static OnnxValue AsInGraph(OnnxValue value, Shape shape) =>
        shape.Rank == 4 ? OnnxValue.ChannelsLast(Tensor.Meta([shape[0], shape[2], shape[3], shape[1]], value.DType)) : value;

    private Shape StatedShape(OnnxTensorInfo info)
    {
        if (info.Dimensions is not { } dimensions)
            throw new VertebraException($"{Source}: the input '{info.Name}' has no stated shape; say which to make the graph for");
        var sizes = new int[dimensions.Count];
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            sizes[axis] = dimensions[axis].Size ?? (axis == 0 ? 1
                : throw new VertebraException($"{Source}: axis {axis} of the input {info} is open; say which shape to make the graph for"));
        }
        return sizes;
    }
}
