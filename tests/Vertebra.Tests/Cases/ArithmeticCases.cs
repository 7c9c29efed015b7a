using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Arithmetic between tensors and with scalars, in every way of broadcasting.</summary>
public sealed class ArithmeticCases : IOpCases
{
    // Equal shapes, scalars, per-channel values in narrow and wide rows, values per row, middle axes, both sides broadcast.
    private static readonly (Shape A, Shape B)[] Shapes =
    [
        ([3, 1, 5], [4, 1]), ([], [2, 3]), ([2, 3], []), ([2, 17], [17]), ([17], [2, 17]), ([2, 3], [2, 1]), ([2, 1], [2, 3]), ([0, 3], [3]),
        ([2, 3, 2, 5], [3, 1, 5]), ([2, 3, 2, 5], [2, 1, 1, 5]), ([1, 3], [4, 1]), ([7, 3], [3]), ([40, 3], [1, 3]), ([3, 300], [300]), ([3, 2, 1, 2], [1, 2, 4, 1]),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var n in OpCases.Lengths)
        {
            yield return Binary(new Subtract(), [n], [n], (a, b) => a - b);
            yield return Binary(new Divide(), [n], [n], (a, b) => a / b);
            yield return Unary(new Negate(), n, a => -a);
            yield return Unary(new AddScalar(0.7f), n, a => a + 0.7f);
            yield return Unary(new SubtractFromScalar(0.7f), n, a => 0.7f - a);
            yield return Unary(new MultiplyScalar(-1.3f), n, a => a * -1.3f);
            yield return Unary(new DivideScalar(0.3f), n, a => a / 0.3f);
            yield return Unary(new ScalarDivide(0.3f), n, a => 0.3f / a) with { CheckSecondDerivative = n is > 0 and < 20 };
        }
        foreach (var (a, b) in Shapes)
        {
            yield return Binary(new Subtract(), a, b, (x, y) => x - y);
            yield return Binary(new Divide(), a, b, (x, y) => x / y);
            yield return Binary(new Multiply(), a, b, (x, y) => x * y);
        }
        // Large enough to be cut into parts.
        foreach (var (a, b) in new (Shape, Shape)[] { ([40_001], [40_001]), ([9001, 5], [5]), ([5], [9001, 5]), ([300, 200], [300, 1]), ([2, 40_001], [2, 1]), ([70, 600], [600]), ([2, 100, 300], [2, 1, 300]), ([3, 2000, 7], [3, 1, 7]), ([3, 2000, 7], [1, 2000, 1]), ([2, 3, 40, 5, 33], [3, 1, 5, 1]) })
            yield return Binary(new Subtract(), a, b, (x, y) => x - y) with { CheckGradient = false };
    }

    // Operands stay away from zero, where quotients bend quickly.
    private static OpCase Binary(Op op, Shape a, Shape b, Func<double, double, double> f)
    {
        var shape = Shape.Broadcast(a, b, "case");
        return new(op, [OpCases.Uniform(a, 1, 0.5f, 1.5f), OpCases.Uniform(b, 2, 0.5f, 1.5f)], x => [Naive.Broadcast(x[0], a, x[1], b, shape, f)])
        {
            CheckSecondDerivative = op is Divide or Multiply && shape.ElementCount is > 0 and < 20,
        };
    }

    private static OpCase Unary(Op op, int n, Func<double, double> f) =>
        new(op, [OpCases.Uniform([n], 1, 0.5f, 1.5f)], x => [Array.ConvertAll(x[0], v => f(v))]);
}
