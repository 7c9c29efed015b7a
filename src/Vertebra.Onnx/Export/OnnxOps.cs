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
        [typeof(Maximum)] = Elementwise("Max"),
        [typeof(Minimum)] = Elementwise("Min"),
        [typeof(Negate)] = Unary("Neg"),
        [typeof(AddScalar)] = WithScalar<AddScalar>("Add", op => op.Value),
        [typeof(MultiplyScalar)] = WithScalar<MultiplyScalar>("Mul", op => op.Value),
        [typeof(DivideScalar)] = WithScalar<DivideScalar>("Div", op => op.Value),
        [typeof(SubtractFromScalar)] = WithScalar<SubtractFromScalar>("Sub", op => op.Value, scalarFirst: true),
        [typeof(ScalarDivide)] = WithScalar<ScalarDivide>("Div", op => op.Value, scalarFirst: true),
        [typeof(Pow)] = WithScalar<Pow>("Pow", op => op.Exponent),
        [typeof(Clamp)] = Composite<Clamp>((op, x, e) => ("Clip", [x, e.Float(op.Low), e.Float(op.High)], [])),

        // Functions
        [typeof(Abs)] = Unary("Abs"),
        [typeof(Exp)] = Unary("Exp"),
        [typeof(Log)] = Unary("Log"),
        [typeof(Sqrt)] = Unary("Sqrt"),
        [typeof(Erf)] = Unary("Erf"),
        [typeof(Sign)] = Unary("Sign"),
        [typeof(Sin)] = Unary("Sin"),
        [typeof(Cos)] = Unary("Cos"),
        [typeof(Floor)] = Unary("Floor"),
        [typeof(Ceil)] = Unary("Ceil"),
        [typeof(Round)] = Unary("Round"),
        [typeof(Trigonometric)] = Composite<Trigonometric>((op, x, _) => (op.Function.ToString(), [x], [])),
        [typeof(Power)] = Elementwise("Pow"),
        [typeof(Square)] = Composite<Square>((_, x, _) => ("Mul", [x, x], [])),
        [typeof(Rsqrt)] = Composite<Rsqrt>((_, x, e) => ("Reciprocal", [e.Step("Sqrt", [x])], [])),
        [typeof(Cast)] = Convert,

        // Activations
        [typeof(Relu)] = Unary("Relu"),
        [typeof(Sigmoid)] = Unary("Sigmoid"),
        [typeof(Tanh)] = Unary("Tanh"),
        [typeof(Softplus)] = Unary("Softplus"),
        [typeof(Relu6)] = Composite<Relu6>((_, x, e) => ("Clip", [x, e.Float(0), e.Float(6)], [])),
        [typeof(Elu)] = Composite<Elu>((op, x, _) => ("Elu", [x], [("alpha", op.Alpha)])),
        [typeof(LeakyRelu)] = Composite<LeakyRelu>((op, x, _) => ("LeakyRelu", [x], [("alpha", op.NegativeSlope)])),
        [typeof(HardSigmoid)] = Composite<HardSigmoid>((_, x, _) => ("HardSigmoid", [x], HardSigmoidSlope)),
        [typeof(HardSwish)] = Composite<HardSwish>((_, x, e) => e.Opset >= 14 ? ("HardSwish", [x], []) : ("Mul", [x, e.Step("HardSigmoid", [x], HardSigmoidSlope)], [])),
        [typeof(Silu)] = Composite<Silu>((_, x, e) => ("Mul", [x, e.Step("Sigmoid", [x])], [])),
        [typeof(Mish)] = Composite<Mish>((_, x, e) => e.Opset >= 18 ? ("Mish", [x], []) : ("Mul", [x, e.Step("Tanh", [e.Step("Softplus", [x])])], [])),
        [typeof(Gelu)] = Composite<Gelu>(GeluForm),
        [typeof(GeluTanh)] = Composite<GeluTanh>(GeluTanhForm),
        [typeof(Prelu)] = Elementwise("PRelu"),

        // Conditions
        [typeof(EqualTo)] = Compare("Equal"),
        [typeof(NotEqualTo)] = Compare("Equal", negated: true),
        [typeof(Less)] = Compare("Less"),
        [typeof(LessOrEqual)] = Compare("LessOrEqual"),
        [typeof(Greater)] = Compare("Greater"),
        [typeof(GreaterOrEqual)] = Compare("GreaterOrEqual"),
        [typeof(LogicalAnd)] = Elementwise("And"),
        [typeof(LogicalOr)] = Elementwise("Or"),
        [typeof(LogicalNot)] = Unary("Not"),
        [typeof(Where)] = Elementwise("Where"),

        // Along axes
        [typeof(Softmax)] = AlongAxis<Softmax>("Softmax", op => op.Axis),
        [typeof(LogSoftmax)] = AlongAxis<LogSoftmax>("LogSoftmax", op => op.Axis),
        [typeof(Sum)] = Reduce("ReduceSum"),
        [typeof(Mean)] = Reduce("ReduceMean"),
        [typeof(Max)] = Reduce("ReduceMax"),
        [typeof(Min)] = Reduce("ReduceMin"),
        [typeof(ArgMax)] = ArgMax,
        [typeof(TopK)] = TopK,
        [typeof(CumSum)] = CumSum,

        // Shapes
        [typeof(Reshape)] = Regroup,
        [typeof(Flatten)] = Regroup,
        [typeof(Squeeze)] = Squeeze,
        [typeof(Unsqueeze)] = Unsqueeze,
        [typeof(Permute)] = (node, e) => e.SameData(node.Inputs[0], order => order.Permuted(Normal(((Permute)node.Op).Order))),
        [typeof(DropInTraining)] = Unary("Identity"),
        [typeof(Concat)] = Concat,
        [typeof(Split)] = Split,
        [typeof(Slice)] = Slice,
        [typeof(Unslice)] = Unslice,
        [typeof(Flip)] = Flip,
        [typeof(Roll)] = Roll,
        [typeof(Expand)] = Expand,
        [typeof(Pad)] = Pad,

        // Indices
        [typeof(Gather)] = GatherElements,
        [typeof(ScatterAdd)] = ScatterAdd,
        [typeof(IndexSelect)] = IndexSelect,
        [typeof(IndexAdd)] = IndexAdd,
        [typeof(OneHot)] = OneHot,

        // Matrices
        [typeof(Linear)] = LinearLayer,
        [typeof(MatMul)] = MatrixProduct,
        [typeof(Attention)] = ScaledAttention,

        // Images
        [typeof(Conv2d)] = Convolution,
        [typeof(ConvTranspose2d)] = TransposedConvolution,
        [typeof(PerImageConv2d)] = PerImageConvolution,
        [typeof(MaxPool2d)] = MaxPool,
        [typeof(AvgPool2d)] = AveragePool,
        [typeof(AdaptiveAvgPool2d)] = AdaptiveAveragePool,
        [typeof(AdaptiveMaxPool2d)] = AdaptiveMaxPool,
        [typeof(Interpolate)] = Resample,
        [typeof(GridSample)] = SampleGrid,
        [typeof(RoiAlign)] = AlignRegions,

        // Normalisation
        [typeof(BatchNorm)] = NormaliseBatch,
        [typeof(GroupNorm)] = NormaliseGroups,
        [typeof(LayerNorm)] = NormaliseLayer,
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

    private static Action<Node, OnnxEmitter> Elementwise(string opType) => (node, e) =>
    {
        var order = e.CommonOrder(node.Inputs, node.Outputs[0].Shape.Rank);
        e.Result(opType, order, node.Inputs.Select(v => e.Broadcast(v, order)));
    };

    private static Action<Node, OnnxEmitter> Unary(string opType) => (node, e) => e.Result(opType, e.OrderOf(node.Inputs[0]), [e.AsIs(node.Inputs[0])]);

    /// <summary>A function of one operand; <paramref name="last"/> writes all its ONNX nodes but the last, and describes that.</summary>
    private static Action<Node, OnnxEmitter> Composite<TOp>(Func<TOp, string, OnnxEmitter, (string OpType, string[] Inputs, (string, object)[] Attributes)> last) where TOp : Op => (node, e) =>
    {
        var (opType, inputs, attributes) = last((TOp)node.Op, e.AsIs(node.Inputs[0]), e);
        e.Result(opType, e.OrderOf(node.Inputs[0]), inputs, attributes);
    };

    private static Action<Node, OnnxEmitter> WithScalar<TOp>(string opType, Func<TOp, float> scalar, bool scalarFirst = false) where TOp : Op =>
        Composite<TOp>((op, x, e) => (opType, scalarFirst ? [e.Float(scalar(op)), x] : [x, e.Float(scalar(op))], []));

    private static Action<Node, OnnxEmitter> AlongAxis<TOp>(string opType, Func<TOp, int> axis) where TOp : Op => (node, e) =>
    {
        var order = e.OrderOf(node.Inputs[0]);
        e.Result(opType, order, [e.AsIs(node.Inputs[0])], ("axis", order.PositionOf(axis((TOp)node.Op))));
    };

    private static void RequireOpset(int least, string what, Node node, OnnxEmitter e)
    {
        if (e.Opset < least)
            throw new VertebraException($"{node}: {what} needs opset {least} or later; export with --opset {Math.Max(least, 17)}");
    }

    private static IntList Normal(IntList axes) => axes.Select(a => a < 0 ? a + axes.Count : a).ToArray();

    private static long[] Longs(params ReadOnlySpan<int> values)
    {
        var result = new long[values.Length];
        for (var i = 0; i < result.Length; i++)
            result[i] = values[i];
        return result;
    }
}
