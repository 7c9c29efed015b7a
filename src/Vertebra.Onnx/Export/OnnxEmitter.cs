using Google.Protobuf;
using Vertebra.Graphs;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Turns one graph into ONNX nodes. Every value exists in the file in one order of its axes, or in several: ops ask for an
/// operand in the order they need, and only where it does not exist yet does a Transpose appear.
/// </summary>
internal sealed partial class OnnxEmitter
{
    private readonly Graph _graph;
    private readonly OnnxExportOptions _options;
    private readonly OpenSizes _sizes;
    private readonly GraphProto _proto;
    private readonly HashSet<string> _nodeNames = new(StringComparer.Ordinal);
    private readonly HashSet<string> _valueNames = new(StringComparer.Ordinal);
    private Node? _node;

    public OnnxEmitter(Graph graph, OpenSizes sizes, OnnxExportOptions options)
    {
        (_graph, _sizes, _options) = (graph, sizes, options);
        _proto = new GraphProto { Name = options.GraphName };
    }

    public int Opset => _options.Opset;

    /// <summary>The file's tensors, with their data, in order of first use.</summary>
    public List<(TensorProto Proto, Tensor Data)> Initializers { get; } = [];

    /// <summary>The graph's values by their names in the file, with the order of their axes there.</summary>
    public Dictionary<string, (Value Value, AxisOrder Order)> Names { get; } = new(StringComparer.Ordinal);

    /// <summary>Writes the graph; the initializers' data is left to the caller.</summary>
    /// <param name="prologue">Writes nodes that turn what the file is given into the graph's only input, and returns that one's name and order.</param>
    public GraphProto Emit(Func<OnnxEmitter, (string Name, AxisOrder Order)>? prologue = null)
    {
        if (prologue is not null)
        {
            var (name, order) = prologue(this);
            _written[_graph.Inputs.Single()] = new(order, name);
        }
        else
        {
            foreach (var input in _graph.Inputs)
                EmitInput(input);
        }
        foreach (var node in _graph.Nodes)
        {
            _node = node;
            OnnxOps.Emit(node, this);
        }
        _node = null;
        for (var i = 0; i < _graph.Outputs.Count; i++)
            EmitOutput(_graph.Outputs[i], i < _options.OutputNames.Count ? _options.OutputNames[i] : _graph.Outputs.Count == 1 ? "output" : $"output{i}");
        foreach (var (value, written) in _written)
        {
            foreach (var (order, name) in written.Names)
                Names.TryAdd(name, (value, order));
        }
        return _proto;
    }

    private void EmitInput(Value input)
    {
        var order = FileOrder(input);
        var name = Unique(input.Name);
        _written[input] = new(order, name);
        _proto.Input.Add(Info(name, input, order));
    }

    // Feature maps leave in the order in which images come in.
    private void EmitOutput(Value value, string name)
    {
        var order = FileOrder(value);
        _proto.Node.Add(new NodeProto { OpType = "Identity", Name = UniqueNodeName($"/{name}"), Input = { In(value, order) }, Output = { Unique(name) } });
        _proto.Output.Add(Info(name, value, order));
        Names[name] = (value, order);
    }

    private AxisOrder FileOrder(Value value) =>
        _options.ChannelsFirst && value.Shape.Rank == 4 ? AxisOrder.ChannelsFirst(4) : AxisOrder.Plain(value.Shape.Rank);

    // ---------------------------------------------------------------- results

    /// <summary>Writes a node whose only output is the current node's first result.</summary>
    public void Result(string opType, AxisOrder order, IEnumerable<string> inputs, params (string Name, object Value)[] attributes) =>
        Results(opType, order, 1, inputs, attributes);

    /// <summary>Writes a node whose outputs are the current node's first results, all in one order.</summary>
    public void Results(string opType, AxisOrder order, int count, IEnumerable<string> inputs, params (string Name, object Value)[] attributes)
    {
        var names = new string[count];
        for (var i = 0; i < count; i++)
        {
            var value = _node!.Outputs[i];
            names[i] = Unique(value.Name);
            _written[value] = new(order, names[i]);
        }
        Node(opType, inputs, names, attributes);
    }

    /// <summary>The current node's result is data that exists already, read in other orders.</summary>
    public void SameData(Value source, Func<AxisOrder, AxisOrder> order)
    {
        var written = new Written();
        foreach (var (existing, name) in WrittenAs(source).Names)
            written.Names.Add(order(existing), name);
        written.Native = order(WrittenAs(source).Native);
        _written[_node!.Outputs[0]] = written;
    }

    /// <summary>Writes a helper node of the current one and returns the name of its output.</summary>
    public string Step(string opType, IEnumerable<string> inputs, params (string Name, object Value)[] attributes)
    {
        var output = Unique($"{_node?.Outputs[0].Name ?? "preprocess"}.{opType}");
        Node(opType, inputs, [output], attributes);
        return output;
    }

    private void Node(string opType, IEnumerable<string> inputs, IEnumerable<string> outputs, (string Name, object Value)[] attributes)
    {
        var path = _node is null ? "/preprocess" : _node.ModulePath.Length == 0 ? "" : "/" + _node.ModulePath.Replace('.', '/');
        var proto = new NodeProto { OpType = opType, Name = UniqueNodeName($"{path}/{opType}") };
        proto.Input.AddRange(inputs);
        proto.Output.AddRange(outputs);
        foreach (var (name, value) in attributes)
            proto.Attribute.Add(Attribute(name, value));
        _proto.Node.Add(proto);
    }

    private static AttributeProto Attribute(string name, object value) => value switch
    {
        int i => new() { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = i },
        long l => new() { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = l },
        float f => new() { Name = name, Type = AttributeProto.Types.AttributeType.Float, F = f },
        string s => new() { Name = name, Type = AttributeProto.Types.AttributeType.String, S = ByteString.CopyFromUtf8(s) },
        long[] list => new() { Name = name, Type = AttributeProto.Types.AttributeType.Ints, Ints = { list } },
        _ => throw new ArgumentException($"no ONNX attribute for {value.GetType().Name}"),
    };

    // ---------------------------------------------------------------- names

    private ValueInfoProto Info(string name, Value value, AxisOrder order)
    {
        var shape = new TensorShapeProto();
        foreach (var axis in order.Axes)
        {
            var open = _sizes.NameOf(value, axis);
            shape.Dim.Add(open is null ? new TensorShapeProto.Types.Dimension { DimValue = value.Shape[axis] }
                : new() { DimParam = open.Length > 0 ? open : $"{name}_{order.PositionOf(axis)}" });
        }
        return new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)TypeOf(value.Spec.DType), Shape = shape } } };
    }

    /// <summary>Declares an input of the file that is no input of the graph; null sizes are open under the given name.</summary>
    public string Input(string name, DType dtype, params (string? Name, int Size)[] sizes)
    {
        var shape = new TensorShapeProto();
        foreach (var (open, size) in sizes)
            shape.Dim.Add(open is null ? new TensorShapeProto.Types.Dimension { DimValue = size } : new() { DimParam = open });
        var unique = Unique(name);
        _proto.Input.Add(new ValueInfoProto { Name = unique, Type = new() { TensorType = new() { ElemType = (int)TypeOf(dtype), Shape = shape } } });
        return unique;
    }

    private string Unique(string name) => MakeUnique(_valueNames, name);

    private string UniqueNodeName(string name) => MakeUnique(_nodeNames, name);

    private static string MakeUnique(HashSet<string> taken, string name)
    {
        var unique = name;
        for (var i = 1; !taken.Add(unique); i++)
            unique = $"{name}_{i}";
        return unique;
    }
}
