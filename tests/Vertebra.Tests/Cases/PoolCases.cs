using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Max and average pooling, fixed and adaptive, and their gradients.</summary>
public sealed class PoolCases : IOpCases
{
    // Kernel, stride, padding, dilation, ceil mode, on which image size.
    private static readonly (Size2d Kernel, Size2d Stride, Padding2d Padding, Size2d Dilation, bool Ceil, int Height, int Width)[] Geometries =
    [
        (2, 2, 0, 1, false, 4, 6),
        (3, 2, 1, 1, false, 7, 6),
        (3, 2, 1, 1, true, 6, 6),    // ceil mode adds a window
        (3, 2, 1, 1, true, 5, 7),
        (2, 2, 0, 1, true, 5, 4),    // the added window holds one row
        (2, 2, 1, 1, true, 3, 3),    // a window that would start in the trailing padding is dropped
        (3, 3, 0, 1, true, 7, 8),
        (2, 3, 0, 1, false, 8, 7),   // stride beyond the kernel leaves gaps
        (3, 1, 1, 1, false, 4, 3),
        ((2, 3), (1, 2), (1, 0, 0, 2), 1, false, 5, 4),
        (3, 2, (0, 0, 1, 1), 1, false, 6, 4),
        (1, 1, 0, 1, false, 3, 2),
        (2, 1, 0, 3, false, 5, 6),
        (3, 2, (2, 1, 2, 1), 2, false, 7, 5),
        (3, 2, 1, 2, true, 6, 7),
    ];

    private static readonly (int Out, int In)[] AdaptiveSizes = [(1, 1), (1, 5), (2, 5), (3, 7), (5, 3), (4, 4)];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (kernel, stride, padding, dilation, ceil, height, width) in Geometries)
        {
            var max = new MaxPool2d { Kernel = kernel, Stride = stride, Padding = padding, Dilation = dilation, CeilMode = ceil };
            foreach (var c in Max(max, OpCases.Distinct([2, height, width, 3], 1)))
                yield return c;
            if (dilation != 1)
                continue;
            foreach (var counts in (bool[])[true, false])
            {
                var average = new AvgPool2d(counts) { Kernel = kernel, Stride = stride, Padding = padding, CeilMode = ceil };
                foreach (var c in Average(average, OpCases.Uniform([2, height, width, 3], 1)))
                    yield return c;
            }
        }
        foreach (var channels in (int[])[1, 3, 4, 8, 15, 16, 17, 31, 33, 48, 70])
        {
            foreach (var c in Max(new MaxPool2d { Kernel = 3, Stride = 2, Padding = 1 }, OpCases.Distinct([1, 3, 4, channels], 2)))
                yield return c;
            foreach (var c in Average(new AvgPool2d(false) { Kernel = 3, Stride = 2, Padding = 1 }, OpCases.Uniform([1, 3, 4, channels], 2)))
                yield return c;
            foreach (var c in Average(new AdaptiveAvgPool2d(1, 1), OpCases.Uniform([2, 2, 3, channels], 3)))
                yield return c;
        }
        foreach (var (rowsOut, rowsIn) in AdaptiveSizes)
        {
            foreach (var (columnsOut, columnsIn) in AdaptiveSizes[1..3])
            {
                foreach (var c in Average(new AdaptiveAvgPool2d(rowsOut, columnsOut), OpCases.Uniform([2, rowsIn, columnsIn, 2], 4)))
                    yield return c;
                foreach (var c in Max(new AdaptiveMaxPool2d(rowsOut, columnsOut), OpCases.Distinct([2, rowsIn, columnsIn, 2], 4)))
                    yield return c;
            }
        }
        yield return new(new MaxPool2d { Kernel = 2, Stride = 2 }, [Tensor.Zeros([0, 4, 4, 3])], _ => [[]]);
        yield return new(new AvgPool2d { Kernel = 2, Stride = 2 }, [Tensor.Zeros([0, 4, 4, 3])], _ => [[]]);
        yield return new(new AdaptiveAvgPool2d(1, 1), [Tensor.Zeros([2, 4, 4, 0])], _ => [[]]);
        // Several parts of work, both kinds of strips.
        yield return new(new MaxPool2d(true) { Kernel = 3, Stride = 2, Padding = 1 }, [OpCases.Uniform([2, 33, 35, 81], 5)],
            x => NaiveMax(x[0], [2, 33, 35, 81], Window(new() { Kernel = 3, Stride = 2, Padding = 1 }, 33, 35))) { CheckGradient = false };
    }

    private static IEnumerable<OpCase> Max(Op op, Tensor x)
    {
        Op with = op is MaxPool2d m ? m with { KeepsIndices = true } : (AdaptiveMaxPool2d)op with { KeepsIndices = true };
        var windows = op is MaxPool2d pool ? Window(pool, x.Shape[1], x.Shape[2]) : Adaptive(((AdaptiveMaxPool2d)op).Height, ((AdaptiveMaxPool2d)op).Width, x.Shape[1], x.Shape[2]);
        yield return new(op, [x], v => [NaiveMax(v[0], x.Shape, windows)[0]]) { CheckSecondDerivative = x.ElementCount <= 150 };
        yield return new(with, [x], v => NaiveMax(v[0], x.Shape, windows)) { CheckSecondDerivative = x.ElementCount <= 150 };

        var indices = with.ApplyAll(x)[1];
        var dy = OpCases.Uniform(indices.Shape, 6);
        yield return new(new MaxPoolGradient(op, x.Shape[1], x.Shape[2]), [dy, indices], v =>
        {
            var dx = new double[x.ElementCount];
            for (var i = 0; i < v[0].Length; i++)
                dx[Source(x.Shape, indices.Shape, i, v[1][i])] += v[0][i];
            return [dx];
        }) { CheckSecondDerivative = dy.ElementCount <= 100 };
        yield return new(new MaxPoolPick(op, x.Shape[1], x.Shape[2]), [x, indices], v =>
            [[.. v[1].Select((index, i) => v[0][Source(x.Shape, indices.Shape, i, index)])]]) { CheckSecondDerivative = x.ElementCount <= 150 };
    }

    private static int Source(Shape x, Shape y, int i, double index)
    {
        var channels = x[3];
        var image = i / (int)y.CountBetween(1, 4);
        return (((image * x[1] * x[2]) + (int)index) * channels) + (i % channels);
    }

    private static IEnumerable<OpCase> Average(Op op, Tensor x)
    {
        var windows = op is AvgPool2d pool
            ? Window(new() { Kernel = pool.Kernel, Stride = pool.Stride, Padding = pool.Padding, CeilMode = pool.CeilMode }, x.Shape[1], x.Shape[2])
            : Adaptive(((AdaptiveAvgPool2d)op).Height, ((AdaptiveAvgPool2d)op).Width, x.Shape[1], x.Shape[2]);
        var counts = op is AvgPool2d { CountIncludePad: true };
        yield return new(op, [x], v => [NaiveAverage(v[0], x.Shape, windows, counts)]) { CheckSecondDerivative = x.ElementCount <= 150 };

        var y = op.Infer([x.Spec])[0].Shape;
        yield return new(new AvgPoolGradient(op, x.Shape[1], x.Shape[2]), [OpCases.Uniform(y, 7)], v =>
        {
            var dx = new double[x.ElementCount];
            ForEach(x.Shape, windows, (output, taps, window) =>
            {
                foreach (var tap in taps)
                    dx[tap] += v[0][output] / (counts ? window.Padded : taps.Count);
            });
            return [dx];
        }) { CheckSecondDerivative = x.ElementCount <= 150 };
    }

    /// <summary>Start and taps of every window on one axis, padding included; Limit is the end of the padded input.</summary>
    private sealed record Axis(int[] Start, int[] Taps, int Step, int Limit);

    private static (Axis Rows, Axis Columns) Window(MaxPool2d op, int height, int width) => (
        Fixed(height, op.KernelH, op.StrideH, op.PadTop, op.PadBottom, op.DilationH, op.CeilMode),
        Fixed(width, op.KernelW, op.StrideW, op.PadLeft, op.PadRight, op.DilationW, op.CeilMode));

    private static Axis Fixed(int size, int kernel, int stride, int before, int after, int step, bool ceil)
    {
        var reach = ((kernel - 1) * step) + 1;
        var starts = new List<int>();
        for (var start = -before; ; start += stride)
        {
            var fits = start + reach <= size + after;
            var counts = fits || (ceil && start - stride + reach < size + after && start < size);
            if (!counts)
                break;
            starts.Add(start);
        }
        return new([.. starts], [.. starts.Select(_ => kernel)], step, size + after);
    }

    private static (Axis Rows, Axis Columns) Adaptive(int rowsOut, int columnsOut, int height, int width)
    {
        static Axis Make(int n, int size)
        {
            var starts = Enumerable.Range(0, n).Select(o => (int)Math.Floor((double)o * size / n)).ToArray();
            return new(starts, [.. starts.Select((s, o) => (int)Math.Ceiling((o + 1.0) * size / n) - s)], 1, size);
        }
        return (Make(rowsOut, height), Make(columnsOut, width));
    }

    /// <summary>For every output element the input elements of its window, row by row, and how many positions its padded window has.</summary>
    private static void ForEach(Shape x, (Axis Rows, Axis Columns) windows, Action<int, List<int>, (int Padded, List<int> Positions)> visit)
    {
        var (rows, columns) = windows;
        var output = 0;
        foreach (var p in Naive.Positions([x[0], rows.Start.Length, columns.Start.Length, x[3]]))
        {
            var (taps, positions, padded) = (new List<int>(), new List<int>(), 0);
            for (var i = 0; i < rows.Taps[p[1]]; i++)
            {
                for (var j = 0; j < columns.Taps[p[2]]; j++)
                {
                    var (row, column) = (rows.Start[p[1]] + (i * rows.Step), columns.Start[p[2]] + (j * columns.Step));
                    if (row >= rows.Limit || column >= columns.Limit)
                        continue;
                    padded++;
                    if (row < 0 || row >= x[1] || column < 0 || column >= x[2])
                        continue;
                    taps.Add(Naive.Offset(x, [p[0], row, column, p[3]]));
                    positions.Add((row * x[2]) + column);
                }
            }
            visit(output++, taps, (padded, positions));
        }
    }

    private static double[][] NaiveMax(double[] x, Shape shape, (Axis, Axis) windows)
    {
        var (values, indices) = (new List<double>(), new List<double>());
        ForEach(shape, windows, (_, taps, window) =>
        {
            var best = Enumerable.Range(0, taps.Count).MaxBy(i => x[taps[i]]);
            values.Add(x[taps[best]]);
            indices.Add(window.Positions[best]);
        });
        return [[.. values], [.. indices]];
    }

    private static double[] NaiveAverage(double[] x, Shape shape, (Axis, Axis) windows, bool countPadding)
    {
        var values = new List<double>();
        ForEach(shape, windows, (_, taps, window) => values.Add(taps.Sum(i => x[i]) / (countPadding ? window.Padded : taps.Count)));
        return [.. values];
    }
}
