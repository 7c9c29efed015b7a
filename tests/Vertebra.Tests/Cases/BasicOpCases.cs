using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Arithmetic with broadcasting, sums, reshapes.</summary>
public sealed class BasicOpCases : IOpCases
{
    public static IEnumerable<OpCase> All()
    {
        foreach (var n in OpCases.Lengths)
        {
            yield return Binary(new Add(), [n], [n], (a, b) => a + b);
            yield return Binary(new Multiply(), [n], [n], (a, b) => a * b);
        }
        foreach (var (a, b) in new (Shape, Shape)[] { ([3, 1, 5], [4, 1]), ([], [2, 3]), ([2, 17], [17]), ([2, 3], [2, 1]), ([0, 3], [3]) })
        {
            yield return Binary(new Add(), a, b, (x, y) => x + y);
            yield return Binary(new Multiply(), a, b, (x, y) => x * y);
        }
        yield return new(new Sum([], false), [OpCases.Uniform([3, 5], 1)], x => [[x[0].Sum()]]) { CheckSecondDerivative = false };
        yield return new(new Sum([1], true), [OpCases.Uniform([2, 3], 1)], x => [[x[0][0] + x[0][1] + x[0][2], x[0][3] + x[0][4] + x[0][5]]]);
        yield return new(new Reshape([3, -1]), [OpCases.Uniform([2, 6], 1)], x => [x[0]]);
    }

    private static OpCase Binary(Op op, Shape a, Shape b, Func<double, double, double> f)
    {
        var shape = Shape.Broadcast(a, b, "case");
        return new(op, [OpCases.Uniform(a, 1), OpCases.Uniform(b, 2)], x => [Naive.Broadcast(x[0], a, x[1], b, shape, f)])
        {
            CheckSecondDerivative = op is Multiply && shape.ElementCount is > 0 and < 20,
        };
    }
}
