using System.Runtime.InteropServices;
using Google.Protobuf;
using Vertebra.Graphs;
using Vertebra.Onnx.Format;

namespace Vertebra.Onnx;

/// <summary>
/// Turns one graph into ONNX nodes. Here images are [N, H, W, C], there [N, C, H, W]: every value is either an image, which
/// exists in the file channels-first, or plain, which exists as it is. Ops ask for an operand in the form they need, and
/// only where the forms differ does a Transpose appear.
/// </summary>
internal sealed class OnnxEmitter
{
    // Where axis a of [N, H, W, C] stands in [N, C, H, W], and the permutations between the two.
    private static readonly int[] ChannelsFirstAxis = [0, 2, 3, 1];
    private static readonly long[] ToChannelsFirst = [0, 3, 1, 2];
    private static readonly long[] ToChannelsLast = [0, 2, 3, 1];

    private readonly Graph _graph;
    private readonly OnnxExportOptions _options;
    private readonly GraphProto _proto;
    private readonly Dictionary<Value, Written> _written = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<string> _initializers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _nodeNames = new(StringComparer.Ordinal);
    private readonly HashSet<string> _valueNames = new(StringComparer.Ordinal);
    private Node _node = null!;

    public OnnxEmitter(Graph graph, OnnxExportOptions options)
    {
        (_graph, _options) = (graph, options);
        _proto = new GraphProto { Name = options.GraphName };
    }

    public int Opset => _options.Opset;

    public GraphProto Emit()
    {
        foreach (var input in _graph.Inputs)
        {
            var isImage = input.Shape.Rank == 4;
            _written[input] = new(Unique(input.Name), isImage);
            _proto.Input.Add(Info(_written[input].Name, input, isImage));
        }
        foreach (var node in _graph.Nodes)
        {
            _node = node;
            OnnxOps.Emit(node, this);
        }
        for (var i = 0; i < _graph.Outputs.Count; i++)
            EmitOutput(_graph.Outputs[i], _graph.Outputs.Count == 1 ? "output" : $"output{i}");
        return _proto;
    }

    // Outputs of rank 4 are feature maps, and leave channels-first like every image.
    private void EmitOutput(Value value, string name)
    {
        var isImage = value.Shape.Rank == 4;
        var source = isImage ? Image(value) : Plain(value);
        _proto.Node.Add(new NodeProto { OpType = "Identity", Name = $"/{name}", Input = { source }, Output = { Unique(name) } });
        _proto.Output.Add(Info(name, value, isImage));
    }

    // ---------------------------------------------------------------- operands

    /// <summary>The node that computes a value; null for inputs and constants.</summary>
    public Node? ProducerOf(Value value) => _graph.ProducerOf(value);

    /// <summary>True when the value exists channels-first in the file.</summary>
    public bool IsImage(Value value) => _written.TryGetValue(value, out var written) && written.IsImage;

    /// <summary>The value's name in the form it exists in.</summary>
    public string AsIs(Value value) => value.IsConstant ? Plain(value) : _written[value].Name;

    /// <summary>The name of the value as [N, C, H, W].</summary>
    public string Image(Value value)
    {
        if (value.IsConstant)
            return Constant(value.Data!, value.Name + ".nchw", ToChannelsFirst);
        var written = _written[value];
        return written.IsImage ? written.Name : written.Other ??= Transpose(written.Name, ToChannelsFirst);
    }

    /// <summary>The name of the value with its axes as they are here.</summary>
    public string Plain(Value value)
    {
        if (value.IsConstant)
            return Constant(value.Data!, value.Name, null);
        var written = _written[value];
        return written.IsImage ? written.Other ??= Transpose(written.Name, ToChannelsLast) : written.Name;
    }

    /// <summary>The name of an operand that broadcasts against an image: vectors over the channels become [C, 1, 1].</summary>
    public string BroadcastAgainstImage(Value value)
    {
        if (!value.IsConstant || value.Shape.Rank is 0 or 4)
            return value.Shape.Rank == 0 ? Plain(value) : Image(value);
        var sizes = new int[4];
        Array.Fill(sizes, 1);
        value.Shape.Span.CopyTo(sizes.AsSpan(4 - value.Shape.Rank));
        return Constant(value.Data!.View(sizes), value.Name + ".nchw", ToChannelsFirst);
    }

    /// <summary>An axis of [N, H, W, C] as it stands in the form the value exists in.</summary>
    public int Axis(Value value, int axis)
    {
        var normal = axis < 0 ? axis + value.Shape.Rank : axis;
        return IsImage(value) ? ChannelsFirstAxis[normal] : normal;
    }

    /// <summary>A list over the axes of [N, H, W, C] (pads, sizes), reordered to the form the value exists in.</summary>
    public long[] PerAxis(Value value, IReadOnlyList<long> items) =>
        IsImage(value) ? [.. ToChannelsFirst.Select(a => items[(int)a])] : [.. items];

    /// <summary>Where each axis of the plain form stands in the form the value exists in: for composing a permutation.</summary>
    public long[] Permutation(Value value, IReadOnlyList<int> order) => [.. order.Select(a => (long)Axis(value, a))];

    /// <summary>An int64 vector constant.</summary>
    public string Int64(params ReadOnlySpan<long> values)
    {
        var name = $"const.i64.{string.Join('.', values.ToArray())}";
        return Constant(Tensor.From(values, [values.Length]), name, null);
    }

    /// <summary>A float32 scalar constant.</summary>
    public string Float(float value) => Constant(Tensor.Scalar(value), string.Create(System.Globalization.CultureInfo.InvariantCulture, $"const.f32.{value:r}"), null);

    /// <summary>A float32 vector constant.</summary>
    public string Vector(IEnumerable<float> values)
    {
        var all = values.ToArray();
        return Constant(Tensor.From(all, [all.Length]), $"const.f32.[{string.Join('.', all.Distinct().Select(v => v.ToString("r")))}]x{all.Length}", null);
    }

    // ---------------------------------------------------------------- results

    /// <summary>Writes a node whose only output is the current node's first result.</summary>
    public void Result(string opType, bool isImage, IEnumerable<string> inputs, params (string Name, object Value)[] attributes)
    {
        var value = _node.Outputs[0];
        _written[value] = new(Unique(value.Name), isImage);
        Node(opType, inputs, [_written[value].Name], attributes);
    }

    /// <summary>Writes a helper node of the current one and returns the name of its output.</summary>
    public string Step(string opType, IEnumerable<string> inputs, params (string Name, object Value)[] attributes)
    {
        var output = Unique($"{_node.Outputs[0].Name}.{opType}");
        Node(opType, inputs, [output], attributes);
        return output;
    }

    private void Node(string opType, IEnumerable<string> inputs, IEnumerable<string> outputs, (string Name, object Value)[] attributes)
    {
        var proto = new NodeProto { OpType = opType, Name = UniqueNodeName(opType) };
        proto.Input.AddRange(inputs);
        proto.Output.AddRange(outputs);
        foreach (var (name, value) in attributes)
            proto.Attribute.Add(Attribute(name, value));
        _proto.Node.Add(proto);
    }

    private string Transpose(string source, long[] order)
    {
        var output = Unique($"{source}.{(order == ToChannelsFirst ? "nchw" : "nhwc")}");
        Node("Transpose", [source], [output], [("perm", order)]);
        return output;
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

    // ---------------------------------------------------------------- names, constants, shapes

    private string Constant(Tensor tensor, string name, long[]? order)
    {
        if (!_initializers.Add(name))
            return name;
        if (tensor.IsMeta)
            throw new VertebraException($"'{name}' has no data: the network was built for its shapes only");
        if (order is not null)
            tensor = Vertebra.Ops.TensorOps.Permute(tensor, Array.ConvertAll(order, a => (int)a));
        var proto = new TensorProto { Name = name, DataType = (int)TypeOf(tensor.DType), RawData = Bytes(tensor) };
        foreach (var size in tensor.Shape)
            proto.Dims.Add(size);
        _proto.Initializer.Add(proto);
        return name;
    }

    private static ByteString Bytes(Tensor tensor) => ByteString.CopyFrom(tensor.DType switch
    {
        DType.Float32 => MemoryMarshal.AsBytes<float>(tensor.ToArray<float>()),
        DType.Int64 => MemoryMarshal.AsBytes<long>(tensor.ToArray<long>()),
        DType.Int32 => MemoryMarshal.AsBytes<int>(tensor.ToArray<int>()),
        DType.UInt8 => tensor.ToArray<byte>(),
        DType.Bool => MemoryMarshal.AsBytes<bool>(tensor.ToArray<bool>()),
        _ => throw new VertebraException($"constants of {tensor.DType} are not exported to ONNX"),
    });

    private static TensorProto.Types.DataType TypeOf(DType dtype) => dtype switch
    {
        DType.Float32 => TensorProto.Types.DataType.Float,
        DType.Float16 => TensorProto.Types.DataType.Float16,
        DType.BFloat16 => TensorProto.Types.DataType.Bfloat16,
        DType.Float64 => TensorProto.Types.DataType.Double,
        DType.Int8 => TensorProto.Types.DataType.Int8,
        DType.UInt8 => TensorProto.Types.DataType.Uint8,
        DType.Int32 => TensorProto.Types.DataType.Int32,
        DType.Int64 => TensorProto.Types.DataType.Int64,
        _ => TensorProto.Types.DataType.Bool,
    };

    private ValueInfoProto Info(string name, Value value, bool isImage)
    {
        var shape = new TensorShapeProto();
        for (var axis = 0; axis < value.Shape.Rank; axis++)
        {
            var size = value.Shape[isImage ? (int)ToChannelsFirst[axis] : axis];
            shape.Dim.Add(axis == 0 && _options.DynamicBatch ? new() { DimParam = "batch" } : new TensorShapeProto.Types.Dimension { DimValue = size });
        }
        return new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)TypeOf(value.Spec.DType), Shape = shape } } };
    }

    private string Unique(string name) => MakeUnique(_valueNames, name);

    private string UniqueNodeName(string opType)
    {
        var path = _node.ModulePath.Length == 0 ? "" : "/" + _node.ModulePath.Replace('.', '/');
        return MakeUnique(_nodeNames, $"{path}/{opType}");
    }

    private static string MakeUnique(HashSet<string> taken, string name)
    {
        var unique = name;
        for (var i = 1; !taken.Add(unique); i++)
            unique = $"{name}_{i}";
        return unique;
    }

    private sealed class Written(string name, bool isImage)
    {
        public string Name { get; } = name;

        public bool IsImage { get; } = isImage;

        /// <summary>Name in the other form, once some op has asked for it.</summary>
        public string? Other { get; set; }
    }
}
