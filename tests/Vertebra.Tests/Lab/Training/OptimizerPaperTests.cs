using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>
/// Update rules that PyTorch does not have, against the papers' rules written out in float64. Weights and gradients are those
/// of the trajectories: prescribed, so that both sides see the same numbers.
/// </summary>
public class OptimizerPaperTests
{
    private const int Count = 37;
    private const double Decay = 0.05;
    private const double Rate = 0.02;

    /// <summary>PyTorch's rule since 2.0; 1.13, which made the trajectories, multiplies μ_t in twice.</summary>
    [Fact]
    public void NAdam_has_the_momentum_schedule()
    {
        var (m, s, product) = (new double[Count], new double[Count], 1.0);
        static double Mu(int t) => 0.9 * (1 - (0.5 * Math.Pow(0.96, t * 0.004)));
        Compare(g => new NAdam(g, new()), (t, w, gradient) =>
        {
            product *= Mu(t);
            for (var i = 0; i < Count; i++)
            {
                var g = gradient[i] + (Decay * w[i]);
                m[i] = (0.9 * m[i]) + (0.1 * g);
                s[i] = (0.999 * s[i]) + (0.001 * g * g);
                var ahead = ((1 - Mu(t)) / (1 - product) * g) + (Mu(t + 1) / (1 - (product * Mu(t + 1))) * m[i]);
                w[i] -= Rate * ahead / (Math.Sqrt(s[i] / (1 - Math.Pow(0.999, t))) + 1e-8);
            }
        });
    }

    [Fact]
    public void NAdamW_looks_one_step_ahead()
    {
        var (m, s) = (new double[Count], new double[Count]);
        Compare(g => new NAdamW(g, new()), (t, w, gradient) =>
        {
            for (var i = 0; i < Count; i++)
            {
                var g = gradient[i];
                m[i] = (0.9 * m[i]) + (0.1 * g);
                s[i] = (0.999 * s[i]) + (0.001 * g * g);
                var ahead = ((0.9 * m[i]) + (0.1 * g)) / (1 - Math.Pow(0.9, t));
                w[i] = (w[i] * (1 - (Rate * Decay))) - (Rate * ahead / (Math.Sqrt(s[i] / (1 - Math.Pow(0.999, t))) + 1e-8));
            }
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AdaBelief_divides_by_the_deviation_from_the_mean(bool rectify)
    {
        var (m, s) = (new double[Count], new double[Count]);
        Compare(g => new AdaBelief(g, new(Epsilon: 1e-8, DecoupledDecay: true), rectify), (t, w, gradient) =>
        {
            // Liu et al. 2020, algorithm 2: the length of the simple average, and the rectification from 5 on.
            const double Limit = (2 / (1 - 0.999)) - 1;
            var length = Limit - (2 * t * Math.Pow(0.999, t) / (1 - Math.Pow(0.999, t)));
            for (var i = 0; i < Count; i++)
            {
                var g = gradient[i];
                m[i] = (0.9 * m[i]) + (0.1 * g);
                s[i] = (0.999 * s[i]) + (0.001 * (g - m[i]) * (g - m[i])) + 1e-8;
                var (mean, correction) = (m[i] / (1 - Math.Pow(0.9, t)), 1 - Math.Pow(0.999, t));
                var step = !rectify ? mean / (Math.Sqrt(s[i] / correction) + 1e-8)
                    : length < 5 ? mean
                    : Math.Sqrt((length - 4) * (length - 2) * Limit / ((Limit - 4) * (Limit - 2) * length)) * mean * Math.Sqrt(correction) / (Math.Sqrt(s[i]) + 1e-8);
                w[i] = (w[i] * (1 - (Rate * Decay))) - (Rate * step);
            }
        });
    }

    [Fact]
    public void DiffGrad_slows_down_where_the_gradient_stays()
    {
        var (m, s, former) = (new double[Count], new double[Count], new double[Count]);
        Compare(g => new DiffGrad(g, new()), (t, w, gradient) =>
        {
            for (var i = 0; i < Count; i++)
            {
                var g = gradient[i] + (Decay * w[i]);
                m[i] = (0.9 * m[i]) + (0.1 * g);
                s[i] = (0.999 * s[i]) + (0.001 * g * g);
                var friction = 1 / (1 + Math.Exp(-Math.Abs(former[i] - g)));
                former[i] = g;
                w[i] -= Rate * friction * (m[i] / (1 - Math.Pow(0.9, t))) / (Math.Sqrt(s[i] / (1 - Math.Pow(0.999, t))) + 1e-8);
            }
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Adan_follows_its_algorithm(bool proximal)
    {
        // Xie et al. 2022, algorithm 1, with β = 1 - the paper's.
        var (m, v, n, former) = (new double[Count], new double[Count], new double[Count], new double[Count]);
        Compare(g => new Adan(g, proximal: proximal), (t, w, gradient) =>
        {
            for (var i = 0; i < Count; i++)
            {
                var g = gradient[i];
                var change = t == 1 ? 0 : g - former[i];
                m[i] = (0.98 * m[i]) + (0.02 * g);
                v[i] = (0.92 * v[i]) + (0.08 * change);
                n[i] = (0.99 * n[i]) + (0.01 * Math.Pow(g + (0.92 * change), 2));
                former[i] = g;
                var u = ((m[i] / (1 - Math.Pow(0.98, t))) + (0.92 * v[i] / (1 - Math.Pow(0.92, t)))) / (Math.Sqrt(n[i] / (1 - Math.Pow(0.99, t))) + 1e-8);
                w[i] = proximal ? (w[i] - (Rate * u)) / (1 + (Rate * Decay)) : (w[i] * (1 - (Rate * Decay))) - (Rate * u);
            }
        });
    }

    [Fact]
    public void TensorFlows_RMSprop_has_epsilon_under_the_root_and_the_rate_in_the_momentum()
    {
        var (s, v) = (Enumerable.Repeat(1.0, Count).ToArray(), new double[Count]);
        Compare(g => new RmsProp(g, epsilon: 0.01, asTensorFlow: true), (t, w, gradient) =>
        {
            var rate = RateAt(t);
            for (var i = 0; i < Count; i++)
            {
                var g = gradient[i] + (Decay * w[i]);
                s[i] += 0.1 * ((g * g) - s[i]);
                v[i] = (0.9 * v[i]) + (rate * g / Math.Sqrt(s[i] + 0.01));
                w[i] -= v[i];
            }
        }, RateAt);
    }

    private static double RateAt(int step) => Rate / (1 + (0.1 * step));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Lion_takes_signs_and_a_cautious_one_only_those_of_the_gradient(bool cautious)
    {
        var m = new double[Count];
        Compare(g => new Lion(g) { IsCautious = cautious }, (t, w, gradient) =>
        {
            var u = new double[Count];
            for (var i = 0; i < Count; i++)
            {
                u[i] = Math.Sign((0.9 * m[i]) + (0.1 * gradient[i]));
                m[i] = (0.99 * m[i]) + (0.01 * gradient[i]);
            }
            Step(w, u, gradient, cautious);
        });
    }

    [Fact]
    public void Cautious_AdamW_masks_and_makes_up_for_what_it_masks()
    {
        var (m, s) = (new double[Count], new double[Count]);
        Compare(g => new Adam(g, new(DecoupledDecay: true)) { IsCautious = true }, (t, w, gradient) =>
        {
            var u = new double[Count];
            for (var i = 0; i < Count; i++)
            {
                m[i] = (0.9 * m[i]) + (0.1 * gradient[i]);
                s[i] = (0.999 * s[i]) + (0.001 * gradient[i] * gradient[i]);
                u[i] = m[i] / (1 - Math.Pow(0.9, t)) / (Math.Sqrt(s[i] / (1 - Math.Pow(0.999, t))) + 1e-8);
            }
            Step(w, u, gradient, cautious: true);
        });
    }

    /// <summary>Liang et al. 2024, algorithm 1: φ = [u·g > 0], u·φ / mean(φ); decoupled decay.</summary>
    private static void Step(double[] w, double[] u, double[] gradient, bool cautious)
    {
        var mask = u.Zip(gradient, (a, b) => !cautious || a * b > 0 ? 1.0 : 0).ToArray();
        for (var i = 0; i < Count; i++)
            w[i] = (w[i] * (1 - (Rate * Decay))) - (Rate * u[i] * mask[i] / Math.Max(1e-3, mask.Average()));
    }

    private delegate void Rule(int step, double[] weights, double[] gradient);

    private static void Compare(Func<ParameterGroup[], Optimizer> make, Rule rule, Func<int, double>? rate = null) =>
        PaperRules.Compare([Count], Decay, make, (step, w, g) => rule(step, w, g), rate ?? (_ => Rate));
}
