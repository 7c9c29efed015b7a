using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Elementary functions.</summary>
public sealed class FunctionCases : IOpCases
{
    private static readonly (Op Op, Func<double, double> F, float Low, float High)[] Table =
    [
        (new Exp(), Math.Exp, -2, 2),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (op, f, low, high) in Table)
        {
            foreach (var n in OpCases.Lengths)
                yield return new(op, [OpCases.Uniform([n], 1, low, high)], x => [Array.ConvertAll(x[0], v => f(v))]) { CheckSecondDerivative = n is > 0 and < 20 };
            yield return new(op, [OpCases.Uniform([40_001], 1, low, high)], x => [Array.ConvertAll(x[0], v => f(v))]) { CheckGradient = false };
        }
    }
}
