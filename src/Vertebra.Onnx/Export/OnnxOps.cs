using Vertebra.Graphs;
using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>The ONNX form of every op: one row each.</summary>
internal static partial class OnnxOps
{
    private static readonly Dictionary<Type, Action<Node, OnnxEmitter>> Rows = new()
    {
        // Arithmetic
        [typeof(Add)] = Elementwise("Add"),
        [typeof(Subtract)] = Elementwise("Sub"),
        [typeof(Multiply)] = Elementwise("Mul"),
        [typeof(Divide)] = Elementwise("Div"),
        [typeof(Negate)] = Unary("Neg"),
        [typeof(Exp)] = Unary("Exp"),
        [typeof(Relu)] = Unary("Relu"),
        [typeof(AddScalar)] = WithScalar<AddScalar>("Add", op => op.Value),
        [typeof(MultiplyScalar)] = WithScalar<MultiplyScalar>("Mul", op => op.Value),
        [typeof(DivideScalar)] = WithScalar<DivideScalar>("Div", op => op.Value),
        [typeof(SubtractFromScalar)] = WithScalar<SubtractFromScalar>("Sub", op => op.Value, scalarFirst: true),
        [typeof(ScalarDivide)] = WithScalar<ScalarDivide>("Div", op => op.Value, scalarFirst: true),
        [typeof(Softmax)] = AlongAxis<Softmax>("Softmax", op => op.Axis),
        [typeof(LogSoftmax)] = AlongAxis<LogSoftmax>("LogSoftmax", op => op.Axis),
        [typeof(Sum)] = Reduce<Sum>("ReduceSum", op => (op.Axes, op.KeepAxes)),
        [typeof(Mean)] = Reduce<Mean>("ReduceMean", op => (op.Axes, op.KeepAxes)),
        [typeof(Max)] = Reduce<Max>("ReduceMax", op => (op.Axes, op.KeepAxes)),
        [typeof(Min)] = Reduce<Min>("ReduceMin", op => (op.Axes, op.KeepAxes)),

        // Functions
        [typeof(Abs)] = Unary("Abs"),
        [typeof(Log)] = Unary("Log"),
        [typeof(Sqrt)] = Unary("Sqrt"),
        [typeof(Erf)] = Unary("Erf"),
        [typeof(Sign)] = Unary("Sign"),
        [typeof(Sin)] = Unary("Sin"),
        [typeof(Cos)] = Unary("Cos"),
        [typeof(Sigmoid)] = Unary("Sigmoid"),
        [typeof(Tanh)] = Unary("Tanh"),
        [typeof(Softplus)] = Unary("Softplus"),
        [typeof(HardSigmoid)] = Unary("HardSigmoid", ("alpha", 1 / 6f), ("beta", 0.5f)),
        [typeof(Elu)] = Unary<Elu>("Elu", op => [("alpha", op.Alpha)]),
        [typeof(LeakyRelu)] = Unary<LeakyRelu>("LeakyRelu", op => [("alpha", op.NegativeSlope)]),
        [typeof(Pow)] = WithScalar<Pow>("Pow", op => op.Exponent),
        [typeof(Square)] = Composite((x, e) => ("Mul", [x, x])),
        [typeof(Rsqrt)] = Composite((x, e) => ("Reciprocal", [e.Step("Sqrt", [x])])),
        [typeof(Silu)] = Composite((x, e) => ("Mul", [x, e.Step("Sigmoid", [x])])),
        [typeof(Mish)] = Composite((x, e) => ("Mul", [x, e.Step("Tanh", [e.Step("Softplus", [x])])])),
        [typeof(HardSwish)] = Composite((x, e) => ("Mul", [x, e.Step("HardSigmoid", [x], ("alpha", 1 / 6f), ("beta", 0.5f))])),
        [typeof(Relu6)] = Composite((x, e) => ("Clip", [x, e.Float(0), e.Float(6)])),
        [typeof(Clamp)] = (node, e) => e.Result("Clip", e.IsImage(node.Inputs[0]), [e.AsIs(node.Inputs[0]), e.Float(((Clamp)node.Op).Low), e.Float(((Clamp)node.Op).High)]),
        [typeof(Gelu)] = Composite((x, e) => ("Mul",
            [e.Step("Mul", [x, e.Float(0.5f)]), e.Step("Add", [e.Step("Erf", [e.Step("Mul", [x, e.Float(MathF.Sqrt(0.5f))])]), e.Float(1)])])),
        [typeof(Maximum)] = Elementwise("Max"),
        [typeof(Minimum)] = Elementwise("Min"),

        // Shapes
        [typeof(Reshape)] = Reshape,
        [typeof(Flatten)] = Reshape,
        [typeof(Squeeze)] = Reshape,
        [typeof(Unsqueeze)] = Reshape,
        [typeof(DropInTraining)] = Unary("Identity"),
        [typeof(Permute)] = Permute,
        [typeof(Concat)] = Concat,
        [typeof(Slice)] = Slice,
        [typeof(Pad)] = Pad,

        // Networks
        [typeof(Conv2d)] = Conv,
        [typeof(BatchNorm)] = Normalise,
        [typeof(MaxPool2d)] = MaxPool,
        [typeof(AvgPool2d)] = AveragePool,
        [typeof(AdaptiveAvgPool2d)] = AdaptivePool<AdaptiveAvgPool2d>("GlobalAveragePool", "AveragePool", op => (op.Height, op.Width)),
        [typeof(AdaptiveMaxPool2d)] = AdaptivePool<AdaptiveMaxPool2d>("GlobalMaxPool", "MaxPool", op => (op.Height, op.Width)),
        [typeof(GroupNorm)] = NormaliseGroups,
        [typeof(LayerNorm)] = NormaliseLayer,
        [typeof(Linear)] = LinearLayer,
        [typeof(MatMul)] = MatrixProduct,
    };

    /// <summary>Op types that have a row.</summary>
    public static IEnumerable<Type> Exportable => Rows.Keys;

    /// <summary>Writes a node.</summary>
    /// <exception cref="VertebraException">The op has no ONNX form.</exception>
    public static void Emit(Node node, OnnxEmitter emitter)
    {
        if (!Rows.TryGetValue(node.Op.GetType(), out var row))
            throw new VertebraException($"{node.Op.Name} (in module '{node.ModulePath}') has no ONNX form; export the network in evaluation mode, or without that part");
        row(node, emitter);
    }

    // ---------------------------------------------------------------- kinds of rows

    private static Action<Node, OnnxEmitter> Elementwise(string opType, params (string, object)[] attributes) => (node, e) =>
    {
        var isImage = node.Outputs[0].Shape.Rank == 4 && node.Inputs.Any(e.IsImage);
        e.Result(opType, isImage, node.Inputs.Select(v => Operand(v, isImage, e)), attributes);
    };

    private static Action<Node, OnnxEmitter> Unary(string opType, params (string, object)[] attributes) => (node, e) =>
        e.Result(opType, e.IsImage(node.Inputs[0]), [e.AsIs(node.Inputs[0])], attributes);

    private static Action<Node, OnnxEmitter> Unary<TOp>(string opType, Func<TOp, (string, object)[]> attributes) where TOp : Op => (node, e) =>
        e.Result(opType, e.IsImage(node.Inputs[0]), [e.AsIs(node.Inputs[0])], attributes((TOp)node.Op));

    /// <summary>A function of one operand that takes several ONNX nodes; <paramref name="last"/> writes all but the last and describes that.</summary>
    private static Action<Node, OnnxEmitter> Composite(Func<string, OnnxEmitter, (string OpType, string[] Inputs)> last) => (node, e) =>
    {
        var (opType, inputs) = last(e.AsIs(node.Inputs[0]), e);
        e.Result(opType, e.IsImage(node.Inputs[0]), inputs);
    };

    private static Action<Node, OnnxEmitter> WithScalar<TOp>(string opType, Func<TOp, float> scalar, bool scalarFirst = false) where TOp : Op => (node, e) =>
    {
        string[] operands = [e.AsIs(node.Inputs[0]), e.Float(scalar((TOp)node.Op))];
        e.Result(opType, e.IsImage(node.Inputs[0]), scalarFirst ? operands.Reverse() : operands);
    };

    private static Action<Node, OnnxEmitter> AlongAxis<TOp>(string opType, Func<TOp, int> axis) where TOp : Op => (node, e) =>
        e.Result(opType, e.IsImage(node.Inputs[0]), [e.AsIs(node.Inputs[0])], ("axis", e.Axis(node.Inputs[0], axis((TOp)node.Op))));

    private static string Operand(Value value, bool isImage, OnnxEmitter e) =>
        !isImage ? e.Plain(value)
        : value.IsConstant ? e.BroadcastAgainstImage(value)
        : value.Shape.Rank is 0 or 4 ? (value.Shape.Rank == 0 ? e.Plain(value) : e.Image(value))
        : e.Step("Transpose", [e.Step("Reshape", [e.Plain(value), e.Int64(PaddedTo4(value.Shape))])], ("perm", new long[] { 0, 3, 1, 2 }));

    private static long[] PaddedTo4(Shape shape) => [.. Enumerable.Repeat(1L, 4 - shape.Rank), .. shape.Select(s => (long)s)];

    // ReduceSum takes its axes as an operand since opset 13; the others only since 18.
    private static Action<Node, OnnxEmitter> Reduce<TOp>(string opType, Func<TOp, (IntList Axes, bool Keep)> read) where TOp : Op => (node, e) =>
    {
        var (axes, keep) = read((TOp)node.Op);
        var input = node.Inputs[0];
        var isImage = e.IsImage(input) && keep;
        var all = axes.Count == 0 ? [.. Enumerable.Range(0, input.Shape.Rank)] : axes.Span.ToArray();
        // Without kept axes the order of the remaining ones matters: only an all-spatial reduction leaves [N, C] as it is.
        var spatialOnly = all.All(a => (a < 0 ? a + 4 : a) is 1 or 2);
        var source = isImage || (e.IsImage(input) && spatialOnly) ? e.AsIs(input) : e.Plain(input);
        var mapped = all.Select(a => isImage || (e.IsImage(input) && spatialOnly) ? (long)e.Axis(input, a) : a).Order().ToArray();
        var byOperand = opType == "ReduceSum" || e.Opset >= 18;
        string[] inputs = byOperand ? [source, e.Int64(mapped)] : [source];
        var attributes = new List<(string, object)> { ("keepdims", keep ? 1 : 0) };
        if (!byOperand)
            attributes.Add(("axes", mapped));
        e.Result(opType, isImage, inputs, [.. attributes]);
    };

    // ---------------------------------------------------------------- single rows

    private static void Reshape(Node node, OnnxEmitter e)
    {
        var (input, output) = (node.Inputs[0], node.Outputs[0]);
        // [N, C, 1, 1] and [N, 1, 1, C] hold the same elements in the same order.
        var source = e.IsImage(input) && input.Shape[1] == 1 && input.Shape[2] == 1 ? e.AsIs(input) : e.Plain(input);
        var target = output.Shape.Select(s => (long)s).ToArray();
        // The first axis is the batch wherever it is kept, and stays open.
        var keepsBatch = !input.IsConstant && target.Length > 0 && input.Shape.Rank > 0 && target[0] == input.Shape[0];
        if (keepsBatch)
            target[0] = 0;
        e.Result("Reshape", isImage: false, [source, e.Int64(target)]);
    }

    private static void Permute(Node node, OnnxEmitter e)
    {
        var order = ((Permute)node.Op).Order;
        e.Result("Transpose", isImage: false, [e.AsIs(node.Inputs[0])], ("perm", e.Permutation(node.Inputs[0], order)));
    }

    private static void Concat(Node node, OnnxEmitter e)
    {
        var isImage = node.Inputs.Any(e.IsImage);
        var axis = e.Axis(node.Inputs.FirstOrDefault(e.IsImage) ?? node.Inputs[0], ((Concat)node.Op).Axis);
        e.Result("Concat", isImage, node.Inputs.Select(v => isImage ? e.Image(v) : e.Plain(v)), ("axis", axis));
    }

    private static void Slice(Node node, OnnxEmitter e)
    {
        var op = (Slice)node.Op;
        var input = node.Inputs[0];
        e.Result("Slice", e.IsImage(input),
            [e.AsIs(input), e.Int64(op.Start), e.Int64(op.End), e.Int64(e.Axis(input, op.Axis)), e.Int64(op.Step)]);
    }
}
