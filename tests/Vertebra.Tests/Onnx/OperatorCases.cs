using System.Runtime.InteropServices;
using Vertebra.Onnx.Format;
using Vertebra.Tests.Cases;
using DataType = Vertebra.Onnx.Format.TensorProto.Types.DataType;

namespace Vertebra.Tests.Onnx;

/// <summary>One small model and its inputs.</summary>
/// <param name="Name">What failures call it.</param>
/// <param name="Model">The model; its outputs are compared with ONNX Runtime's.</param>
/// <param name="Inputs">Inputs by name, in ONNX's layout.</param>
/// <param name="IsGraph">Whether it also becomes a graph: what depends on data does not.</param>
internal sealed record OperatorCase(string Name, ModelBuilder Model, IReadOnlyDictionary<string, Tensor> Inputs, bool IsGraph);

/// <summary>Models that use each operator in its variants.</summary>
internal static partial class OperatorCases
{
    private static readonly List<OperatorCase> Cases = [];

    public static IReadOnlyList<OperatorCase> All()
    {
        if (Cases.Count == 0)
        {
            Elementwise();
            Windows();
            Normalisations();
            Reductions();
            Shapes();
            Indices();
            Resizes();
        }
        return Cases;
    }

    /// <summary>A case of one node, whose operand x is an image [2, 6, 5, 7] unless told otherwise.</summary>
    private static void One(string opType, string inputs = "x", Action<ModelBuilder>? more = null, int[]? shape = null, int opset = 17, string outputs = "y",
        bool isGraph = true, float low = -2, float high = 2, params (string, object)[] attributes)
    {
        shape ??= [2, 6, 5, 7];
        var model = new ModelBuilder(opset).Input("x", [.. shape.Select(s => (long)s)]).Node(opType, inputs, outputs, attributes);
        more?.Invoke(model);
        foreach (var output in outputs.Split(' ').Where(o => o != "_" && model.Graph.Output.All(g => g.Name != o)))
            model.Output(output);
        Add($"{opType} {string.Join(' ', attributes.Select(a => $"{a.Item1}={Text(a.Item2)}"))} opset {opset} {string.Join('x', shape)}", model, isGraph, ("x", Values(shape, low, high)));
    }

    private static void Add(string name, ModelBuilder model, bool isGraph, params (string Name, Tensor Tensor)[] inputs) =>
        Cases.Add(new($"#{Cases.Count} {name}", model, inputs.ToDictionary(i => i.Name, i => i.Tensor), isGraph));

    private static string Text(object value) => value is long[] list ? string.Join(',', list) : value is GraphProto or TensorProto ? "..." : value.ToString()!;

    private static Tensor Values(int[] shape, float low, float high)
    {
        var values = OpCases.Uniform(shape, 7).ToArray<float>();
        var (least, most) = (values.DefaultIfEmpty().Min(), values.DefaultIfEmpty().Max());
        return Tensor.From(Array.ConvertAll(values, v => low + ((v - least) / Math.Max(1e-9f, most - least) * (high - low))), shape);
    }

    private static float[] Ramp(int count, float step = 0.13f) => [.. Enumerable.Range(0, count).Select(i => (float)Math.Sin(1 + (i * step * 7)))];

    // ---------------------------------------------------------------- element by element

    private static void Elementwise()
    {
        foreach (var op in (string[])["Abs", "Neg", "Exp", "Relu", "Sigmoid", "Tanh", "Erf", "Sin", "Cos", "Softplus", "Softsign", "Sign", "HardSwish", "Selu", "Identity", "Reciprocal"])
            One(op);
        One("Sqrt", low: 0.1f);
        One("Log", low: 0.1f);
        One("Elu", attributes: ("alpha", 0.7f));
        One("LeakyRelu", attributes: ("alpha", 0.2f));
        One("HardSigmoid");
        One("HardSigmoid", attributes: [("alpha", 1 / 6f), ("beta", 0.5f)]);
        One("ThresholdedRelu", attributes: ("alpha", 0.6f));
        One("Celu", attributes: ("alpha", 1.7f));
        One("PRelu", "x s", m => m.Floats("s", Ramp(6), 6, 1, 1));
        One("PRelu", "x s", m => m.Floats("s", [0.3f], 1));
        One("Clip", "x lo hi", m => m.Floats("lo", [-0.5f]).Floats("hi", [0.7f]));
        One("Clip", "x _ hi", m => m.Floats("hi", [0.7f]));
        One("Clip", opset: 6, attributes: [("min", 0f), ("max", 1f)]);
        foreach (var op in (string[])["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"])
        {
            One(op, "x c", m => m.Floats("c", [0.5f]), low: 0.2f);
            One(op, "x c", m => m.Floats("c", Ramp(6), 6, 1, 1), low: 0.2f, isGraph: op != "Pow");
            One(op, "c x", m => m.Floats("c", [.. Ramp(7).Select(MathF.Abs)], 7), low: 0.2f, isGraph: op != "Pow");
        }
        One("Sum", "x x x");
        One("Mean", "x c", m => m.Floats("c", Ramp(7), 7));
        One("Mod", "x c", m => m.Floats("c", [0.7f]), isGraph: false, attributes: ("fmod", 1));
        foreach (var op in (string[])["Floor", "Ceil", "Round"])
            One(op, isGraph: false);
        foreach (var op in (string[])["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
            One(op, "x c", m => m.Floats("c", Ramp(6), 6, 1, 1).Output("y", DataType.Bool));
        One("Softmax", attributes: ("axis", 1));
        One("Softmax", attributes: ("axis", -1));
        One("Softmax", opset: 11, attributes: ("axis", 1));
        One("LogSoftmax", attributes: ("axis", 2));
        var where = new ModelBuilder().Input("x", 2, 3, 4).Floats("zero", [0]).Floats("c", Ramp(4), 4)
            .Node("Greater", "x zero", "p").Node("Not", "p", "n").Node("Or", "p n", "always").Node("And", "p always", "q").Node("Xor", "q n", "r").Node("Where", "q x c", "y").Output("y").Output("r", DataType.Bool);
        Add("Where and logic", where, true, ("x", Values([2, 3, 4], -1, 1)));
        foreach (var (to, name) in ((int, string)[])[(6, "int32"), (7, "int64"), (9, "bool"), (10, "float16"), (1, "float")])
        {
            One("Cast", outputs: "z", more: m => m.Node("Cast", "z", "y", ("to", 1)).Output("y"), attributes: ("to", to));
            Cases[^1].Model.Graph.Output.Remove(Cases[^1].Model.Graph.Output.First(o => o.Name == "z"));
        }
        // An image that flows past a plain tensor: conv, transposed addend, per-channel gate.
        var mixed = new ModelBuilder().Input("x", 2, 3, 5, 5).Floats("w", Ramp(3 * 3), 3, 3, 1, 1).Floats("t", Ramp(15), 3, 5, 1)
            .Node("Conv", "x w", "c").Node("Transpose", "c", "d", ("perm", new long[] { 0, 1, 3, 2 })).Node("Add", "c d", "e").Node("Mul", "e t", "f")
            .Node("GlobalAveragePool", "f", "g").Node("Sigmoid", "g", "h").Node("Mul", "f h", "y").Output("y");
        Add("images and plain tensors mixed", mixed, true, ("x", Values([2, 3, 5, 5], -1, 1)));
    }

    // ---------------------------------------------------------------- convolution, pooling, matrices

    private static void Windows()
    {
        void Conv(int[] shape, long[] weight, bool bias, params (string, object)[] attributes) => One("Conv", bias ? "x w b" : "x w", m =>
        {
            m.Floats("w", Ramp((int)weight.Aggregate((a, b) => a * b)), weight);
            if (bias)
                m.Floats("b", Ramp((int)weight[0]), weight[0]);
        }, shape, attributes: attributes);
        Conv([2, 6, 5, 7], [4, 6, 3, 3], true);
        Conv([2, 6, 5, 7], [6, 1, 3, 3], true, ("group", 6), ("pads", new long[] { 1, 1, 1, 1 }));
        Conv([2, 6, 9, 7], [4, 3, 3, 2], false, ("group", 2), ("strides", new long[] { 2, 1 }), ("dilations", new long[] { 1, 2 }), ("pads", new long[] { 1, 0, 2, 1 }));
        foreach (var mode in (string[])["SAME_UPPER", "SAME_LOWER", "VALID"])
            Conv([1, 2, 8, 9], [3, 2, 4, 3], true, ("auto_pad", mode), ("strides", new long[] { 2, 2 }));
        Conv([2, 6, 11], [4, 6, 3], true, ("strides", new long[] { 2 }), ("pads", new long[] { 2, 1 }));

        void Transposed(long[] weight, params (string, object)[] attributes) =>
            One("ConvTranspose", "x w", m => m.Floats("w", Ramp((int)weight.Aggregate((a, b) => a * b)), weight), [1, 4, 5, 4], attributes: attributes);
        Transposed([4, 3, 3, 3]);
        Transposed([4, 3, 3, 2], ("strides", new long[] { 2, 3 }), ("pads", new long[] { 1, 0, 1, 1 }), ("output_padding", new long[] { 1, 0 }));
        Transposed([4, 2, 2, 2], ("strides", new long[] { 2, 2 }), ("group", 2));
        Transposed([4, 3, 3, 3], ("strides", new long[] { 2, 2 }), ("auto_pad", "SAME_UPPER"));
        Transposed([4, 3, 3, 3], ("strides", new long[] { 2, 2 }), ("output_shape", new long[] { 10, 9 }));

        foreach (var op in (string[])["MaxPool", "AveragePool"])
        {
            One(op, attributes: [("kernel_shape", new long[] { 3, 2 }), ("strides", new long[] { 2, 2 }), ("pads", new long[] { 1, 0, 1, 1 })]);
            One(op, attributes: [("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }), ("ceil_mode", 1)]);
            One(op, attributes: [("kernel_shape", new long[] { 3, 3 }), ("strides", new long[] { 2, 2 }), ("auto_pad", "SAME_LOWER")]);
            One(op, shape: [2, 3, 9], attributes: [("kernel_shape", new long[] { 3 }), ("strides", new long[] { 2 })]);
        }
        One("MaxPool", outputs: "y i", more: m => m.Output("i", DataType.Int64), isGraph: false, attributes: [("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 })]);
        One("MaxPool", attributes: [("kernel_shape", new long[] { 2, 2 }), ("dilations", new long[] { 2, 2 })]);
        One("AveragePool", attributes: [("kernel_shape", new long[] { 3, 3 }), ("pads", new long[] { 1, 1, 1, 1 }), ("count_include_pad", 1)]);
        One("GlobalAveragePool");
        One("GlobalMaxPool");
        One("GlobalAveragePool", shape: [2, 3, 9]);
        foreach (var mode in (string[])["DCR", "CRD"])
            One("DepthToSpace", shape: [2, 8, 3, 2], attributes: [("blocksize", 2), ("mode", mode)]);
        One("SpaceToDepth", shape: [2, 3, 4, 6], attributes: ("blocksize", 2));

        One("MatMul", "x w", m => m.Floats("w", Ramp(7 * 3), 7, 3));
        One("MatMul", "x v", m => m.Floats("v", Ramp(7), 7));
        One("MatMul", "v x", m => m.Floats("v", Ramp(5), 5));
        One("MatMul", "x w", m => m.Floats("w", Ramp(6 * 7 * 2), 1, 6, 7, 2));
        One("Gemm", "x w b", m => m.Floats("w", Ramp(28), 4, 7).Floats("b", Ramp(4), 4), [3, 7], attributes: ("transB", 1));
        One("Gemm", "x w b", m => m.Floats("w", Ramp(12), 3, 4).Floats("b", Ramp(7), 7, 1), [3, 7], attributes: [("transA", 1), ("alpha", 0.5f), ("beta", 2f)]);
        One("Gemm", "x w", m => m.Floats("w", Ramp(28), 7, 4), [3, 7]);
        One("Einsum", "x w", m => m.Floats("w", Ramp(6 * 7), 6, 7), attributes: ("equation", "nchw, cw -> nhc"));
    }

    private static void Normalisations()
    {
        One("BatchNormalization", "x s b m v", m => m.Floats("s", Ramp(6), 6).Floats("b", Ramp(6, 0.2f), 6).Floats("m", Ramp(6, 0.3f), 6).Floats("v", [1, 2, 3, 4, 5, 6], 6), attributes: ("epsilon", 1e-3f));
        One("BatchNormalization", "x s b m v", m => m.Floats("s", Ramp(6), 6).Floats("b", Ramp(6, 0.2f), 6).Floats("m", Ramp(6, 0.3f), 6).Floats("v", [1, 2, 3, 4, 5, 6], 6), shape: [4, 6]);
        One("InstanceNormalization", "x s b", m => m.Floats("s", Ramp(6), 6).Floats("b", Ramp(6, 0.2f), 6));
        One("InstanceNormalization", "x s b", m => m.Floats("s", Ramp(6), 6).Floats("b", Ramp(6, 0.2f), 6), shape: [2, 6, 9]);
        One("GroupNormalization", "x s b", m => m.Floats("s", Ramp(6), 6).Floats("b", Ramp(6, 0.2f), 6), opset: 21, attributes: ("num_groups", 3));
        One("LayerNormalization", "x s b", m => m.Floats("s", Ramp(7), 7).Floats("b", Ramp(7, 0.2f), 7));
        One("LayerNormalization", "x s", m => m.Floats("s", Ramp(35), 5, 7), attributes: ("axis", 2));
        One("LRN", attributes: [("size", 3), ("alpha", 0.2f), ("beta", 0.6f), ("bias", 1.5f)]);
        One("LRN", attributes: ("size", 5));
        One("LpNormalization", attributes: [("axis", 1), ("p", 2)]);
        One("LpNormalization", attributes: [("axis", 1), ("p", 1)]);
    }

    private static void Reductions()
    {
        foreach (var op in (string[])["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd"])
        {
            One(op, isGraph: op != "ReduceProd", attributes: [("axes", new long[] { 2, 3 }), ("keepdims", 1)]);
            One(op, isGraph: op != "ReduceProd", attributes: [("axes", new long[] { -1, 1 }), ("keepdims", 0)]);
            One(op, isGraph: op != "ReduceProd", attributes: ("keepdims", 0));
            One(op, "x a", m => m.Longs("a", 1), opset: 18, isGraph: op != "ReduceProd", attributes: ("keepdims", 0));
        }
        One("ReduceSum", "x a", m => m.Longs("a", 2, 3), attributes: ("keepdims", 0));
        One("ReduceSum", attributes: [("noop_with_empty_axes", 1)]);
        One("ReduceLogSum", low: 0.1f, attributes: ("axes", new long[] { 1 }));
        foreach (var axis in (int[])[0, 1, -1])
        {
            One("ArgMax", more: m => m.Output("y", DataType.Int64), attributes: [("axis", axis), ("keepdims", axis == 1 ? 0 : 1)]);
            One("ArgMin", more: m => m.Output("y", DataType.Int64), attributes: ("axis", axis));
        }
        One("CumSum", "x a", m => m.Long("a", 1));
        One("CumSum", "x a", m => m.Long("a", -1), attributes: [("exclusive", 1), ("reverse", 1)]);
        One("TopK", "x k", m => m.Longs("k", 3).Output("i", DataType.Int64), outputs: "y i", attributes: ("axis", 1));
        One("TopK", "x k", m => m.Longs("k", 2).Output("i", DataType.Int64), outputs: "y i", attributes: [("axis", -1), ("largest", 0)]);
    }

    // ---------------------------------------------------------------- shapes and indices

    private static void Shapes()
    {
        One("Reshape", "x s", m => m.Longs("s", 0, -1, 7));
        One("Reshape", "x s", m => m.Longs("s", 2, 3, 2, 5, 7));
        One("Flatten");
        One("Flatten", attributes: ("axis", 2));
        One("Flatten", attributes: ("axis", 0));
        One("Transpose");
        One("Transpose", attributes: ("perm", new long[] { 0, 2, 3, 1 }));
        One("Concat", "x x x", attributes: ("axis", 1));
        One("Concat", "x c", m => m.Floats("c", Ramp(2 * 6 * 5 * 2), 2, 6, 5, 2), attributes: ("axis", -1));
        One("Split", "x s", m => m.Longs("s", 1, 3, 2), outputs: "y z w", attributes: ("axis", 1));
        One("Split", outputs: "y z", attributes: ("axis", 0));
        One("Split", outputs: "y z w", opset: 18, attributes: [("axis", 3), ("num_outputs", 3)]);
        One("Split", outputs: "y z", opset: 11, attributes: [("axis", 1), ("split", new long[] { 2, 4 })]);
        One("Slice", "x s e a p", m => m.Longs("s", 1, -1).Longs("e", 100, -6).Longs("a", 1, 3).Longs("p", 2, -2));
        One("Slice", "x s e", m => m.Longs("s", 0, 2).Longs("e", 1, long.MaxValue));
        One("Slice", "x s e a p", m => m.Longs("s", -1).Longs("e", long.MinValue).Longs("a", 2).Longs("p", -1));
        One("Slice", opset: 9, attributes: [("starts", new long[] { 1, 0 }), ("ends", new long[] { 3, -1 }), ("axes", new long[] { 2, 3 })]);
        One("Squeeze", "x a", m => m.Longs("a", 1, -1), shape: [2, 1, 5, 1]);
        One("Squeeze", shape: [2, 1, 5, 1]);
        One("Unsqueeze", "x a", m => m.Longs("a", 0, -2), shape: [3, 4]);
        One("Unsqueeze", opset: 11, attributes: ("axes", new long[] { 1 }), shape: [3, 4]);
        One("Expand", "x s", m => m.Longs("s", 3, 1, 6, 5), shape: [3, 1, 1, 5]);
        One("Expand", "x s", m => m.Longs("s", 4, 2, 1), shape: [1, 3]);
        One("Tile", "x r", m => m.Longs("r", 1, 2, 1, 3));
        foreach (var mode in (string[])["constant", "reflect", "edge"])
            One("Pad", "x p", m => m.Longs("p", 0, 0, 1, 2, 0, 0, 3, 1), attributes: ("mode", mode));
        One("Pad", "x p v", m => m.Longs("p", 0, 1, -1, 0, 0, 0, 0, -2).Floats("v", [0.5f]));
        One("Pad", "x p v a", m => m.Longs("p", 1, 2, 0, 1).Floats("v", [2f]).Longs("a", 3, 1), opset: 18);
        One("Pad", "x p", m => m.Longs("p", 0, 0, 1, 2, 0, 0, 3, 1), opset: 19, attributes: ("mode", "wrap"));
        One("Shape", more: m => m.Output("y", DataType.Int64));
        One("Shape", more: m => m.Output("y", DataType.Int64), attributes: [("start", -3), ("end", -1)]);
        One("Size", more: m => m.Output("y", DataType.Int64));
        One("Trilu", shape: [2, 4, 5]);
        One("Trilu", "x k", m => m.Long("k", -1), shape: [2, 4, 5], attributes: ("upper", 0));
        One("Dropout", outputs: "y");
        // Shape arithmetic: [N, C, H, W] to [N, C / 2, 2 · H · W] by the shape's own numbers.
        var arithmetic = new ModelBuilder().Input("x", 2, 6, 5, 7).Long("zero", 0).Long("one", 1).Longs("two", 2).Longs("axis", 0).Long("i2", 2).Long("i3", 3)
            .Node("Shape", "x", "s").Node("Gather", "s zero", "n0").Node("Unsqueeze", "n0 axis", "n").Node("Gather", "s one", "c0").Node("Unsqueeze", "c0 axis", "c").Node("Div", "c two", "half")
            .Node("Gather", "s i2", "h").Node("Gather", "s i3", "w").Node("Mul", "h w", "hw").Node("Mul", "hw two", "m").Node("Concat", "n half m", "t", ("axis", 0)).Node("Reshape", "x t", "y").Output("y");
        Add("shape arithmetic", arithmetic, true, ("x", Values([2, 6, 5, 7], -1, 1)));
        var made = new ModelBuilder().Input("x", 3).Longs("s", 2, 3).Long("a", 2).Long("b", 11).Long("d", 3)
            .Node("ConstantOfShape", "s", "c", ("value", ModelBuilder.Tensor("v", DataType.Float, MemoryMarshal.AsBytes<float>([1.5f]), 1)))
            .Node("Range", "a b d", "r").Node("Cast", "r", "f", ("to", 1)).Node("Add", "c f", "g").Node("Add", "g x", "y").Output("y");
        Add("ConstantOfShape and Range", made, true, ("x", Values([3], -1, 1)));
    }

    private static void Indices()
    {
        One("Gather", "x i", m => m.Constant(ModelBuilder.Tensor("i", DataType.Int64, MemoryMarshal.AsBytes<long>([0, -1, 2, 4]), 2, 2)), attributes: ("axis", 2));
        One("Gather", "x i", m => m.Long("i", -2), attributes: ("axis", 1));
        One("GatherElements", "x i", m => m.Constant(ModelBuilder.Tensor("i", DataType.Int64, MemoryMarshal.AsBytes<long>([0, -1, 2, 1, 0, 1]), 2, 3)), shape: [3, 3], attributes: ("axis", 1));
        One("GatherND", "x i", m => m.Constant(ModelBuilder.Tensor("i", DataType.Int64, MemoryMarshal.AsBytes<long>([0, 1, 1, -1]), 2, 2)));
        One("GatherND", "x i", m => m.Constant(ModelBuilder.Tensor("i", DataType.Int64, MemoryMarshal.AsBytes<long>([4, 1]), 2, 1)), attributes: ("batch_dims", 1));
        foreach (var reduction in (string[])["none", "add", "mul", "max", "min"])
        {
            One("ScatterND", "x i u", m => m.Constant(ModelBuilder.Tensor("i", DataType.Int64, MemoryMarshal.AsBytes<long>([3, 1]), 2, 1)).Floats("u", Ramp(10), 2, 5),
                shape: [4, 5], opset: 18, isGraph: reduction is "none" or "add", attributes: ("reduction", reduction));
            One("ScatterElements", "x i u", m => m.Constant(ModelBuilder.Tensor("i", DataType.Int64, MemoryMarshal.AsBytes<long>([1, 3, 0, -1]), 2, 2)).Floats("u", Ramp(4), 2, 2),
                shape: [4, 5], opset: 18, isGraph: reduction is "none" or "add", attributes: [("reduction", reduction), ("axis", 1)]);
        }
        One("OneHot", "i d v", m => m.Longs("i", 0, -1, 9, 2).Long("d", 4).Floats("v", [-1, 3], 2).Node("Identity", "x", "z").Output("z"), attributes: ("axis", 0));
        One("OneHot", "i d v", m => m.Longs("i", 0, -1, 9, 2).Long("d", 4).Floats("v", [-1, 3], 2).Node("Identity", "x", "z").Output("z"));
    }

    private static void Resizes()
    {
        foreach (var mode in (string[])["nearest", "linear", "cubic"])
        {
            foreach (var coordinates in (string[])["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
            {
                One("Resize", "x _ s", m => m.Floats("s", [1, 1, 2, 1.7f], 4), attributes: [("mode", mode), ("coordinate_transformation_mode", coordinates)]);
                One("Resize", "x _ _ s", m => m.Longs("s", 2, 6, 3, 9), attributes: [("mode", mode), ("coordinate_transformation_mode", coordinates)]);
            }
        }
        foreach (var rounding in (string[])["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
            One("Resize", "x _ s", m => m.Floats("s", [1, 1, 0.6f, 2.5f], 4), attributes: [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", rounding)]);
        One("Resize", "x _ s", m => m.Floats("s", [1, 1, 0.6f, 2.5f], 4), attributes: [("mode", "cubic"), ("cubic_coeff_a", -0.5f), ("exclude_outside", 1)]);
        One("Resize", "x _ s", m => m.Floats("s", [1, 1, 0.6f, 0.5f], 4), opset: 18, attributes: [("mode", "linear"), ("antialias", 1)]);
        One("Resize", "x _ s", m => m.Floats("s", [1, 1, 0.6f, 0.5f], 4), opset: 18, attributes: [("mode", "cubic"), ("antialias", 1)]);
        One("Resize", "x r s", m => m.Floats("s", [1, 1, 2, 2], 4).Floats("r", [0, 0, 0.2f, -0.4f, 1, 1, 0.7f, 1.2f], 8),
            attributes: [("mode", "linear"), ("coordinate_transformation_mode", "tf_crop_and_resize"), ("extrapolation_value", 3f)]);
        One("Upsample", "x s", m => m.Floats("s", [1, 1, 2, 3], 4), opset: 9);
        One("Upsample", "x s", m => m.Floats("s", [1, 1, 2, 3], 4), opset: 9, attributes: ("mode", "linear"));
    }
}
