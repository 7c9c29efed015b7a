using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;

namespace Vertebra.Graphs;

/// <summary>
/// Rules that recognise a function written out in smaller steps, as exported files have it, and put the one op in its place.
/// They expect numbers as attributes, which <see cref="SimplifyingRules.Scalars"/> sees to.
/// </summary>
public static class FusingRules
{
    /// <summary>x · sigmoid(x).</summary>
    public static RewriteRule Silu { get; } = Function("x · sigmoid(x) is SiLU", new Silu(), static x => Op<Multiply>(x, Op<Sigmoid>(x)));

    /// <summary>x · hard-sigmoid(x).</summary>
    public static RewriteRule HardSwish { get; } = Function("x · hard-sigmoid(x) is hard-swish", new HardSwish(), static x => Op<Multiply>(x, Op<HardSigmoid>(x)));

    /// <summary>ReLU6(x + 3) / 6.</summary>
    public static RewriteRule HardSigmoid { get; } = Function("ReLU6(x + 3) / 6 is hard-sigmoid", new HardSigmoid(),
        static x => Op<DivideScalar>(Op<Relu6>(Op<AddScalar>(x).Where(op => op.Value == 3))).Where(op => op.Value == 6));

    /// <summary>ReLU6(x + 3) · (1/6).</summary>
    public static RewriteRule HardSigmoidByProduct { get; } = Function("ReLU6(x + 3) · 1/6 is hard-sigmoid", new HardSigmoid(),
        static x => Op<MultiplyScalar>(Op<Relu6>(Op<AddScalar>(x).Where(op => op.Value == 3))).Where(op => Near(op.Value, 1 / 6.0)));

    /// <summary>x · ReLU6(x + 3) / 6, with the division last.</summary>
    public static RewriteRule HardSwishDividedLast { get; } = Function("x · ReLU6(x + 3) / 6 is hard-swish", new HardSwish(),
        static x => Op<DivideScalar>(Op<Multiply>(x, Op<Relu6>(Op<AddScalar>(x).Where(op => op.Value == 3)))).Where(op => op.Value == 6));

    /// <summary>x held within [0, 6].</summary>
    public static RewriteRule Relu6 { get; } = Function("x within [0, 6] is ReLU6", new Relu6(), static x => Op<Clamp>(x).Where(op => op is { Low: 0, High: 6 }));

    /// <summary>x held above 0.</summary>
    public static RewriteRule Relu { get; } = Function("x above 0 is ReLU", new Relu(), static x => Op<Clamp>(x).Where(op => op.Low == 0 && op.High >= float.MaxValue));

    /// <summary>x · tanh(softplus(x)).</summary>
    public static RewriteRule Mish { get; } = Function("x · tanh(softplus(x)) is Mish", new Mish(), static x => Op<Multiply>(x, Op<Tanh>(Op<Softplus>(x))));

    /// <summary>x · (1 + erf(x / √2)) · 0.5, the factors in any order.</summary>
    public static IReadOnlyList<RewriteRule> Gelus { get; } =
    [
        Function("(x · (1 + erf(x / √2))) · 0.5 is GELU", new Gelu(), static x => Half(Op<Multiply>(x, OnePlusErf(x)))),
        Function("(x · 0.5) · (1 + erf(x / √2)) is GELU", new Gelu(), static x => Op<Multiply>(Half(x), OnePlusErf(x))),
        Function("x · ((1 + erf(x / √2)) · 0.5) is GELU", new Gelu(), static x => Op<Multiply>(x, Half(OnePlusErf(x)))),
    ];

    /// <summary>x / √2 by another name: so that one GELU pattern does for both ways to write it.</summary>
    public static RewriteRule ErfOfQuotient { get; } = RewriteRule.Define("erf(x / √2) is erf(x · √½)", () =>
    {
        var x = Any();
        return (Op<Erf>(Op<DivideScalar>(x).Where(op => Near(op.Value, Math.Sqrt(2)))), (m, write) =>
            write.Apply(new Erf(), write.Apply(new MultiplyScalar((float)Math.Sqrt(0.5)), m[x])));
    });

    /// <summary>Layer normalisation over the last axis, written out: (x - mean) / √(mean((x - mean)²) + ε) · weight + bias.</summary>
    public static RewriteRule LayerNorm { get; } = RewriteRule.Define("layer norm in steps is one", () =>
    {
        var (x, weight, bias) = (Any(), Constant(), Constant());
        var centred = Op<Subtract>(x, Op<Mean>(x).Where(LastAxisKept));
        var variance = Op<Mean>(Op<Square>(centred)).Where(LastAxisKept);
        var shifted = Op<AddScalar>(variance);
        var root = Op<Add>(Op<Multiply>(Op<Divide>(centred, Op<Sqrt>(shifted)), weight), bias);
        return (root, (m, write) =>
        {
            var channels = m[x].Shape[-1];
            var fits = m[weight].Shape == [channels] && m[bias].Shape == [channels] && IsLastAxis(m.Op(variance), m[x]);
            return fits ? write.Apply(new LayerNorm(m.Op(shifted).Value), m[x], m[weight], m[bias]) : null;
        });
    });

    /// <summary>softmax(q · kᵀ · scale) · v over [batch, heads, tokens, d].</summary>
    public static RewriteRule Attention { get; } = RewriteRule.Define("softmax(q · kᵀ · scale) · v is attention", () =>
    {
        var (q, k, v) = (Rank4(), Rank4(), Rank4());
        var scale = Op<MultiplyScalar>(Op<MatMul>(q, k).Where(op => op is { TransposeA: false, TransposeB: true }));
        var root = Op<MatMul>(Op<Softmax>(scale).Where(op => op.Axis is -1 or 3), v).Where(op => op is { TransposeA: false, TransposeB: false });
        return (root, (m, write) => SameBatch(m[q], m[k], m[v]) ? write.Apply(new Attention(m.Op(scale).Value), m[q], m[k], m[v]) : null);
    });

    /// <summary>softmax((q · scale) · kᵀ) · v over [batch, heads, tokens, d].</summary>
    public static RewriteRule AttentionOfScaledQueries { get; } = RewriteRule.Define("softmax((q · scale) · kᵀ) · v is attention", () =>
    {
        var (q, k, v) = (Rank4(), Rank4(), Rank4());
        var scale = Op<MultiplyScalar>(q);
        var scores = Op<MatMul>(scale, k).Where(op => op is { TransposeA: false, TransposeB: true });
        var root = Op<MatMul>(Op<Softmax>(scores).Where(op => op.Axis is -1 or 3), v).Where(op => op is { TransposeA: false, TransposeB: false });
        return (root, (m, write) => SameBatch(m[q], m[k], m[v]) ? write.Apply(new Attention(m.Op(scale).Value), m[q], m[k], m[v]) : null);
    });

    /// <summary>A matrix product of a permuted operand whose last two axes change places: the product reads it transposed.</summary>
    public static RewriteRule TransposedOperand { get; } = RewriteRule.Define("a product reads its second operand transposed", () =>
    {
        var (a, b) = (Any(), Any());
        var turned = Op<Permute>(b).Where(op => SwapsLastTwo(op.Order));
        var product = Op<MatMul>(a, turned);
        return (product, (m, write) => write.Apply(m.Op(product) with { TransposeB = !m.Op(product).TransposeB }, m[a], m[b]));
    });

    /// <summary>All rules of this class.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } =
    [
        Relu6, Relu, HardSwishDividedLast, HardSigmoid, HardSigmoidByProduct, HardSwish, Silu, Mish, ErfOfQuotient, .. Gelus, LayerNorm,
        TransposedOperand, Attention, AttentionOfScaledQueries,
    ];

    private static RewriteRule Function(string name, Op op, Func<Pattern, OpPattern> pattern) => RewriteRule.Define(name, () =>
    {
        var x = Any();
        return (pattern(x), (m, write) => write.Apply(op, m[x]));
    });

    private static OpPattern Half(Pattern x) => Op<MultiplyScalar>(x).Where(op => op.Value == 0.5f);

    private static OpPattern OnePlusErf(Pattern x) =>
        Op<AddScalar>(Op<Erf>(Op<MultiplyScalar>(x).Where(op => Near(op.Value, Math.Sqrt(0.5))))).Where(op => op.Value == 1);

    private static Pattern Rank4() => Any(v => v.Shape.Rank == 4);

    private static bool SameBatch(Value q, Value k, Value v) =>
        q.Shape[0] == k.Shape[0] && k.Shape[0] == v.Shape[0] && q.Shape[1] == k.Shape[1] && k.Shape[1] == v.Shape[1];

    private static bool LastAxisKept(Mean op) => op.KeepAxes && op.Axes.Count == 1;

    private static bool IsLastAxis(Mean op, Value x) => op.Axes[0] == -1 || op.Axes[0] == x.Shape.Rank - 1;

    private static bool SwapsLastTwo(IntList order) =>
        order.Count >= 2 && order.Select((a, i) => (a < 0 ? a + order.Count : a) == (i == order.Count - 1 ? i - 1 : i == order.Count - 2 ? i + 1 : i)).All(same => same);

    private static bool Near(float value, double expected) => Math.Abs(value - expected) < 1e-6;
}
