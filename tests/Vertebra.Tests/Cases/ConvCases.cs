using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Convolution, transposed convolution, the weight gradient, and the convolution by kernels for each image.</summary>
public sealed class ConvCases : IOpCases
{
    // Image [N, H, W, C], output channels, kernel, stride, padding, dilation, groups.
    private static readonly (Shape X, int Out, Size2d Kernel, Size2d Stride, Padding2d Padding, Size2d Dilation, int Groups)[] Geometries =
    [
        ([1, 1, 1, 1], 1, 1, 1, 0, 1, 1),
        ([2, 3, 4, 3], 5, 1, 1, 0, 1, 1),
        ([1, 1, 1, 4], 3, 3, 1, 1, 1, 1),          // one pixel, the kernel mostly on padding
        ([1, 5, 6, 3], 4, 3, 1, 1, 1, 1),
        ([2, 5, 5, 2], 3, 3, 2, 1, 1, 1),
        ([1, 7, 8, 2], 2, 3, 3, 0, 1, 1),          // stride 3, rows and columns left over
        ([1, 6, 6, 2], 2, 2, 3, 0, 1, 1),          // stride beyond the kernel
        ([1, 7, 6, 2], 3, 3, 1, 2, 2, 1),
        ([1, 8, 7, 2], 2, 3, 2, 2, 3, 1),          // dilation beyond the stride
        ([1, 5, 6, 2], 2, (2, 3), (2, 1), (1, 0, 0, 2), 1, 1),
        ([1, 5, 5, 2], 2, 3, 2, (0, 0, 1, 1), 1, 1),
        ([1, 4, 4, 6], 4, 3, 1, 1, 1, 2),
        ([1, 4, 4, 6], 6, 1, 2, 0, 1, 3),
        ([1, 5, 4, 4], 4, 3, 1, 1, 1, 4),          // depthwise
        ([1, 5, 4, 3], 6, 3, 2, 1, 1, 3),          // two filters per channel
        ([1, 9, 9, 1], 3, 7, 2, 3, 1, 1),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (x, outputs, kernel, stride, padding, dilation, groups) in Geometries)
        {
            foreach (var c in Cases(x, outputs, kernel, new() { Stride = stride, Padding = padding, Dilation = dilation, Groups = groups }))
                yield return c;
        }
        foreach (var channels in (int[])[1, 3, 15, 16, 17, 33])
        {
            foreach (var c in Cases([1, 3, 3, channels], 2, 3, new() { Padding = 1 }))
                yield return c;
            foreach (var c in Cases([1, 3, 3, 2], channels, 3, new() { Stride = 2, Padding = 1 }))
                yield return c;
            foreach (var c in Cases([1, 3, 4, channels], channels, 3, new() { Padding = 1, Groups = channels }))
                yield return c;
        }
        foreach (var c in Cases([0, 4, 4, 2], 3, 3, new() { Padding = 1 }))
            yield return c;
        foreach (var (x, outputs, kernel, stride, padding, dilation, groups) in Geometries.Where((_, i) => i is 0 or 1 or 3 or 4 or 7 or 9 or >= 11))
            yield return PerImage([3, x[1], x[2], x[3]], outputs, kernel, new() { Stride = stride, Padding = padding, Dilation = dilation, Groups = groups });
    }

    private static OpCase PerImage(Shape x, int outputs, Size2d kernel, PerImageConv2d op)
    {
        Shape weight = [x[0], outputs, x[3] / op.Groups, kernel.H, kernel.W];
        var one = new Conv2d { Stride = op.Stride, Padding = op.Padding, Dilation = op.Dilation, Groups = op.Groups };
        var (image, filters) = (OpCases.Uniform(x, 1), OpCases.Uniform(weight, 2));
        var y = op.Infer([image.Spec, filters.Spec])[0].Shape;
        return new(op, [image, filters], v => [[.. v[0].Chunk(v[0].Length / x[0]).Zip(v[1].Chunk(v[1].Length / x[0])).SelectMany(each => Convolve(
            one, each.First, [1, .. x.Span[1..]], each.Second, weight.Span[1..].ToArray(), null, [1, .. y.Span[1..]]))]]) { CheckSecondDerivative = x.ElementCount < 120 };
    }

    private static IEnumerable<OpCase> Cases(Shape x, int outputs, Size2d kernel, Conv2d op)
    {
        Shape weight = [outputs, x[3] / op.Groups, kernel.H, kernel.W];
        var (image, filters, bias) = (OpCases.Uniform(x, 1), OpCases.Uniform(weight, 2), OpCases.Uniform([outputs], 3));
        var y = op.Infer([image.Spec, filters.Spec])[0].Shape;
        var small = x.ElementCount + weight.ElementCount is > 0 and < 120;
        yield return new(op, [image, filters], v => [Convolve(op, v[0], x, v[1], weight, null, y)]) { CheckSecondDerivative = small };
        yield return new(op, [image, filters, bias], v => [Convolve(op, v[0], x, v[1], weight, v[2], y)]);

        var features = OpCases.Uniform(y, 4);
        var gradient = new Conv2dWeightGradient(kernel.H, kernel.W) { Stride = op.Stride, Padding = op.Padding, Dilation = op.Dilation, Groups = op.Groups };
        yield return new(gradient, [image, features], v =>
        {
            var sum = new double[weight.ElementCount];
            ForEachTap(op, x, weight, y, (i, w, o) => sum[w] += v[0][i] * v[1][o]);
            return [sum];
        }) { CheckSecondDerivative = small };

        var transposed = new ConvTranspose2d { Stride = op.Stride, Padding = op.Padding, Dilation = op.Dilation, Groups = op.Groups };
        transposed = transposed with { OutputPadH = x[1] - transposed.HeightOf(y[1], kernel.H), OutputPadW = x[2] - transposed.WidthOf(y[2], kernel.W) };
        yield return new(transposed, [features, filters], v =>
        {
            var sum = new double[x.ElementCount];
            ForEachTap(op, x, weight, y, (i, w, o) => sum[i] += v[1][w] * v[0][o]);
            return [sum];
        }) { CheckSecondDerivative = small };
        yield return new(transposed, [features, filters, OpCases.Uniform([x[3]], 5)], v =>
        {
            var sum = new double[x.ElementCount];
            for (var i = 0; i < sum.Length; i++)
                sum[i] = v[2][i % x[3]];
            ForEachTap(op, x, weight, y, (i, w, o) => sum[i] += v[1][w] * v[0][o]);
            return [sum];
        });
    }

    private static double[] Convolve(Conv2d op, double[] image, Shape x, double[] filters, Shape weight, double[]? bias, Shape y)
    {
        var sum = new double[y.ElementCount];
        for (var i = 0; bias is not null && i < sum.Length; i++)
            sum[i] = bias[i % y[3]];
        ForEachTap(op, x, weight, y, (i, w, o) => sum[o] += image[i] * filters[w]);
        return sum;
    }

    /// <summary>Every product of the convolution, as offsets into image, weight and result.</summary>
    private static void ForEachTap(Conv2d op, Shape x, Shape weight, Shape y, Action<int, int, int> visit)
    {
        foreach (var p in Naive.Positions(y))
        {
            var group = p[3] / (y[3] / op.Groups);
            foreach (var tap in Naive.Positions([weight[1], weight[2], weight[3]]))
            {
                var row = (p[1] * op.StrideH) - op.PadTop + (tap[1] * op.DilationH);
                var column = (p[2] * op.StrideW) - op.PadLeft + (tap[2] * op.DilationW);
                if (row < 0 || row >= x[1] || column < 0 || column >= x[2])
                    continue;
                visit(Naive.Offset(x, [p[0], row, column, (group * weight[1]) + tap[0]]), Naive.Offset(weight, [p[3], tap[0], tap[1], tap[2]]), Naive.Offset(y, p));
            }
        }
    }
}
