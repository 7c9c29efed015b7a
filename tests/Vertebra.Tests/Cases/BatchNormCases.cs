using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Batch normalisation, inference and training, with and without activation and residual, and its gradient op.</summary>
public sealed class BatchNormCases : IOpCases
{
    private const float Epsilon = 1e-3f;
    private const int MostAwayFromKinks = 100;

    public static IEnumerable<OpCase> All()
    {
        foreach (var channels in (int[])[1, 2, 3, 4, 8, 15, 16, 17, 33, 65])
        {
            foreach (var c in Both([2, 2, 2, channels], Activation.None, residual: false))
                yield return c;
        }
        // Rows that do and do not fill whole lines of folded rows.
        foreach (var rows in (int[])[2, 3, 31, 64, 65, 131])
        {
            foreach (var c in Both([rows, 3], Activation.None, residual: false))
                yield return c;
            foreach (var c in Both([rows, 1], Activation.Relu, residual: true))
                yield return c;
        }
        foreach (var activation in Enum.GetValues<Activation>())
        {
            foreach (var residual in (bool[])[false, true])
            {
                foreach (var c in Both([2, 3, 1, 7], activation, residual))
                    yield return c;
            }
        }
        // Several parts of work.
        foreach (var shape in (Shape[])[[3, 90, 31, 16], [2, 61, 57, 21], [5, 40, 200], [70001, 1]])
        {
            foreach (var c in Both(shape, Activation.Relu, residual: false))
                yield return c;
        }
        foreach (var c in Joined())
            yield return c;
        foreach (var activation in Enum.GetValues<Activation>())
        {
            foreach (var n in (int[])[0, 1, 15, 33, 70000])
                yield return Gate(activation, n);
        }
    }

    private static IEnumerable<OpCase> Joined()
    {
        foreach (var activation in Enum.GetValues<Activation>())
        {
            foreach (var (rows, widths) in ((Shape, int[])[])[([2, 3], [4]), ([5], [3, 1, 8]), ([2, 3, 1], [32, 7, 16]), ([0], [2, 3]), ([3, 40, 41], [33, 32, 32, 1])])
            {
                int[] channels = [widths.Sum()];
                Tensor[] pieces = [.. widths.Select((w, i) => OpCases.Uniform([.. rows.Span, w], 20 + i))];
                Tensor[] parameters = [OpCases.Uniform(channels, 11, 0.5f, 1.5f), OpCases.Uniform(channels, 12), OpCases.Uniform(channels, 13), OpCases.Uniform(channels, 14, 0.5f, 2)];
                yield return new(new JoinedBatchNorm(Epsilon, activation), [.. pieces, .. parameters], v =>
                {
                    var joined = Enumerable.Range(0, (int)rows.ElementCount).SelectMany(row => widths.SelectMany((w, i) => v[i].Skip(row * w).Take(w))).ToArray();
                    return [Apply(joined, v[^4], v[^3], v[^2], v[^1], null, activation)];
                }) { CheckGradient = false };
            }
        }
    }

    private static IEnumerable<OpCase> Both(Shape shape, Activation activation, bool residual)
    {
        var channels = shape[-1];
        var (weight, bias) = (OpCases.Uniform([channels], 11, 0.5f, 1.5f), OpCases.Uniform([channels], 12));
        var (mean, variance) = (OpCases.Uniform([channels], 13), OpCases.Uniform([channels], 14, 0.5f, 2));
        // Finite differences need inputs away from the activation's kinks, which are not to be had for many elements.
        var canCheck = activation == Activation.None || shape.ElementCount <= MostAwayFromKinks;
        var x = AwayFromKinks(shape, activation, weight, bias, mean, variance, residual, training: false);
        Tensor[] extra = residual ? [OpCases.Uniform(shape, 16)] : [];
        yield return new(new BatchNorm(Epsilon, activation, residual), [x, weight, bias, mean, variance, .. extra],
            v => [Apply(v[0], v[1], v[2], v[3], v[4], residual ? v[5] : null, activation)]) { Step = 5e-3f, CheckGradient = canCheck };

        x = AwayFromKinks(shape, activation, weight, bias, mean, variance, residual, training: true);
        yield return new(new BatchNormTraining(Epsilon, activation, residual), [x, weight, bias, .. extra], v =>
        {
            var (m, s) = Statistics(v[0], channels);
            return [Apply(v[0], v[1], v[2], m, s, residual ? v[3] : null, activation), m, s];
        }) { Step = 5e-3f, CheckGradient = canCheck, GradientTolerance = 5e-3, Tolerance = 3e-5 };

        var dy = OpCases.Uniform(shape, 17);
        foreach (var training in (bool[])[true, false])
        {
            yield return new(new BatchNormGradient(Epsilon, activation, training), [dy, x, weight, bias, mean, variance],
                v => Gradient(v[0], v[1], v[2], v[3], v[4], v[5], activation, training)) { CheckGradient = false, Tolerance = 3e-5 };
        }
    }

    private static OpCase Gate(Activation activation, int n) =>
        new(new ActivationGate(activation), [OpCases.Uniform([n], 18, -2, 8), OpCases.Uniform([n], 19)],
            v => [[.. v[0].Zip(v[1], (y, g) => Slope(activation, y) * g)]]) { CheckSecondDerivative = n is > 0 and < 20, Step = 1e-4f, GradientTolerance = 1e-2 };

    private static Tensor AwayFromKinks(Shape shape, Activation activation, Tensor weight, Tensor bias, Tensor mean, Tensor variance, bool residual, bool training)
    {
        for (var stream = 20; ; stream++)
        {
            var x = OpCases.Uniform(shape, stream, -2, 3);
            if (activation == Activation.None || shape.ElementCount > MostAwayFromKinks)
                return x;
            var (v, w, b) = (OpCases.ToDouble(x), OpCases.ToDouble(weight), OpCases.ToDouble(bias));
            var (m, s) = training ? Statistics(v, shape[-1]) : (OpCases.ToDouble(mean), OpCases.ToDouble(variance));
            var before = Apply(v, w, b, m, s, residual ? OpCases.ToDouble(OpCases.Uniform(shape, 16)) : null, Activation.None);
            if (before.All(p => Math.Abs(p) > 0.025 && Math.Abs(p - 6) > 0.025))
                return x;
        }
    }

    private static double[] Apply(double[] x, double[] weight, double[] bias, double[] mean, double[] variance, double[]? residual, Activation activation) =>
        [.. x.Select((value, i) =>
        {
            var c = i % weight.Length;
            var p = ((value - mean[c]) / Math.Sqrt(variance[c] + Epsilon) * weight[c]) + bias[c] + (residual?[i] ?? 0);
            return activation switch { Activation.None => p, Activation.Relu => Math.Max(p, 0), _ => Math.Min(Math.Max(p, 0), 6) };
        })];

    private static (double[] Mean, double[] Variance) Statistics(double[] x, int channels)
    {
        var (mean, variance, rows) = (new double[channels], new double[channels], x.Length / channels);
        for (var i = 0; i < x.Length; i++)
            mean[i % channels] += x[i] / rows;
        for (var i = 0; i < x.Length; i++)
            variance[i % channels] += (x[i] - mean[i % channels]) * (x[i] - mean[i % channels]) / rows;
        return (mean, variance);
    }

    private static double Slope(Activation activation, double p) => activation switch { Activation.None => 1, Activation.Relu => p > 0 ? 1 : 0, _ => p is > 0 and < 6 ? 1 : 0 };

    /// <summary>The textbook formulas, with the given statistics taken for the batch's own in training.</summary>
    private static double[][] Gradient(double[] dy, double[] x, double[] weight, double[] bias, double[] mean, double[] variance, Activation activation, bool training)
    {
        var (channels, rows) = (weight.Length, x.Length / weight.Length);
        var normal = x.Select((v, i) => (v - mean[i % channels]) / Math.Sqrt(variance[i % channels] + Epsilon)).ToArray();
        var g = dy.Select((v, i) => v * Slope(activation, (normal[i] * weight[i % channels]) + bias[i % channels])).ToArray();
        var (dweight, dbias) = (new double[channels], new double[channels]);
        for (var i = 0; i < g.Length; i++)
        {
            dbias[i % channels] += g[i];
            dweight[i % channels] += g[i] * normal[i];
        }
        var dx = g.Select((v, i) =>
        {
            var c = i % channels;
            var centred = training ? v - (dbias[c] / rows) - (normal[i] * dweight[c] / rows) : v;
            return weight[c] / Math.Sqrt(variance[c] + Epsilon) * centred;
        }).ToArray();
        if (training)
            return [dx, dweight, dbias];
        var dmean = dbias.Select((d, c) => -d * weight[c] / Math.Sqrt(variance[c] + Epsilon)).ToArray();
        var dvariance = dweight.Select((d, c) => -d * weight[c] / (2 * (variance[c] + Epsilon))).ToArray();
        return [dx, dweight, dbias, dmean, dvariance];
    }
}
