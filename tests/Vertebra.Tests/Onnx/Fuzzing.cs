using Google.Protobuf;
using Vertebra.Onnx.Format;

namespace Vertebra.Tests.Onnx;

/// <summary>Small files that use much of what the importer reads, and ways to damage them.</summary>
internal static class Fuzzing
{
    private static readonly long[] Extremes = [0, 1, -1, 2, 7, 255, 65536, int.MaxValue, int.MinValue, (long)int.MaxValue + 1, 1L << 40, long.MaxValue, long.MinValue];

    public static List<(byte[] Model, Dictionary<string, Tensor> Inputs)> Files() =>
    [
        (ConvNet().Bytes(), new() { ["x"] = Tensor.Zeros([1, 2, 6, 6]) }),
        (ShapeArithmetic().Bytes(), new() { ["x"] = Tensor.Zeros([2, 3, 4, 5]) }),
        (Sequence().Bytes(), new() { ["x"] = Tensor.Zeros([2, 5, 8]) }),
        (Indexing().Bytes(), new() { ["x"] = Tensor.Zeros([4, 6]) }),
        (Control().Bytes(), new() { ["x"] = Tensor.Ones([2, 3]) }),
        (Detection().Bytes(), new() { ["x"] = Tensor.Ones([1, 2, 6, 6]) }),
    ];

    /// <summary>A variant: bits turned, bytes cut out or doubled, a piece of another file put in, or a number made extreme.</summary>
    public static byte[] Damage(byte[] model, byte[] other, Random random)
    {
        switch (random.Next(6))
        {
            case 0: // a few bits
                var bits = (byte[])model.Clone();
                for (var i = random.Next(1, 5); i > 0; i--)
                    bits[random.Next(bits.Length)] ^= (byte)(1 << random.Next(8));
                return bits;
            case 1: // cut short
                return model[..random.Next(model.Length)];
            case 2: // a piece taken out
                var start = random.Next(model.Length);
                return [.. model[..start], .. model[Math.Min(model.Length, start + random.Next(1, 32))..]];
            case 3: // a piece of another file put in
                var from = random.Next(other.Length);
                var at = random.Next(model.Length);
                return [.. model[..at], .. other[from..Math.Min(other.Length, from + random.Next(1, 64))], .. model[at..]];
            default: // the message stays one, a number or a name in it does not
                var proto = ModelProto.Parser.ParseFrom(model);
                for (var i = random.Next(1, 3); i > 0; i--)
                    Distort(proto.Graph, random);
                return proto.ToByteArray();
        }
    }

    private static void Distort(GraphProto graph, Random random)
    {
        var node = graph.Node[random.Next(graph.Node.Count)];
        var number = Extremes[random.Next(Extremes.Length)];
        switch (random.Next(7))
        {
            case 0 when node.Attribute.Count > 0:
                var attribute = node.Attribute[random.Next(node.Attribute.Count)];
                attribute.I = number;
                if (attribute.Ints.Count > 0)
                    attribute.Ints[random.Next(attribute.Ints.Count)] = number;
                break;
            case 1:
                var tensor = graph.Initializer[random.Next(graph.Initializer.Count)];
                if (tensor.DataType == (int)TensorProto.Types.DataType.Int64 && tensor.RawData.Length >= 8)
                {
                    var raw = tensor.RawData.ToByteArray();
                    BitConverter.TryWriteBytes(raw.AsSpan(random.Next(raw.Length / 8) * 8), number);
                    tensor.RawData = ByteString.CopyFrom(raw);
                }
                break;
            case 2:
                var shaped = graph.Initializer[random.Next(graph.Initializer.Count)];
                if (shaped.Dims.Count > 0)
                    shaped.Dims[random.Next(shaped.Dims.Count)] = number;
                else
                    shaped.Dims.Add(number);
                break;
            case 3:
                var names = graph.Node.SelectMany(n => n.Input.Concat(n.Output)).Concat(graph.Initializer.Select(i => i.Name)).ToArray();
                if (node.Input.Count > 0)
                    node.Input[random.Next(node.Input.Count)] = names[random.Next(names.Length)];
                break;
            case 4:
                node.OpType = graph.Node[random.Next(graph.Node.Count)].OpType;
                break;
            case 5:
                var dims = graph.Input[0].Type.TensorType.Shape.Dim;
                if (dims.Count > 0)
                    dims[random.Next(dims.Count)].DimValue = number;
                break;
            default:
                if (node.Input.Count > 0)
                    node.Input.RemoveAt(random.Next(node.Input.Count));
                break;
        }
    }

    private static ModelBuilder ConvNet() => new ModelBuilder().Input("x", 1, 2, 6, 6)
        .Floats("w", Ramp(36), 2, 2, 3, 3).Floats("b", Ramp(2), 2).Floats("one", [1, 1], 2).Floats("fc", Ramp(6), 3, 2)
        .Node("Conv", "x w b", "c", ("pads", new long[] { 1, 1, 1, 1 }), ("strides", new long[] { 1, 1 }), ("group", 1), ("dilations", new long[] { 1, 1 }))
        .Node("BatchNormalization", "c one b b one", "n", ("epsilon", 1e-5f))
        .Node("Relu", "n", "r")
        .Node("MaxPool", "r", "m", ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }), ("ceil_mode", 0))
        .Node("ConvTranspose", "m w b", "t", ("strides", new long[] { 2, 2 }), ("output_padding", new long[] { 0, 0 }))
        .Node("AveragePool", "t", "a", ("kernel_shape", new long[] { 3, 3 }), ("count_include_pad", 1), ("auto_pad", "SAME_UPPER"))
        .Node("LRN", "a", "l", ("size", 3))
        .Node("DepthToSpace", "l", "d", ("blocksize", 1))
        .Node("GlobalAveragePool", "d", "g")
        .Node("Flatten", "g", "f", ("axis", 1))
        .Node("Gemm", "f fc", "y", ("transB", 1))
        .Output("y");

    private static ModelBuilder ShapeArithmetic() => new ModelBuilder().Input("x", 2, 3, 4, 5)
        .Longs("zero", 0).Longs("two", 2).Longs("rest", -1).Longs("axes", 2, 3).Longs("pads", 0, 0, 1, 1, 0, 0, 1, 1).Floats("scales", [1, 1, 2, 2], 4)
        .Longs("starts", 0, 1).Longs("ends", 100, -1).Longs("steps", 1, 2).Longs("parts", 1, 2)
        .Node("Shape", "x", "s").Node("Gather", "s zero", "n").Node("Mul", "n two", "nn").Node("Div", "nn two", "m").Node("Concat", "m rest", "target", ("axis", 0))
        .Node("Pad", "x pads", "p", ("mode", "reflect"))
        .Node("Slice", "p starts ends axes steps", "c")
        .Node("Resize", "c _ scales", "z", ("mode", "linear"))
        .Node("Split", "z parts", "u v", ("axis", 1))
        .Node("Transpose", "v", "w", ("perm", new long[] { 0, 2, 3, 1 }))
        .Node("Reshape", "w target", "y")
        .Node("ReduceMean", "u", "q", ("axes", new long[] { 2, 3 }), ("keepdims", 0))
        .Output("y").Output("q");

    private static ModelBuilder Sequence() => new ModelBuilder().Input("x", 2, 5, 8)
        .Floats("w", Ramp(64), 8, 8).Floats("g", Ramp(8), 8).Longs("heads", 0, 5, 2, 4).Longs("back", 0, 5, 8).Long("k", 2).Longs("kk", 2).Longs("axis", 1)
        .Longs("wide", 3, 1, 1).Longs("times", 1, 2, 1)
        .Node("LayerNormalization", "x g g", "n", ("axis", -1))
        .Node("MatMul", "n w", "q").Node("Reshape", "q heads", "h").Node("Transpose", "h", "t", ("perm", new long[] { 0, 2, 1, 3 }))
        .Node("Transpose", "h", "k2", ("perm", new long[] { 0, 2, 3, 1 })).Node("MatMul", "t k2", "a").Node("Softmax", "a", "p", ("axis", -1))
        .Node("MatMul", "p t", "o").Node("Transpose", "o", "o2", ("perm", new long[] { 0, 2, 1, 3 })).Node("Reshape", "o2 back", "r")
        .Node("Add", "r x", "sum").Node("TopK", "sum kk", "values indices", ("axis", -1)).Node("CumSum", "sum k", "c").Node("ArgMax", "sum", "i", ("axis", 1))
        .Node("Tile", "sum times", "tt").Node("Einsum", "sum w", "e", ("equation", "bij,jk->bik"))
        .Output("values").Output("c").Output("tt").Output("e");

    private static ModelBuilder Indexing() => new ModelBuilder().Input("x", 4, 6)
        .Longs("i", 0, 2, -1).Longs("shape", 2, 3).Floats("u", Ramp(12), 2, 6).Longs("rows", 1, 3).Longs("column", 2, 1).Long("depth", 5).Floats("onoff", [0, 1], 2)
        .Long("from", 0).Long("to", 6).Long("by", 2).Longs("axis", 0)
        .Node("Gather", "x i", "a", ("axis", 1)).Node("Reshape", "rows column", "r2").Node("ScatterND", "x r2 u", "b").Node("GatherND", "b r2", "c")
        .Node("OneHot", "i depth onoff", "d", ("axis", -1)).Node("Range", "from to by", "e").Node("ConstantOfShape", "shape", "f").Node("Expand", "e shape2", "g")
        .Node("Trilu", "x", "h", ("upper", 0)).Node("Unsqueeze", "h axis", "j").Node("Squeeze", "j axis", "k").Node("Concat", "k b", "y", ("axis", 0))
        .Node("GatherElements", "x r3", "l", ("axis", 1))
        .Longs("shape2", 2, 3).Constant(ModelBuilder.Tensor("r3", TensorProto.Types.DataType.Int64, System.Runtime.InteropServices.MemoryMarshal.AsBytes<long>([0, 1, 2, 3]), 4, 1))
        .Output("y").Output("c").Output("d").Output("g").Output("f").Output("l");

    private static ModelBuilder Control()
    {
        static GraphProto Graph(string[] inputs, string[] outputs, params NodeProto[] nodes)
        {
            var graph = new GraphProto { Name = "body" };
            graph.Input.AddRange(inputs.Select(i => new ValueInfoProto { Name = i }));
            graph.Output.AddRange(outputs.Select(o => new ValueInfoProto { Name = o }));
            graph.Node.AddRange(nodes);
            return graph;
        }
        var body = Graph(["turn", "go", "sofar"], ["on", "sum", "step"],
            ModelBuilder.NewNode("Identity", "go", "on"), ModelBuilder.NewNode("Add", "sofar x", "sum"), ModelBuilder.NewNode("Relu", "sum", "step"));
        return new ModelBuilder().Input("x", 2, 3).Long("three", 3).Floats("zero", [0]).Longs("axis", 0)
            .Floats("w", Ramp(4 * 4 * 3), 1, 16, 3).Floats("r", Ramp(16 * 4), 1, 16, 4).Floats("scale", [0.1f]).Constant(ModelBuilder.Tensor("point", TensorProto.Types.DataType.Uint8, [3]))
            .Node("ReduceSum", "x", "s", ("keepdims", 0)).Node("Greater", "s zero", "p")
            .Node("If", "p", "a", ("then_branch", Graph([], ["t"], ModelBuilder.NewNode("Relu", "x", "t"))), ("else_branch", Graph([], ["e"], ModelBuilder.NewNode("Neg", "x", "e"))))
            .Node("Loop", "three p a", "last all", ("body", body))
            .Node("Unsqueeze", "last axis", "line").Node("LSTM", "line w r", "hidden", ("hidden_size", 4), ("direction", "forward"))
            .Node("QuantizeLinear", "last scale point", "q").Node("DequantizeLinear", "q scale point", "d").Node("NonZero", "d", "n")
            .Node("SequenceConstruct", "d last", "list").Node("SequenceAt", "list three2", "item").Long("three2", 1)
            .Output("hidden").Output("all").Output("n").Output("item");
    }

    private static ModelBuilder Detection() => new ModelBuilder().Input("x", 1, 2, 6, 6)
        .Floats("rois", [0, 0, 4, 4, 1, 1, 5, 5], 2, 4).Longs("batch", 0, 0).Floats("grid", Ramp(1 * 3 * 3 * 2), 1, 3, 3, 2)
        .Floats("boxes", [0, 0, 1, 1, 0, 0, 1, 1.1f, 2, 2, 3, 3], 1, 3, 4).Floats("scores", [0.9f, 0.8f, 0.7f], 1, 1, 3).Long("most", 3).Floats("iou", [0.5f]).Floats("least", [0.1f])
        .Node("RoiAlign", "x rois batch", "a", ("output_height", 2), ("output_width", 2), ("sampling_ratio", 2), ("spatial_scale", 1f), ("mode", "avg"))
        .Node("GridSample", "x grid", "g", ("mode", "bilinear"), ("padding_mode", "zeros"), ("align_corners", 0))
        .Node("NonMaxSuppression", "boxes scores most iou least", "n", ("center_point_box", 0))
        .Node("MaxPool", "x", "p i", ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }))
        .Node("MaxUnpool", "p i", "u", ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }))
        .Output("a").Output("g").Output("n").Output("u");

    private static float[] Ramp(int count) => [.. Enumerable.Range(0, count).Select(i => ((i % 7) - 3) * 0.1f)];
}
