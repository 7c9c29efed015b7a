using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Layer, group and instance normalisation and their gradient ops.</summary>
public sealed class RowNormCases : IOpCases
{
    private const float Epsilon = 1e-3f;

    public static IEnumerable<OpCase> All()
    {
        foreach (var width in (int[])[2, 3, 15, 16, 17, 33, 64, 65])
        {
            foreach (var c in Layer([3, width], 1))
                yield return c;
        }
        foreach (var (shape, axes) in new (Shape, int)[] { ([2, 3, 4, 5], 1), ([2, 3, 4, 5], 3), ([1, 1], 1), ([7], 1), ([3, 0], 1), ([0, 3], 1), ([700, 96], 1), ([2, 90, 100], 2), ([25000, 3], 1) })
        {
            foreach (var c in Layer(shape, axes))
                yield return c;
        }
        foreach (var (shape, groups) in new (Shape, int)[]
        {
            ([2, 2, 3, 6], 3), ([2, 2, 3, 6], 1), ([2, 2, 3, 6], 6), ([1, 1, 1, 8], 2), ([3, 16], 4), ([2, 5, 1, 17], 17), ([1, 3, 3, 33], 11), ([2, 3, 2, 15], 3),
            ([0, 2, 2, 4], 2), ([2, 0, 2, 4], 2), ([3, 40, 50, 24], 6), ([2, 70, 70, 3], 3),
        })
        {
            foreach (var c in Group(shape, groups, Activation.None))
                yield return c;
        }
        foreach (var activation in Enum.GetValues<Activation>())
        {
            foreach (var c in Group([2, 3, 3, 4], 2, activation))
                yield return c;
        }
    }

    private static IEnumerable<OpCase> Layer(Shape shape, int axes)
    {
        Shape normalised = shape.Span[^axes..].ToArray();
        var (width, rows) = ((int)normalised.ElementCount, (int)(shape.ElementCount / Math.Max(1, normalised.ElementCount)));
        var (x, weight, bias) = (OpCases.Uniform(shape, 21, -1, 3), OpCases.Uniform(normalised, 22, 0.5f, 1.5f), OpCases.Uniform(normalised, 23));
        var op = new LayerNorm(Epsilon, axes);
        // One or two numbers are normalised to nearly ±1 whatever they are: their gradient is the difference of large terms.
        yield return new(op, [x, weight, bias], v =>
        {
            var (mean, inverse) = Rows(v[0], width, shape.CountBetween(0, shape.Rank - axes));
            return [[.. v[0].Select((value, i) => ((value - mean[i / width]) * inverse[i / width] * v[1][i % width]) + v[2][i % width])], mean, inverse];
        }) { Tolerance = 2e-5, GradientTolerance = width <= 2 ? 2e-2 : 2e-3 };

        if (shape.ElementCount == 0)
            yield break;
        var statistics = op.ApplyAll(x, weight, bias)[1..];
        yield return new(new LayerNormGradient(), [OpCases.Uniform(shape, 24), x, weight, .. statistics], v =>
        {
            var g = v[0].Select((d, i) => d * v[2][i % width]).ToArray();
            var normal = v[1].Select((value, i) => (value - v[3][i / width]) * v[4][i / width]).ToArray();
            var (dweight, dbias) = (new double[width], new double[width]);
            var (sum, product) = (new double[rows], new double[rows]);
            for (var i = 0; i < g.Length; i++)
            {
                dweight[i % width] += v[0][i] * normal[i];
                dbias[i % width] += v[0][i];
                sum[i / width] += g[i] / width;
                product[i / width] += g[i] * normal[i] / width;
            }
            return [[.. g.Select((d, i) => v[4][i / width] * (d - sum[i / width] - (normal[i] * product[i / width])))], dweight, dbias];
        }) { Tolerance = 2e-5, CheckGradient = false };
    }

    private static (double[] Mean, double[] Inverse) Rows(double[] x, int width, long rows)
    {
        var (mean, inverse) = (new double[rows], new double[rows]);
        for (var row = 0; row < rows; row++)
        {
            var values = x.AsSpan(row * width, width).ToArray();
            mean[row] = width == 0 ? double.NaN : values.Average();
            inverse[row] = width == 0 ? double.NaN : 1 / Math.Sqrt(values.Average(v => (v - mean[row]) * (v - mean[row])) + Epsilon);
        }
        return (mean, inverse);
    }

    private static IEnumerable<OpCase> Group(Shape shape, int groups, Activation activation)
    {
        var channels = shape[-1];
        var (weight, bias) = (OpCases.Uniform([channels], 22, 0.5f, 1.5f), OpCases.Uniform([channels], 23));
        var x = OpCases.Uniform(shape, 25, -1, 3);
        // Finite differences need inputs away from the kinks of the activation.
        for (var stream = 26; activation != Activation.None && NearKink(x, weight, bias, groups); stream++)
            x = OpCases.Uniform(shape, stream, -1, 3);
        var op = new GroupNorm(groups, Epsilon, activation);
        yield return new(op, [x, weight, bias], v =>
        {
            var (mean, inverse) = GroupStatistics(v[0], shape, groups);
            return [[.. v[0].Select((value, i) => Act(activation, ((value - mean[Of(i, shape, groups)]) * inverse[Of(i, shape, groups)] * v[1][i % channels]) + v[2][i % channels]))], mean, inverse];
        }) { Tolerance = 2e-5, Step = activation == Activation.None ? 1e-2f : 2e-3f, GradientTolerance = 5e-3 };

        if (shape.ElementCount == 0)
            yield break;
        var statistics = op.ApplyAll(x, weight, bias)[1..];
        yield return new(new GroupNormGradient(groups, activation), [OpCases.Uniform(shape, 24), x, weight, bias, .. statistics], v =>
        {
            var size = shape.CountBetween(1, shape.Rank) / groups;
            int Group(int i) => Of(i, shape, groups);
            var normal = v[1].Select((value, i) => (value - v[4][Group(i)]) * v[5][Group(i)]).ToArray();
            var d = v[0].Select((g, i) => g * Slope(activation, (normal[i] * v[2][i % channels]) + v[3][i % channels])).ToArray();
            var (dweight, dbias) = (new double[channels], new double[channels]);
            var (sum, product) = (new double[v[4].Length], new double[v[4].Length]);
            for (var i = 0; i < d.Length; i++)
            {
                dweight[i % channels] += d[i] * normal[i];
                dbias[i % channels] += d[i];
                sum[Group(i)] += d[i] * v[2][i % channels] / size;
                product[Group(i)] += d[i] * v[2][i % channels] * normal[i] / size;
            }
            return [[.. d.Select((g, i) => v[5][Group(i)] * ((g * v[2][i % channels]) - sum[Group(i)] - (normal[i] * product[Group(i)])))], dweight, dbias];
        }) { Tolerance = 2e-5, CheckGradient = false };
    }

    private static int Of(int i, Shape shape, int groups)
    {
        var channels = shape[-1];
        return (i / (int)shape.CountBetween(1, shape.Rank) * groups) + (i % channels / (channels / groups));
    }

    private static (double[] Mean, double[] Inverse) GroupStatistics(double[] x, Shape shape, int groups)
    {
        var members = Enumerable.Range(0, shape[0] * groups).Select(_ => new List<double>()).ToArray();
        for (var i = 0; i < x.Length; i++)
            members[Of(i, shape, groups)].Add(x[i]);
        var mean = members.Select(m => m.Count == 0 ? double.NaN : m.Average()).ToArray();
        return (mean, [.. members.Select((m, g) => m.Count == 0 ? double.NaN : 1 / Math.Sqrt(m.Average(v => (v - mean[g]) * (v - mean[g])) + Epsilon))]);
    }

    private static double Act(Activation activation, double p) =>
        activation switch { Activation.None => p, Activation.Relu => Math.Max(p, 0), _ => Math.Min(Math.Max(p, 0), 6) };

    private static double Slope(Activation activation, double p) =>
        activation switch { Activation.None => 1, Activation.Relu => p > 0 ? 1 : 0, _ => p is > 0 and < 6 ? 1 : 0 };

    private static bool NearKink(Tensor x, Tensor weight, Tensor bias, int groups)
    {
        var values = OpCases.ToDouble(x);
        var (mean, inverse) = GroupStatistics(values, x.Shape, groups);
        return values.Select((v, i) => ((v - mean[Of(i, x.Shape, groups)]) * inverse[Of(i, x.Shape, groups)] * weight[i % weight.Shape[0]]) + bias[i % weight.Shape[0]])
            .Any(p => Math.Abs(p) < 0.012 || Math.Abs(p - 6) < 0.012);
    }
}
