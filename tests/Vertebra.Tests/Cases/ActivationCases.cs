using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Activations by their definitions in float64, and their derivatives by central differences of those.</summary>
public sealed class ActivationCases : IOpCases
{
    /// <summary>Each activation, its definition, and where it has kinks (which the numerical checks keep away from).</summary>
    public static readonly (ActivationOp Op, Func<double, double> F, double[] Kinks)[] Table =
    [
        (new Relu(), x => Math.Max(x, 0), [0]),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (op, f, kinks) in Table)
        {
            foreach (var n in OpCases.Lengths)
            {
                var x = AwayFrom(kinks, OpCases.Uniform([n], 1, -4, 4));
                yield return new(op, [x], v => [Array.ConvertAll(v[0], e => f(e))]) { CheckSecondDerivative = n is > 0 and < 40 };
                var saved = op.Saves == Saved.Output0 ? op.Apply(x) : x;
                yield return new(new ActivationGradient(op), [OpCases.Uniform([n], 2), saved], v => [v[0].Zip(OpCases.ToDouble(x), (dy, e) => dy * Slope(f, e)).ToArray()])
                {
                    CheckGradient = false,
                };
            }
            yield return new(op, [OpCases.Uniform([3, 20_000], 1, -4, 4)], v => [Array.ConvertAll(v[0], e => f(e))]) { CheckGradient = false };
        }
    }

    private static double Slope(Func<double, double> f, double x)
    {
        const double h = 1e-3;
        return ((8 * (f(x + h) - f(x - h))) - (f(x + (2 * h)) - f(x - (2 * h)))) / (12 * h);
    }

    // Finite differences with steps of up to 0.02 on either side must not straddle a kink.
    private static Tensor AwayFrom(double[] kinks, Tensor x)
    {
        var values = x.ToArray<float>();
        foreach (var kink in kinks)
        {
            for (var i = 0; i < values.Length; i++)
            {
                if (Math.Abs(values[i] - kink) < 0.05)
                    values[i] = (float)kink + (values[i] < kink ? -0.05f : 0.05f);
            }
        }
        return Tensor.From(values, x.Shape);
    }
}
