using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Methods that look at whole tensors, against their rules written out in float64.</summary>
public class TensorOptimizerTests
{
    private const double Decay = 0.05;
    private const double Rate = 0.02;

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(true, true, true)]
    public void LAMB_brings_steps_to_the_length_of_the_weights(bool clipped, bool decoupled, bool cautious)
    {
        var (m, s) = (new double[35], new double[35]);
        PaperRules.Compare([5, 7], Decay, g => new Lamb(g, new(Epsilon: 1e-6, DecoupledDecay: decoupled), clipped) { IsCautious = cautious }, (t, w, raw) =>
        {
            var gradient = raw.Select(v => v / Math.Max(1, PaperRules.Norm(raw))).ToArray();
            var u = new double[35];
            for (var i = 0; i < u.Length; i++)
            {
                m[i] = (0.9 * m[i]) + (0.1 * gradient[i]);
                s[i] = (0.999 * s[i]) + (0.001 * gradient[i] * gradient[i]);
                u[i] = m[i] / (1 - Math.Pow(0.9, t)) / (Math.Sqrt(s[i] / (1 - Math.Pow(0.999, t))) + 1e-6);
            }
            if (cautious)
            {
                var mask = u.Zip(gradient, (a, b) => a * b > 0 ? 1.0 : 0).ToArray();
                u = [.. u.Select((v, i) => v * mask[i] / mask.Average())];
            }
            for (var i = 0; i < u.Length; i++)
            {
                if (decoupled)
                    w[i] *= 1 - (Rate * Decay);
                else
                    u[i] += Decay * w[i];
            }
            var trust = PaperRules.Norm(w) / PaperRules.Norm(u);
            if (clipped)
                trust = Math.Min(trust, 1);
            for (var i = 0; i < u.Length; i++)
                w[i] -= Rate * trust * u[i];
        }, _ => Rate, bound: 3e-5);
    }

    [Fact]
    public void LAMB_without_decay_is_Adam_on_the_clipped_gradient()
    {
        var (a, b) = (Tensor.Full([9], 0.5f), Tensor.Full([9], 0.5f));
        var (lamb, adam) = (new Lamb([new([new("a", a)])], new()) { LearningRate = 0.1 }, new Adam([new([new("b", b)])]) { LearningRate = 0.1 });
        for (var step = 0; step < 3; step++)
        {
            a.Grad = b.Grad = Tensor.Full([9], 2f / (1 + step));
            lamb.Step();
            adam.Step((float)(1 / Math.Max(1, adam.GradientNorm())));
        }
        Assert.All(a.ToArray<float>().Zip(b.ToArray<float>()), p => Assert.Equal(p.First, p.Second, 1e-5f));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void LARS_scales_the_gradient_before_the_momentum(bool nesterov, bool clipped)
    {
        var v = new double[35];
        static double RateAt(int step) => 0.5 / step;
        PaperRules.Compare([5, 7], Decay, g => new Lars(g, 0.9, nesterov, clipped, trust: 0.02), (t, w, gradient) =>
        {
            var trust = 0.02 * PaperRules.Norm(w) / (PaperRules.Norm(gradient) + (Decay * PaperRules.Norm(w)) + 1e-8);
            if (clipped)
                trust = Math.Min(trust / RateAt(t), 1);
            for (var i = 0; i < v.Length; i++)
            {
                var g = trust * (gradient[i] + (Decay * w[i]));
                v[i] = (0.9 * v[i]) + g;
                w[i] -= RateAt(t) * (nesterov ? g + (0.9 * v[i]) : v[i]);
            }
        }, RateAt);
    }

    /// <summary>Shazeer and Stern 2018, algorithms 4 and 5, over the axes that timm factors: [outer, rows, columns, inner].</summary>
    [Theory]
    [InlineData(new[] { 20, 18 }, 1, 20, 18, 1)]
    [InlineData(new[] { 17, 19, 2, 3 }, 1, 17, 19, 6)]
    [InlineData(new[] { 3, 17, 18 }, 3, 17, 18, 1)]
    public void Adafactor_keeps_rows_and_columns(int[] shape, int outer, int rows, int columns, int inner)
    {
        var (r, c) = (new double[outer, rows, inner], new double[outer, columns, inner]);
        PaperRules.Compare((Shape)shape, Decay, g => new Adafactor(g), (t, w, gradient) =>
        {
            var beta = 1 - Math.Pow(t, -0.8);
            int At(int o, int i, int j, int k) => (((((o * rows) + i) * columns) + j) * inner) + k;
            double Square(int o, int i, int j, int k) => Math.Pow(gradient[At(o, i, j, k)], 2) + 1e-30;
            var u = new double[w.Length];
            for (var o = 0; o < outer; o++)
            {
                for (var k = 0; k < inner; k++)
                {
                    for (var i = 0; i < rows; i++)
                        r[o, i, k] = (beta * r[o, i, k]) + ((1 - beta) * Enumerable.Range(0, columns).Average(j => Square(o, i, j, k)));
                    for (var j = 0; j < columns; j++)
                        c[o, j, k] = (beta * c[o, j, k]) + ((1 - beta) * Enumerable.Range(0, rows).Average(i => Square(o, i, j, k)));
                    var mean = Enumerable.Range(0, rows).Average(i => r[o, i, k]);
                    for (var i = 0; i < rows; i++)
                    {
                        for (var j = 0; j < columns; j++)
                            u[At(o, i, j, k)] = gradient[At(o, i, j, k)] / Math.Sqrt(r[o, i, k] * c[o, j, k] / mean);
                    }
                }
            }
            var clip = Math.Max(1, PaperRules.Norm(u) / Math.Sqrt(u.Length));
            for (var i = 0; i < w.Length; i++)
                w[i] = (w[i] * (1 - (Rate * Decay))) - (Rate * u[i] / clip);
        }, _ => Rate, bound: 2e-5);
    }

    [Fact]
    public void Adafactor_keeps_all_of_a_vector_and_a_mean_if_told_a_beta()
    {
        var (s, m) = (new double[35], new double[35]);
        PaperRules.Compare([35], Decay, g => new Adafactor(g, beta1: 0.9), (t, w, gradient) =>
        {
            var beta = 1 - Math.Pow(t, -0.8);
            for (var i = 0; i < s.Length; i++)
                s[i] = (beta * s[i]) + ((1 - beta) * ((gradient[i] * gradient[i]) + 1e-30));
            var u = gradient.Select((g, i) => g / Math.Sqrt(s[i])).ToArray();
            var clip = Math.Max(1, PaperRules.Norm(u) / Math.Sqrt(u.Length));
            for (var i = 0; i < w.Length; i++)
            {
                m[i] = (0.9 * m[i]) + (0.1 * Rate * u[i] / clip);
                w[i] = (w[i] * (1 - (Rate * Decay))) - m[i];
            }
        }, _ => Rate);
        var (factored, whole) = (Tensor.Zeros([20, 30]), Tensor.Zeros([16, 30]));
        Assert.Equal(
            ["a/exp_avg_sq_row", "a/exp_avg_sq_col", "b/exp_avg_sq"],
            new Adafactor([new([new("a", factored), new("b", whole)])]).State().Select(x => x.Name));
    }

    [Theory]
    [InlineData(new[] { 6, 10 }, false)]
    [InlineData(new[] { 6, 10 }, true)]
    [InlineData(new[] { 30, 2, 2, 2 }, false)]
    public void Muon_makes_the_momentum_orthogonal(int[] shape, bool nesterov)
    {
        var (rows, columns) = (shape[0], shape[1..].Aggregate(1, (a, b) => a * b));
        var m = new double[rows * columns];
        PaperRules.Compare((Shape)shape, Decay, g => new Muon(g, 0.9, nesterov), (t, w, gradient) =>
        {
            var u = new double[m.Length];
            for (var i = 0; i < m.Length; i++)
            {
                m[i] += 0.1 * (gradient[i] - m[i]);
                u[i] = nesterov ? gradient[i] + (0.9 * (m[i] - gradient[i])) : m[i];
            }
            var o = NewtonSchulz(u, rows, columns);
            for (var i = 0; i < m.Length; i++)
                w[i] = (w[i] * (1 - (Rate * Decay))) - (Rate * 0.2 * Math.Sqrt(Math.Max(rows, columns)) * o[i]);
        }, _ => Rate, bound: 1e-4, steps: 8);
    }

    private static double[] NewtonSchulz(double[] u, int rows, int columns)
    {
        var x = new double[rows, columns];
        var norm = PaperRules.Norm(u);
        for (var i = 0; i < u.Length; i++)
            x[i / columns, i % columns] = u[i] / norm;
        foreach (var (a, b, c) in new[] { (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012) })
        {
            var square = Product(x, Transposed(x));
            var fourth = Product(square, square);
            var (first, second) = (Product(square, x), Product(fourth, x));
            for (var i = 0; i < u.Length; i++)
                x[i / columns, i % columns] = (a * x[i / columns, i % columns]) + (b * first[i / columns, i % columns]) + (c * second[i / columns, i % columns]);
        }
        return [.. Enumerable.Range(0, u.Length).Select(i => x[i / columns, i % columns])];
    }

    private static double[,] Transposed(double[,] x)
    {
        var y = new double[x.GetLength(1), x.GetLength(0)];
        for (var i = 0; i < y.GetLength(0); i++)
        {
            for (var j = 0; j < y.GetLength(1); j++)
                y[i, j] = x[j, i];
        }
        return y;
    }

    private static double[,] Product(double[,] x, double[,] y)
    {
        var z = new double[x.GetLength(0), y.GetLength(1)];
        for (var i = 0; i < z.GetLength(0); i++)
        {
            for (var j = 0; j < z.GetLength(1); j++)
            {
                for (var k = 0; k < x.GetLength(1); k++)
                    z[i, j] += x[i, k] * y[k, j];
            }
        }
        return z;
    }

    [Fact]
    public void Muon_leaves_classifier_vectors_and_depthwise_kernels_to_AdamW()
    {
        static NamedParameter Of(ParameterKind kind, params int[] shape) => new("p", Tensor.Zeros((Shape)shape), kind);
        Assert.True(Muon.Suits(Of(ParameterKind.Body, 64, 128)));
        Assert.True(Muon.Suits(Of(ParameterKind.Body, 96, 3, 4, 4)));
        Assert.False(Muon.Suits(Of(ParameterKind.Classifier, 64, 128)));
        Assert.False(Muon.Suits(Of(ParameterKind.Body, 64)));
        Assert.False(Muon.Suits(Of(ParameterKind.Body, 64, 1, 3, 3)));
        Assert.False(Muon.Suits(Of(ParameterKind.Body, 1, 196, 768)));
        Assert.False(Muon.Suits(Of(ParameterKind.Body, 4, 2048)));
        var names = Optimizers.Create([new([Of(ParameterKind.Body, 8, 8) with { Name = "a" }, Of(ParameterKind.Body, 8) with { Name = "b" }])], new() { Opt = "muon" }).State().Select(s => s.Name);
        Assert.Equal(["a/momentum_buffer", "b/exp_avg", "b/exp_avg_sq"], names);
    }

    [Fact]
    public void Lookahead_steps_back_every_k_steps()
    {
        var (v, slow) = (new double[9], Enumerable.Range(0, 9).Select(i => (((i * 29) % 64) - 32) / 16.0).ToArray());
        PaperRules.Compare([9], 0, g => new Lookahead(new Sgd(g, 0.9), 5, 0.3), (t, w, gradient) =>
        {
            for (var i = 0; i < w.Length; i++)
            {
                v[i] = (0.9 * v[i]) + gradient[i];
                w[i] -= Rate * v[i];
                if (t % 5 == 0)
                    w[i] = slow[i] += 0.3 * (w[i] - slow[i]);
            }
        }, _ => Rate);
    }

    /// <summary>Keskar and Socher 2017, algorithm 1, with an epsilon that lets it switch within the test.</summary>
    [Fact]
    public void SWATS_switches_when_the_projected_rate_has_settled_and_says_when()
    {
        const double Epsilon = 1e-3;
        var (m, a, v, lambda, sgdRate, switched) = (new double[35], new double[35], new double[35], 0.0, 0.0, 0);
        Swats? swats = null;
        var notes = new List<string>();
        static double RateAt(int step) => step <= 25 ? 0.01 : 0.001;
        PaperRules.Compare([5, 7], Decay, g => swats = new Swats(g, new(Epsilon: Epsilon)) { Note = notes.Add }, (k, w, raw) =>
        {
            var g = raw.Select((x, i) => x + (Decay * w[i])).ToArray();
            if (switched > 0)
            {
                for (var i = 0; i < w.Length; i++)
                {
                    v[i] = (0.9 * v[i]) + g[i];
                    w[i] -= 0.1 * sgdRate * RateAt(k) / RateAt(switched) * v[i];
                }
                return;
            }
            var p = new double[w.Length];
            for (var i = 0; i < w.Length; i++)
            {
                m[i] = (0.9 * m[i]) + (0.1 * g[i]);
                a[i] = (0.999 * a[i]) + (0.001 * g[i] * g[i]);
                p[i] = -RateAt(k) * Math.Sqrt(1 - Math.Pow(0.999, k)) / (1 - Math.Pow(0.9, k)) * m[i] / (Math.Sqrt(a[i]) + Epsilon);
                w[i] += p[i];
            }
            var gamma = p.Sum(x => x * x) / -p.Zip(g, (x, y) => x * y).Sum();
            lambda = (0.999 * lambda) + (0.001 * gamma);
            if (k > 1 && Math.Abs((lambda / (1 - Math.Pow(0.999, k))) - gamma) < Epsilon)
                (sgdRate, switched) = (lambda / (1 - Math.Pow(0.999, k)), k);
        }, RateAt);
        Assert.InRange(switched, 2, 24);
        Assert.Equal(sgdRate, swats!.SgdRate!.Value, 1e-6);
        Assert.Contains($" after update {switched}, at a learning rate of ", Assert.Single(notes));
    }
}
