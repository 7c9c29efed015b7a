using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;

namespace Vertebra.Graphs;

/// <summary>Rules that remove what does nothing and join what can be done in one step. They hold for trained networks too.</summary>
public static class SimplifyingRules
{
    /// <summary>A dropout in a graph for inference does nothing.</summary>
    public static RewriteRule Dropout { get; } = Nothing<DropInTraining>("dropout does nothing in inference", static (_, _) => true);

    /// <summary>A shape that is there already.</summary>
    public static RewriteRule EmptyReshape { get; } = Nothing<ViewOp>("the shape is there already", static (_, node) => SameShape(node.Inputs[0], node.Outputs[0]));

    /// <summary>An order of axes that is there already.</summary>
    public static RewriteRule EmptyPermute { get; } = Nothing<Permute>("the order of axes is there already", static (op, _) => Positive(op.Order).Index().All(a => a.Index == a.Item));

    /// <summary>An element type that is there already.</summary>
    public static RewriteRule EmptyCast { get; } = Nothing<Cast>("the element type is there already", static (op, node) => node.Inputs[0].Spec.DType == op.To);

    /// <summary>A slice that keeps everything.</summary>
    public static RewriteRule EmptySlice { get; } = Nothing<Slice>("the slice keeps everything", static (_, node) => SameShape(node.Inputs[0], node.Outputs[0]));

    /// <summary>A margin of nothing.</summary>
    public static RewriteRule EmptyPad { get; } = Nothing<Pad>("no margin is added", static (_, node) => SameShape(node.Inputs[0], node.Outputs[0]));

    /// <summary>The concatenation of one.</summary>
    public static RewriteRule EmptyConcat { get; } = Nothing<Concat>("one tensor is concatenated", static (_, node) => node.Inputs.Count == 1);

    /// <summary>An expansion to the same shape.</summary>
    public static RewriteRule EmptyExpand { get; } = Nothing<Expand>("nothing is repeated", static (_, node) => SameShape(node.Inputs[0], node.Outputs[0]));

    /// <summary>x + 0.</summary>
    public static RewriteRule AddNothing { get; } = Nothing<AddScalar>("x + 0 is x", static (op, _) => op.Value == 0);

    /// <summary>x · 1.</summary>
    public static RewriteRule MultiplyByOne { get; } = Nothing<MultiplyScalar>("x · 1 is x", static (op, _) => op.Value == 1);

    /// <summary>x / 1.</summary>
    public static RewriteRule DivideByOne { get; } = Nothing<DivideScalar>("x / 1 is x", static (op, _) => op.Value == 1);

    /// <summary>Two changes of shape, one after another.</summary>
    public static RewriteRule ReshapeTwice { get; } = RewriteRule.Define("two reshapes are one", () =>
    {
        var x = Any();
        var first = Op<ViewOp>(x).Where(op => op is not DropInTraining);
        var second = Op<ViewOp>(first).Where(op => op is not DropInTraining);
        // Where sizes are open, the shape at the traced size is not the shape.
        return (second, (m, write) => m.Graph.IsDynamic ? null : write.Apply(new Reshape(m[second].Outputs[0].Shape), m[x]));
    });

    /// <summary>Two changes of the order of axes, one after another.</summary>
    public static RewriteRule PermuteTwice { get; } = RewriteRule.Define("two permutations are one", () =>
    {
        var x = Any();
        var first = Op<Permute>(x);
        var second = Op<Permute>(first);
        return (second, (m, write) =>
        {
            var (inner, outer) = (Positive(m.Op(first).Order), Positive(m.Op(second).Order));
            return write.Apply(new Permute(outer.Select(a => inner[a]).ToArray()), m[x]);
        });
    });

    /// <summary>Arithmetic with a constant of one element.</summary>
    public static IReadOnlyList<RewriteRule> Scalars { get; } =
    [
        WithNumber<Add>("x + number", (number, _) => new AddScalar(number), commutes: true),
        WithNumber<Multiply>("x · number", (number, _) => new MultiplyScalar(number), commutes: true),
        WithNumber<Subtract>("x - number", (number, isFirst) => isFirst ? new SubtractFromScalar(number) : new AddScalar(-number)),
        WithNumber<Divide>("x / number", (number, isFirst) => isFirst ? new ScalarDivide(number) : new DivideScalar(number)),
    ];

    /// <summary>x to the power of 2.</summary>
    public static RewriteRule PowerOfTwo { get; } = RewriteRule.Define("x to the power of 2 is a square", () =>
    {
        var x = Any();
        return (Op<Pow>(x).Where(op => op.Exponent == 2), (m, write) => write.Apply(new Square(), m[x]));
    });

    /// <summary>x to the power of 1/2.</summary>
    public static RewriteRule PowerOfHalf { get; } = RewriteRule.Define("x to the power of 1/2 is a root", () =>
    {
        var x = Any();
        return (Op<Pow>(x).Where(op => op.Exponent == 0.5f), (m, write) => write.Apply(new Sqrt(), m[x]));
    });

    /// <summary>All rules of this class.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } =
    [
        Dropout, EmptyReshape, EmptyPermute, EmptyCast, EmptySlice, EmptyPad, EmptyConcat, EmptyExpand, AddNothing, MultiplyByOne, DivideByOne,
        ReshapeTwice, PermuteTwice, .. Scalars, PowerOfTwo, PowerOfHalf,
    ];

    private static RewriteRule Nothing<TOp>(string name, Func<TOp, Node, bool> holds) where TOp : Op => RewriteRule.Define(name, () =>
    {
        var x = Any();
        var op = Op<TOp>(x);
        return (op, (m, _) => holds(m.Op(op), m[op]) ? m[x] : null);
    });

    // A number as an attribute needs no operand to be read, and other rules need to know one form only.
    private static RewriteRule WithNumber<TOp>(string name, Func<float, bool, Op> make, bool commutes = false) where TOp : Op => RewriteRule.Define(name, () =>
    {
        var (a, b) = (Any(), Any());
        var op = Op<TOp>(a, b);
        return (op, (m, write) =>
        {
            var first = IsNumber(m[a]);
            if (first == IsNumber(m[b]))
                return null;
            var (number, x) = first ? (m[a], m[b]) : (m[b], m[a]);
            return x.Spec == m[op].Outputs[0].Spec ? write.Apply(make(number.Data!.ToArray<float>()[0], first && !commutes), x) : null;
        });
    });

    private static bool IsNumber(Value value) => value.Data is { IsMeta: false, ElementCount: 1, DType: DType.Float32, RequiresGrad: false };

    // At every size, where sizes are open.
    private static bool SameShape(Value a, Value b) => a.Shape == b.Shape && (a.Sizes is null ? b.Sizes is null : b.Sizes is not null && a.Sizes.SequenceEqual(b.Sizes));

    private static int[] Positive(IntList order) => [.. order.Select(a => a < 0 ? a + order.Count : a)];
}
