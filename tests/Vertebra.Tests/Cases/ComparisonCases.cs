using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Conditions, choices by them, and conversions between element types.</summary>
public sealed class ComparisonCases : IOpCases
{
    private static readonly (Op Op, Func<double, double, bool> Holds)[] Comparisons =
    [
        (new EqualTo(), (a, b) => a == b), (new NotEqualTo(), (a, b) => a != b), (new Less(), (a, b) => a < b),
        (new LessOrEqual(), (a, b) => a <= b), (new Greater(), (a, b) => a > b), (new GreaterOrEqual(), (a, b) => a >= b),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (op, holds) in Comparisons)
        {
            foreach (var n in OpCases.Lengths)
                yield return Case(op, OpCases.Indices([n], 3, 1).To(DType.Float32), OpCases.Indices([n], 3, 2).To(DType.Float32), holds);
            foreach (var dtype in new[] { DType.Float16, DType.Float64, DType.Int8, DType.UInt8, DType.Int32, DType.Int64, DType.Bool })
                yield return Case(op, OpCases.Indices([3, 5], 3, 1).To(dtype), OpCases.Indices([5], 3, 2).To(dtype), holds);
            yield return Case(op, OpCases.Indices([300, 100], 9, 1).To(DType.Float32), OpCases.Indices([300, 1], 9, 2).To(DType.Float32), holds);
            yield return Case(op, Tensor.From(float.NaN, float.NaN, 0, float.PositiveInfinity, 1), Tensor.From(float.NaN, 1, -0f, float.PositiveInfinity, float.NaN), holds);
        }
        foreach (var n in OpCases.Lengths.Append(40_000))
        {
            var (a, b) = (OpCases.Indices([n], 2, 1).To(DType.Bool), OpCases.Indices([n], 2, 2).To(DType.Bool));
            yield return Case(new LogicalAnd(), a, b, (p, q) => p * q == 1);
            yield return Case(new LogicalOr(), a, b, (p, q) => p + q > 0);
            yield return new(new LogicalNot(), [a], x => [Array.ConvertAll(x[0], v => 1 - v)]);
        }
        yield return Case(new LogicalAnd(), Tensor.From([true, false], [2, 1]), Tensor.From(true, false, true), (p, q) => p * q == 1);
        foreach (var (c, a, b) in new (Shape, Shape, Shape)[] { ([7], [7], [7]), ([2, 1], [3], []), ([3], [2, 3], [2, 1]), ([], [2], [2]), ([0], [0], []), ([65], [65], [65]), ([300, 1], [100], [300, 100]) })
            yield return Choice(c, a, b);
    }

    private static OpCase Case(Op op, Tensor a, Tensor b, Func<double, double, bool> holds) =>
        new(op, [a, b], x => [Naive.Broadcast(x[0], a.Shape, x[1], b.Shape, Shape.Broadcast(a.Shape, b.Shape, "case"), (p, q) => holds(p, q) ? 1 : 0)]);

    private static OpCase Choice(Shape c, Shape a, Shape b)
    {
        var (ac, all) = (Shape.Broadcast(a, c, "case"), Shape.Broadcast(Shape.Broadcast(a, c, "case"), b, "case"));
        // No element is NaN, so NaN can mark "take b" on the way.
        return new(new Where(), [OpCases.Indices(c, 2, 1).To(DType.Bool), OpCases.Uniform(a, 2), OpCases.Uniform(b, 3)], x =>
            [Naive.Broadcast(Naive.Broadcast(x[0], c, x[1], a, ac, (p, q) => p != 0 ? q : double.NaN), ac, x[2], b, all, (p, q) => double.IsNaN(p) ? q : p)]);
    }
}
