using Google.Protobuf;
using Vertebra.Onnx.Format;
using Vertebra.Tests.Cases;
using static Vertebra.Onnx.Format.AttributeProto.Types;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Tests.Onnx;

/// <summary>One operator on constants, to be executed here and in ONNX Runtime.</summary>
/// <param name="OpType">The operator.</param>
/// <param name="Opset">Version of the standard operator set.</param>
/// <param name="Inputs">Operands; null is one left out.</param>
/// <param name="Attributes">Attributes: long, float, string, long[], float[], string[].</param>
internal sealed record RuntimeOperatorCase(string OpType, int Opset, Tensor?[] Inputs, params (string Name, object Value)[] Attributes)
{
    public string Domain { get; init; } = "";

    public int Outputs { get; init; } = 1;

    public override string ToString() => $"{OpType} ({string.Join(", ", Attributes.Select(a => $"{a.Name} = {(a.Value is Array list ? string.Join('.', list.Cast<object>()) : a.Value)}"))})";

    /// <summary>The case as nodes of a graph; every result becomes float32, and an output.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="number">A number of its own in the graph.</param>
    /// <param name="input">The graph's input that stands for the first operand; null where that is a constant too.</param>
    public void AddTo(GraphProto graph, int number, string? input = null)
    {
        var node = new NodeProto { OpType = OpType, Domain = Domain, Name = $"case{number}" };
        if (input is not null)
            node.Input.Add(input);
        for (var i = node.Input.Count; i < Inputs.Length; i++)
        {
            node.Input.Add(Inputs[i] is null ? "" : $"case{number}.in{i}");
            if (Inputs[i] is { } tensor)
                graph.Initializer.Add(Proto(tensor, $"case{number}.in{i}"));
        }
        node.Attribute.AddRange(Attributes.Select(a => Attribute(a.Name, a.Value)));
        graph.Node.Add(node);
        for (var i = 0; i < Outputs; i++)
        {
            node.Output.Add($"case{number}.out{i}");
            var cast = new NodeProto { OpType = "Cast", Input = { node.Output[i] }, Output = { $"y{number}_{i}" }, Attribute = { Attribute("to", (long)DataType.Float) } };
            graph.Node.Add(cast);
            graph.Output.Add(new ValueInfoProto { Name = cast.Output[0], Type = new() { TensorType = new() { ElemType = (int)DataType.Float } } });
        }
    }

    private static TensorProto Proto(Tensor tensor, string name)
    {
        var proto = new TensorProto { Name = name };
        proto.Dims.AddRange(tensor.Shape.Select(s => (long)s));
        (proto.DataType, proto.RawData) = tensor.DType switch
        {
            DType.Float32 => ((int)DataType.Float, Raw(tensor.ToArray<float>())),
            DType.Int64 => ((int)DataType.Int64, Raw(tensor.ToArray<long>())),
            DType.Int32 => ((int)DataType.Int32, Raw(tensor.ToArray<int>())),
            DType.UInt8 => ((int)DataType.Uint8, Raw(tensor.ToArray<byte>())),
            DType.Int8 => ((int)DataType.Int8, Raw(tensor.ToArray<sbyte>())),
            _ => ((int)DataType.Bool, Raw(tensor.ToArray<bool>())),
        };
        return proto;
    }

    private static ByteString Raw<T>(T[] values) where T : unmanaged => ByteString.CopyFrom(System.Runtime.InteropServices.MemoryMarshal.AsBytes<T>(values));

    private static AttributeProto Attribute(string name, object value) => value switch
    {
        long i => new() { Name = name, Type = AttributeType.Int, I = i },
        int i => new() { Name = name, Type = AttributeType.Int, I = i },
        float f => new() { Name = name, Type = AttributeType.Float, F = f },
        string s => new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(s) },
        long[] list => new() { Name = name, Type = AttributeType.Ints, Ints = { list } },
        float[] list => new() { Name = name, Type = AttributeType.Floats, Floats = { list } },
        string[] list => new() { Name = name, Type = AttributeType.Strings, Strings = { list.Select(ByteString.CopyFromUtf8) } },
        _ => throw new ArgumentException($"no attribute of {value.GetType()}"),
    };

    // ---------------------------------------------------------------- the cases

    private static Tensor Real(int stream, params int[] shape) => OpCases.Uniform(shape, stream, -2, 2);

    private static Tensor Bytes(int stream, params int[] shape)
    {
        var random = new Philox(20261120, (ulong)stream);
        return Tensor.From([.. Enumerable.Range(0, (int)((Shape)shape).ElementCount).Select(i => (byte)random.Below(256, (ulong)i))], shape);
    }

    private static Tensor Signed(int stream, params int[] shape) => Tensor.From(Array.ConvertAll(Bytes(stream, shape).ToArray<byte>(), b => (sbyte)(b - 128)), shape);

    // On processors without VNNI ONNX Runtime saturates the sum of two products of a byte and a signed byte at 16 bits; of so few bits it never does.
    private static Tensor SevenBits(int stream, params int[] shape) => Tensor.From(Array.ConvertAll(Signed(stream, shape).ToArray<sbyte>(), b => (sbyte)(b / 2)), shape);

    private static Tensor Longs(params long[] values) => Tensor.From(values);

    private static Tensor One(float value) => Tensor.Scalar(value);

    private static Tensor One(long value) => Tensor.From([value], Shape.Scalar);

    private static Tensor One(byte value) => Tensor.From([value], Shape.Scalar);

    /// <summary>What later operator sets changed, and what the standard's test data of opset 17 does not cover.</summary>
    public static IEnumerable<RuntimeOperatorCase> All() => [.. Resizing(), .. Shapes(), .. Places(), .. Functions(), .. Recurrent(), .. Quantised(), .. Runtime()];

    private static IEnumerable<RuntimeOperatorCase> Resizing()
    {
        foreach (var mode in (string[])["linear", "cubic"])
        {
            yield return new("Resize", 18, [Real(1, 1, 2, 9, 10), null, null, Longs(1, 2, 4, 3)], ("mode", mode), ("antialias", 1));
            yield return new("Resize", 18, [Real(1, 1, 2, 9, 10), null, null, Longs(1, 2, 4, 3)], ("mode", mode), ("antialias", 1), ("exclude_outside", 1), ("cubic_coeff_a", -0.5f));
            yield return new("Resize", 19, [Real(1, 1, 2, 5, 4), null, Tensor.From([1f, 1, 1.7f, 2.3f])], ("mode", mode), ("coordinate_transformation_mode", "half_pixel_symmetric"));
            yield return new("Resize", 18, [Real(1, 1, 2, 5, 4), null, null, Longs(1, 2, 8, 3)], ("mode", mode), ("coordinate_transformation_mode", "align_corners"));
            yield return new("Resize", 18, [Real(1, 1, 2, 5, 4), null, null, Longs(1, 2, 8, 3)], ("mode", mode), ("coordinate_transformation_mode", "asymmetric"));
        }
        foreach (var policy in (string[])["not_larger", "not_smaller", "stretch"])
            yield return new("Resize", 18, [Real(1, 1, 2, 5, 4), null, null, Longs(7, 7)], ("mode", "linear"), ("keep_aspect_ratio_policy", policy), ("axes", new long[] { 2, 3 }));
        foreach (var rounding in (string[])["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
            yield return new("Resize", 18, [Real(1, 1, 2, 5, 4), null, null, Longs(1, 2, 8, 7)], ("mode", "nearest"), ("nearest_mode", rounding));
    }

    private static IEnumerable<RuntimeOperatorCase> Shapes() =>
    [
        new("Split", 18, [Real(1, 2, 7)], ("axis", 1), ("num_outputs", 3)) { Outputs = 3 },
        new("Pad", 18, [Real(1, 2, 3, 4), Longs(1, 2), One(3f), Longs(-2)], ("mode", "constant")),
        new("Pad", 19, [Real(1, 2, 3, 4), Longs(0, 2, 1, 0, 1, 2)], ("mode", "wrap")),
        new("Pad", 18, [Real(1, 2, 3, 4), Longs(0, 2, 1, 0, 1, 2)], ("mode", "reflect")),
        new("Pad", 18, [Real(1, 2, 3, 4), Longs(0, -1, 1, 0, 1, -2)], ("mode", "constant")),
        .. ((string[])["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd", "ReduceSum"]).Select(op =>
            new RuntimeOperatorCase(op, 18, [Real(1, 2, 3, 4), Longs(0, -1)], ("keepdims", 0))),
        new("ReduceMean", 18, [Real(1, 2, 3, 4)], ("noop_with_empty_axes", 1)),
        new("ScatterElements", 18, [Real(1, 4, 3), Tensor.From([1L, 0, 2, 1, 1, 1], [2, 3]), Real(2, 2, 3)], ("reduction", "max")),
        new("ScatterND", 18, [Real(1, 4, 3), Tensor.From([1L, 1, 3], [3, 1]), Real(2, 3, 3)], ("reduction", "mul")),
        new("GatherND", 13, [Real(1, 2, 3, 4), Tensor.From([0L, 2, 1, 0], [2, 2, 1])], ("batch_dims", 1)),
        new("CenterCropPad", 18, [Real(1, 5, 4), Longs(3, 7)]),
        new("Trilu", 14, [Real(1, 4, 5), One(-1)], ("upper", 0)),
        new("Unique", 11, [Tensor.From([3f, 1, 3, 2, 1, 5])], ("sorted", 0)) { Outputs = 4 },
        new("TopK", 11, [Real(1, 3, 6), Longs(2)], ("axis", 1), ("largest", 0)) { Outputs = 2 },
        new("Shape", 15, [Real(1, 3, 6, 2)], ("start", -2)),
        new("DepthToSpace", 13, [Real(1, 1, 8, 2, 3)], ("blocksize", 2), ("mode", "CRD")),
        new("Col2Im", 18, [Real(1, 1, 8, 6), Longs(3, 4), Longs(2, 2)]),
        new("Col2Im", 18, [Real(1, 2, 12, 9), Longs(4, 5), Longs(2, 2)], ("pads", new long[] { 1, 0, 1, 1 }), ("strides", new long[] { 2, 2 })),
        new("Einsum", 12, [Real(1, 2, 3, 4), Real(2, 2, 4, 5)], ("equation", "bij,bjk->bik")),
        new("OneHot", 11, [Tensor.From([1L, -1, 3, 9]), One(4L), Tensor.From([2f, 5])], ("axis", 0)),
    ];

    private static IEnumerable<RuntimeOperatorCase> Places()
    {
        foreach (var mode in (string[])["linear", "nearest", "cubic"])
        {
            foreach (var padding in (string[])["zeros", "border", "reflection"])
            {
                foreach (var align in (int[])[0, 1])
                    yield return new("GridSample", 20, [Real(1, 2, 3, 4, 5), OpCases.Uniform([2, 3, 6, 2], 2, -1.6f, 1.6f)], ("mode", mode), ("padding_mode", padding), ("align_corners", align));
            }
        }
        yield return new("AffineGrid", 20, [Real(1, 2, 2, 3), Longs(2, 1, 4, 3)], ("align_corners", 0));
        yield return new("AffineGrid", 20, [Real(1, 2, 2, 3), Longs(2, 1, 4, 3)], ("align_corners", 1));
        var regions = Tensor.From([1f, 1, 9, 7, -3, 2, 6, 12, 4, 4, 4.5f, 4.2f], [3, 4]);
        foreach (var (transformation, ratio) in ((string, int)[])[("half_pixel", 0), ("half_pixel", 2), ("output_half_pixel", 2)])
        {
            yield return new("RoiAlign", 16, [Real(1, 2, 3, 8, 9), regions, Longs(0, 1, 1)], ("output_height", 3), ("output_width", 2), ("sampling_ratio", ratio),
                ("spatial_scale", 0.7f), ("coordinate_transformation_mode", transformation));
        }
        var boxes = Tensor.From([0f, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, -0.1f, 1, 0.9f, 0, 10, 1, 11, 1, 11.1f, 0, 10.1f, 0, 100, 1, 101], [1, 6, 4]);
        var scores = Tensor.From([0.9f, 0.75f, 0.6f, 0.95f, 0.5f, 0.3f, 0.1f, 0.2f, 0.6f, 0.6f, 0.8f, 0.35f], [1, 2, 6]);
        yield return new("NonMaxSuppression", 11, [boxes, scores, One(3L), One(0.5f), One(0.15f)]);
        yield return new("NonMaxSuppression", 11, [boxes, scores, One(4L), One(0.3f)], ("center_point_box", 1));
        yield return new("MaxUnpool", 11, [Real(1, 1, 1, 2, 2), Tensor.From([5L, 7, 13, 15], [1, 1, 2, 2])], ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }));
    }

    private static IEnumerable<RuntimeOperatorCase> Functions() =>
    [
        new("Gelu", 20, [Real(1, 3, 5)], ("approximate", "none")),
        new("Gelu", 20, [Real(1, 3, 5)], ("approximate", "tanh")),
        new("Mish", 18, [Real(1, 3, 5)]),
        new("PRelu", 16, [Real(1, 2, 3, 4, 4), Real(2, 3, 1, 1)]),
        new("Pow", 15, [OpCases.Uniform([3, 4], 1, 0.2f, 2), Real(2, 4)]),
        new("Mod", 13, [Real(1, 3, 4), Real(2, 4)], ("fmod", 1)),
        new("IsInf", 20, [Tensor.From([1f, float.PositiveInfinity, float.NegativeInfinity, float.NaN])], ("detect_negative", 0)),
        new("BitwiseAnd", 18, [Tensor.From([12, 10, -7]), Tensor.From([10, 3, 12])]),
        new("BitwiseNot", 18, [Bytes(1, 5)]),
        new("GroupNormalization", 21, [Real(1, 2, 6, 3, 4), Real(2, 6), Real(3, 6)], ("num_groups", 3)),
        new("LayerNormalization", 17, [Real(1, 2, 3, 4), Real(2, 3, 4), Real(3, 3, 4)], ("axis", 1)),
        new("LpPool", 18, [Real(1, 1, 2, 6, 7)], ("kernel_shape", new long[] { 3, 2 }), ("strides", new long[] { 2, 1 }), ("pads", new long[] { 1, 0, 1, 1 }), ("p", 2)),
        new("GlobalLpPool", 13, [Real(1, 1, 2, 6, 7)], ("p", 1)),
        new("AveragePool", 19, [Real(1, 1, 2, 7, 6)], ("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 1, 1, 1 }), ("ceil_mode", 1), ("count_include_pad", 1)),
        new("ConvTranspose", 11, [Real(1, 1, 4, 3, 4), Real(2, 4, 3, 3, 3), Real(3, 6)], ("group", 2), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 1, 1, 1 }), ("output_padding", new long[] { 1, 0 })),
        new("Conv", 11, [Real(1, 2, 4, 5, 6, 4), Real(2, 6, 2, 3, 2, 3), Real(3, 6)], ("group", 2), ("strides", new long[] { 2, 1, 2 }), ("pads", new long[] { 1, 0, 1, 2, 1, 1 }), ("dilations", new long[] { 2, 1, 1 })),
        new("Conv", 11, [Real(1, 1, 2, 5, 6, 4), Real(2, 3, 2, 3, 2, 3)], ("auto_pad", "SAME_UPPER"), ("strides", new long[] { 2, 2, 1 })),
        new("ConvTranspose", 11, [Real(1, 2, 4, 3, 4, 2), Real(2, 4, 3, 3, 2, 3), Real(3, 6)], ("group", 2), ("strides", new long[] { 2, 3, 1 }), ("pads", new long[] { 1, 0, 1, 0, 1, 1 }), ("output_padding", new long[] { 1, 1, 0 })),
        new("MaxPool", 12, [Real(1, 1, 2, 5, 6, 7)], ("kernel_shape", new long[] { 3, 2, 3 }), ("strides", new long[] { 2, 2, 2 }), ("pads", new long[] { 1, 0, 1, 1, 1, 1 }), ("ceil_mode", 1)),
        new("AveragePool", 11, [Real(1, 1, 2, 5, 6, 7)], ("kernel_shape", new long[] { 3, 2, 3 }), ("strides", new long[] { 2, 2, 1 }), ("pads", new long[] { 1, 0, 1, 1, 1, 1 })),
        new("BatchNormalization", 15, [Real(1, 3, 2, 4, 4), Real(2, 2), Real(3, 2), Real(4, 2), OpCases.Uniform([2], 5, 0.5f, 2)]),
        new("Einsum", 12, [Real(1, 2, 3, 3)], ("equation", "bii->bi")),
        new("DFT", 20, [Real(1, 1, 6, 3, 1), null, One(1L)], ("onesided", 1)),
        new("DFT", 20, [Real(1, 1, 6, 3, 2), One(8L), One(1L)]),
        new("STFT", 17, [Real(1, 1, 20, 1), One(4L), Real(2, 8)], ("onesided", 1)),
        new("HannWindow", 17, [One(10L)], ("periodic", 0)),
        new("BlackmanWindow", 17, [One(10L)]),
        new("MelWeightMatrix", 17, [One(8L), One(64L), One(8192L), One(0f), One(4096f)]),
        new("Det", 11, [Real(1, 3, 4, 4)]),
        new("ReverseSequence", 10, [Real(1, 4, 3, 2), Longs(2, 4, 1)]),
        new("CumSum", 14, [Real(1, 3, 4), One(1L)], ("exclusive", 1), ("reverse", 1)),
        new("SoftmaxCrossEntropyLoss", 13, [Real(1, 3, 5, 2), Tensor.From([1L, 0, 4, 2, 3, 1], [3, 2]), OpCases.Uniform([5], 2, 0.5f, 2)], ("reduction", "mean"), ("ignore_index", 2)),
    ];

    private static IEnumerable<RuntimeOperatorCase> Recurrent()
    {
        Tensor x = Real(1, 5, 2, 3), lengths = Tensor.From([5, 3]);
        foreach (var direction in (string[])["forward", "reverse", "bidirectional"])
        {
            var d = direction == "bidirectional" ? 2 : 1;
            yield return new("LSTM", 14, [x, Real(2, d, 16, 3), Real(3, d, 16, 4), Real(4, d, 32), lengths, Real(5, d, 2, 4), Real(6, d, 2, 4), Real(7, d, 12)],
                ("hidden_size", 4), ("direction", direction)) { Outputs = 3 };
            yield return new("GRU", 14, [x, Real(2, d, 12, 3), Real(3, d, 12, 4), Real(4, d, 24), null, Real(5, d, 2, 4)], ("hidden_size", 4), ("direction", direction), ("linear_before_reset", 1)) { Outputs = 2 };
            yield return new("GRU", 14, [x, Real(2, d, 12, 3), Real(3, d, 12, 4), Real(4, d, 24), lengths], ("hidden_size", 4), ("direction", direction), ("clip", 1.5f)) { Outputs = 2 };
            yield return new("RNN", 14, [x, Real(2, d, 4, 3), Real(3, d, 4, 4), Real(4, d, 8), lengths], ("hidden_size", 4), ("direction", direction),
                ("activations", Enumerable.Repeat("Relu", d).ToArray())) { Outputs = 2 };
        }
    }

    private static IEnumerable<RuntimeOperatorCase> Quantised() =>
    [
        new("QuantizeLinear", 21, [Real(1, 2, 6), OpCases.Uniform([2, 3], 2, 0.01f, 0.1f), Signed(3, 2, 3)], ("axis", 1), ("block_size", 2)),
        new("DequantizeLinear", 21, [Bytes(1, 6, 3), OpCases.Uniform([3, 3], 2, 0.01f, 0.1f), Bytes(3, 3, 3)], ("axis", 0), ("block_size", 2)),
        new("QuantizeLinear", 13, [Real(1, 2, 3, 4, 4), OpCases.Uniform([3], 2, 0.01f, 0.1f), Bytes(3, 3)], ("axis", 1)),
        new("DequantizeLinear", 13, [Signed(1, 2, 3, 4), OpCases.Uniform([3], 2, 0.01f, 0.1f), Signed(3, 3)], ("axis", -2)),
        new("DequantizeLinear", 13, [Tensor.From([100_000, -7, 3]), One(0.003f)]),
        new("DynamicQuantizeLinear", 11, [Real(1, 5, 7)]) { Outputs = 3 },
        new("MatMulInteger", 10, [Bytes(1, 3, 40), SevenBits(2, 40, 5), One((byte)120)]),
        new("ConvInteger", 10, [Bytes(1, 1, 2, 5, 5), Bytes(2, 3, 2, 3, 3), One((byte)100)], ("pads", new long[] { 1, 1, 1, 1 })),
        new("QLinearMatMul", 10, [Bytes(1, 3, 8), One(0.02f), One((byte)113), Bytes(2, 8, 4), One(0.03f), One((byte)120), One(0.05f), One((byte)118)]),
        new("QLinearConv", 10,
            [
                Bytes(1, 1, 4, 6, 6), One(0.02f), One((byte)110), SevenBits(2, 6, 2, 3, 3), OpCases.Uniform([6], 3, 0.005f, 0.02f), Tensor.From(new sbyte[6]),
                One(0.08f), One((byte)128), Tensor.From([100, -200, 3000, 0, 5, -1000]),
            ], ("group", 2), ("pads", new long[] { 1, 1, 1, 1 })),
    ];

    private static IEnumerable<RuntimeOperatorCase> Runtime()
    {
        RuntimeOperatorCase[] cases =
        [
            new("QLinearAdd", 17, [Bytes(1, 2, 5), One(0.0213f), One((byte)110), Bytes(2, 2, 5), One(0.0317f), One((byte)100), One(0.0589f), One((byte)120)]),
            new("QLinearSigmoid", 17, [Bytes(1, 2, 5), One(0.02f), One((byte)110), One(1 / 256f), One((byte)0)]),
            new("QLinearConcat", 17, [One(0.05f), One((byte)120), Bytes(1, 2, 5), One(0.02f), One((byte)110), Bytes(2, 2, 3), One(0.03f), One((byte)100)], ("axis", 1)),
            new("QLinearGlobalAveragePool", 17, [Bytes(1, 1, 3, 4, 4), One(0.02f), One((byte)110), One(0.01f), One((byte)120)]),
            new("FusedConv", 17, [Real(1, 1, 2, 5, 5), Real(2, 3, 2, 3, 3), Real(3, 3)], ("activation", "LeakyRelu"), ("activation_params", new[] { 0.1f })),
            new("FusedMatMul", 17, [Real(1, 3, 4), Real(2, 5, 4)], ("transB", 1), ("alpha", 0.5f)),
            new("BiasGelu", 17, [Real(1, 3, 4), Real(2, 4)]),
            new("FastGelu", 17, [Real(1, 3, 4), Real(2, 4)]),
            new("QuickGelu", 17, [Real(1, 3, 4)]),
            new("SkipLayerNormalization", 17, [Real(1, 2, 3, 8), Real(2, 2, 3, 8), Real(3, 8), Real(4, 8), Real(5, 8)], ("epsilon", 1e-5f)),
            new("Attention", 17, [Real(1, 2, 5, 8), Real(2, 8, 24), Real(3, 24)], ("num_heads", 2)),
            new("MatMulIntegerToFloat", 17, [Bytes(1, 3, 8), Bytes(2, 8, 4), One(0.02f), One(0.03f), One((byte)100), One((byte)120), Real(3, 4)]),
        ];
        return cases.Select(c => c with { Domain = "com.microsoft" });
    }
}
