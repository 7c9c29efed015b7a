using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Resampling of images and its gradient.</summary>
public sealed class InterpolateCases : IOpCases
{
    private static readonly (int H, int W, int ToH, int ToW)[] Sizes =
    [
        (1, 1, 1, 1), (1, 1, 3, 4), (3, 4, 1, 1), (4, 5, 4, 5), (3, 4, 6, 8), (4, 6, 2, 3), (5, 4, 7, 9), (7, 8, 3, 5), (2, 9, 5, 2), (4, 5, 4, 9), (4, 5, 7, 5),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var mode in Enum.GetValues<InterpolationMode>())
        {
            foreach (var (align, antialias) in mode == InterpolationMode.Nearest ? [(false, false)] : new[] { (false, false), (true, false), (false, true), (true, true) })
            {
                foreach (var (h, w, toH, toW) in Sizes)
                {
                    foreach (var c in Both(new(toH, toW, mode, align, antialias), [2, h, w, 2]))
                        yield return c;
                }
                foreach (var channels in (int[])[1, 15, 16, 17, 33])
                {
                    foreach (var c in Both(new(3, 2, mode, align, antialias), [1, 2, 4, channels]))
                        yield return c;
                }
            }
        }
        foreach (var c in Both(new(20, 13, InterpolationMode.Bicubic), [2, 31, 27, 3]))
            yield return c;
        yield return new(new Interpolate(3, 3, InterpolationMode.Bilinear), [Tensor.Zeros([0, 2, 2, 3])], _ => [[]]);
        yield return new(new Interpolate(3, 3, InterpolationMode.Bilinear), [Tensor.Zeros([2, 2, 2, 0])], _ => [[]]);
    }

    private static IEnumerable<OpCase> Both(Interpolate op, Shape x)
    {
        // Dense matrices, [output, input], for both axes.
        var rows = Matrix(x[1], op.Height, op);
        var columns = Matrix(x[2], op.Width, op);
        Shape y = [x[0], op.Height, op.Width, x[3]];
        var small = x.ElementCount < 100 && y.ElementCount < 100;
        yield return new(op, [OpCases.Uniform(x, 1)], v => [Map(v[0], x, y, (o, i) => rows[o[1], i[1]] * columns[o[2], i[2]])]) { CheckSecondDerivative = small };
        yield return new(new InterpolateGradient(op, x[1], x[2]), [OpCases.Uniform(y, 2)],
            v => [Map(v[0], y, x, (o, i) => rows[i[1], o[1]] * columns[i[2], o[2]])]) { CheckSecondDerivative = small, CheckGradient = small };
    }

    private static double[] Map(double[] source, Shape from, Shape to, Func<int[], int[], double> weight)
    {
        var i = new int[4];
        var result = new List<double>();
        foreach (var o in Naive.Positions(to))
        {
            double sum = 0;
            for (var row = 0; row < from[1]; row++)
            {
                for (var column = 0; column < from[2]; column++)
                {
                    (i[0], i[1], i[2], i[3]) = (o[0], row, column, o[3]);
                    sum += weight(o, i) * source[Naive.Offset(from, i)];
                }
            }
            result.Add(sum);
        }
        return [.. result];
    }

    private static double[,] Matrix(int size, int count, Interpolate op)
    {
        var matrix = new double[count, size];
        var cornersApart = count > 1 ? (size - 1.0) / (count - 1) : 0;
        for (var o = 0; o < count; o++)
        {
            var ratio = op.AlignCorners ? cornersApart : (double)size / count;
            if (op.Mode == InterpolationMode.Nearest)
            {
                matrix[o, o * size / count] = 1;
                continue;
            }
            var bilinear = op.Mode == InterpolationMode.Bilinear;
            if (op.Antialias)
            {
                // PyTorch places the filter by areas even when corners are aligned, only at their ratio.
                var stretch = Math.Max(1, ratio);
                var center = ratio * (o + 0.5);
                var weights = Enumerable.Range(0, size).Select(i => bilinear ? Triangle((i + 0.5 - center) / stretch) : Keys((i + 0.5 - center) / stretch, -0.5)).ToArray();
                for (var i = 0; i < size; i++)
                    matrix[o, i] = weights[i] / weights.Sum();
                continue;
            }
            var place = op.AlignCorners ? ratio * o : (ratio * (o + 0.5)) - 0.5;
            // Beyond the image everything is its border.
            for (var tap = -4; tap < size + 4; tap++)
                matrix[o, Math.Clamp(tap, 0, size - 1)] += bilinear ? Triangle(tap - place) : Keys(tap - place, -0.75);
        }
        return matrix;
    }

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    private static double Keys(double x, double a)
    {
        x = Math.Abs(x);
        return x <= 1 ? ((a + 2) * x * x * x) - ((a + 3) * x * x) + 1
            : x < 2 ? (a * x * x * x) - (5 * a * x * x) + (8 * a * x) - (4 * a) : 0;
    }
}
