using System.Runtime.InteropServices;
using Google.Protobuf;
using Vertebra.Onnx.Format;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;
using Type = Vertebra.Onnx.Format.AttributeProto.Types.AttributeType;

namespace Vertebra.Tests.Onnx;

/// <summary>Writes small ONNX models by hand, message by message, without the project's exporter.</summary>
internal sealed class ModelBuilder
{
    public ModelBuilder(int opset = 17)
    {
        Model = new() { IrVersion = 8, ProducerName = "test", Graph = new() { Name = "g" } };
        Model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = opset });
    }

    public ModelProto Model { get; }

    public GraphProto Graph => Model.Graph;

    public ModelBuilder Input(string name, DataType type, params long[] dims)
    {
        Graph.Input.Add(Info(name, type, [.. dims.Select(d => (object)d)]));
        return this;
    }

    public ModelBuilder Input(string name, params long[] dims) => Input(name, DataType.Float, dims);

    public ModelBuilder OpenInput(string name, params object[] dims)
    {
        Graph.Input.Add(Info(name, DataType.Float, dims));
        return this;
    }

    public ModelBuilder Output(string name, DataType type = DataType.Float)
    {
        Graph.Output.Add(new ValueInfoProto { Name = name, Type = new() { TensorType = new() { ElemType = (int)type } } });
        return this;
    }

    public ModelBuilder Floats(string name, float[] values, params long[] dims) => Constant(Tensor(name, DataType.Float, MemoryMarshal.AsBytes<float>(values), dims));

    public ModelBuilder Longs(string name, params long[] values) => Constant(Tensor(name, DataType.Int64, MemoryMarshal.AsBytes<long>(values), values.Length));

    public ModelBuilder Long(string name, long value) => Constant(Tensor(name, DataType.Int64, MemoryMarshal.AsBytes<long>([value])));

    public ModelBuilder Constant(TensorProto proto)
    {
        Graph.Initializer.Add(proto);
        return this;
    }

    /// <summary>Adds a node; operands and results are lists separated by blanks, where _ leaves one out.</summary>
    public ModelBuilder Node(string opType, string inputs, string outputs, params (string Name, object Value)[] attributes)
    {
        Graph.Node.Add(NewNode(opType, inputs, outputs, attributes));
        return this;
    }

    public static NodeProto NewNode(string opType, string inputs, string outputs, params (string Name, object Value)[] attributes)
    {
        var node = new NodeProto { OpType = opType, Name = $"{opType}_{outputs.Split(' ')[0]}" };
        node.Input.AddRange(inputs.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(i => i == "_" ? "" : i));
        node.Output.AddRange(outputs.Split(' ').Select(o => o == "_" ? "" : o));
        node.Attribute.AddRange(attributes.Select(a => Attribute(a.Name, a.Value)));
        return node;
    }

    public byte[] Bytes() => Model.ToByteArray();

    public static TensorProto Tensor(string name, DataType type, ReadOnlySpan<byte> raw, params long[] dims)
    {
        var proto = new TensorProto { Name = name, DataType = (int)type, RawData = ByteString.CopyFrom(raw) };
        proto.Dims.AddRange(dims);
        return proto;
    }

    private static AttributeProto Attribute(string name, object value)
    {
        var attribute = new AttributeProto { Name = name };
        switch (value)
        {
            case int i: (attribute.Type, attribute.I) = (Type.Int, i); break;
            case long l: (attribute.Type, attribute.I) = (Type.Int, l); break;
            case float f: (attribute.Type, attribute.F) = (Type.Float, f); break;
            case string s: (attribute.Type, attribute.S) = (Type.String, ByteString.CopyFromUtf8(s)); break;
            case long[] longs:
                attribute.Type = Type.Ints;
                attribute.Ints.AddRange(longs);
                break;
            case float[] floats:
                attribute.Type = Type.Floats;
                attribute.Floats.AddRange(floats);
                break;
            case TensorProto tensor: (attribute.Type, attribute.T) = (Type.Tensor, tensor); break;
            case GraphProto graph: (attribute.Type, attribute.G) = (Type.Graph, graph); break;
            default: throw new ArgumentException($"no attribute for {value}");
        }
        return attribute;
    }

    private static ValueInfoProto Info(string name, DataType type, object[] dims)
    {
        var shape = new TensorShapeProto();
        foreach (var dim in dims)
            shape.Dim.Add(dim is string symbol ? new() { DimParam = symbol } : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(dim) });
        return new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)type, Shape = shape } } };
    }
}
