using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Activations by their definitions in float64, and their derivatives by central differences of those.</summary>
public sealed class ActivationCases : IOpCases
{
    /// <summary>Each activation, its definition, and where it has kinks (which the numerical checks keep away from).</summary>
    public static readonly (ActivationOp Op, Func<double, double> F, double[] Kinks)[] Table =
    [
        (new Relu(), x => Math.Max(x, 0), [0]),
        (new Relu6(), x => Math.Clamp(x, 0, 6), [0, 6]),
        (new LeakyRelu(0.1f), x => x > 0 ? x : 0.1f * x, [0]),
        (new LeakyRelu(-0.5f), x => x > 0 ? x : -0.5 * x, [0]),
        (new Sigmoid(), x => 1 / (1 + Math.Exp(-x)), []),
        (new Tanh(), Math.Tanh, []),
        (new Softplus(), x => Math.Log(1 + Math.Exp(x)), []),
        (new Silu(), x => x / (1 + Math.Exp(-x)), []),
        (new HardSigmoid(), x => Math.Clamp(x + 3, 0, 6) / 6, [-3, 3]),
        (new HardSwish(), x => x * Math.Clamp(x + 3, 0, 6) / 6, [-3, 3]),
        (new Mish(), x => x * Math.Tanh(Math.Log(1 + Math.Exp(x))), []),
        (new Elu(1), x => x > 0 ? x : Math.Exp(x) - 1, [0]),
        (new Elu(0.3f), x => x > 0 ? x : 0.3f * (Math.Exp(x) - 1), [0]),
        (new Gelu(), x => x * NormalCdf(x), []),
        (new GeluTanh(), x => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))), []),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (op, f, kinks) in Table)
        {
            foreach (var n in OpCases.Lengths)
            {
                var x = AwayFrom(kinks, OpCases.Uniform([n], 1, -7, 7));
                yield return new(op, [x], v => [Array.ConvertAll(v[0], e => f(e))]) { CheckSecondDerivative = n is > 0 and < 40 };
                var saved = op.Saves == Saved.Output0 ? op.Apply(x) : x;
                yield return new(new ActivationGradient(op), [OpCases.Uniform([n], 2), saved], v => [v[0].Zip(OpCases.ToDouble(x), (dy, e) => dy * Slope(f, e)).ToArray()])
                {
                    CheckGradient = false,
                };
            }
            yield return new(op, [OpCases.Uniform([3, 20_000], 1, -7, 7)], v => [Array.ConvertAll(v[0], e => f(e))]) { CheckGradient = false };
        }
        foreach (var n in OpCases.Lengths)
        {
            yield return Prelu([n], [1], n is > 0 and < 20);
            yield return Prelu([2, n], [n], n is > 0 and < 20);
        }
        yield return Prelu([3, 2, 5], [5], true);
    }

    private static OpCase Prelu(Shape shape, Shape weight, bool second) =>
        new(new Prelu(), [AwayFrom([0], OpCases.Uniform(shape, 1)), OpCases.Uniform(weight, 2)], v => [Naive.Broadcast(v[0], shape, v[1], weight, shape, (x, w) => x > 0 ? x : w * x)])
        {
            CheckSecondDerivative = second,
        };

    /// <summary>The standard normal distribution, by Simpson's rule on its density.</summary>
    private static double NormalCdf(double x)
    {
        const int steps = 120;
        var h = x / steps;
        double sum = 0;
        for (var i = 0; i <= steps; i++)
            sum += (i == 0 || i == steps ? 1 : i % 2 == 0 ? 2 : 4) * Math.Exp(-i * h * i * h / 2);
        return 0.5 + (sum * h / 3 / Math.Sqrt(2 * Math.PI));
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
