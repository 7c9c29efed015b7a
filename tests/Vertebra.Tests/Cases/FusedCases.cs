using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Tests.Cases;

/// <summary>Convolutions and linear layers with an epilogue: bias, residual and activation in one op.</summary>
public sealed class FusedCases : IOpCases
{
    // With the numbers of a naive computation in float64.
    private static readonly (ActivationOp? Op, Func<double, double> Reference)[] s_activations =
    [
        (null, x => x),
        (new Relu(), x => Math.Max(x, 0)),
        (new Relu6(), x => Math.Min(Math.Max(x, 0), 6)),
        (new Silu(), x => x / (1 + Math.Exp(-x))),
        (new HardSwish(), x => x * Math.Min(Math.Max(x + 3, 0), 6) / 6),
        (new LeakyRelu(0.2f), x => x > 0 ? x : 0.2f * x),
    ];

    public static IEnumerable<OpCase> All()
    {
        foreach (var (activation, reference) in s_activations)
        {
            foreach (var addsResidual in (bool[])[false, true])
            {
                foreach (var c in Convolutions(new(activation, addsResidual), reference).Concat(Linears(new(activation, addsResidual), reference)))
                    yield return c;
            }
        }
        foreach (var c in Blocks())
            yield return c;
    }

    // One for each way through the kernels: pointwise, wide, narrow, grouped, depthwise with and without multiplier, deep, and Winograd's methods.
    private static IEnumerable<OpCase> Convolutions(FusedConv2d op, Func<double, double> activation) =>
    [
        Convolution(op, activation, [2, 3, 4, 5], 7, 1),
        Convolution(op, activation, [1, 5, 7, 33], 40, 1),
        Convolution(op, activation, [1, 6, 5, 3], 37, 3, padding: 1),
        Convolution(op, activation, [2, 5, 5, 8], 16, 3, padding: 1, stride: 2),
        Convolution(op, activation, [1, 6, 6, 12], 8, 3, padding: 1, groups: 2),
        Convolution(op, activation, [1, 6, 6, 40], 40, 3, padding: 1, groups: 40),
        Convolution(op, activation, [2, 4, 4, 3], 6, 3, padding: 1, groups: 3),
        Convolution(op, activation, [1, 2, 2, 2100], 18, 1),
        Convolution(op, activation, [1, 20, 20, 24], 130, 1),
        Convolution(op with { Method = ConvMethod.Winograd2 }, activation, [2, 7, 6, 18], 40, 3, padding: 1),
        Convolution(op with { Method = ConvMethod.Winograd4 }, activation, [1, 9, 11, 20], 37, 3, padding: 1),
    ];

    private static OpCase Convolution(FusedConv2d fused, Func<double, double> activation, Shape x, int outputs, int kernel, int padding = 0, int stride = 1, int groups = 1)
    {
        var op = fused with { PadTop = padding, PadLeft = padding, PadBottom = padding, PadRight = padding, StrideH = stride, StrideW = stride, Groups = groups };
        Shape weight = [outputs, x[3] / groups, kernel, kernel];
        int height = ((x[1] + (2 * padding) - kernel) / stride) + 1, width = ((x[2] + (2 * padding) - kernel) / stride) + 1;
        Shape y = [x[0], height, width, outputs];
        Tensor[] inputs = [OpCases.Uniform(x, 1), OpCases.Uniform(weight, 2), OpCases.Uniform([outputs], 3)];
        return new(op, op.AddsResidual ? [.. inputs, OpCases.Uniform(y, 4)] : inputs, v =>
            [Convolve(v[0], x, v[1], weight, v[2], op, y, op.AddsResidual ? v[3] : null, activation)]) { CheckGradient = false };
    }

    private static double[] Convolve(
        double[] input, Shape x, double[] filters, Shape weight, double[] bias, ConvolutionOp op, Shape y, double[]? residual, Func<double, double> activation)
    {
        var result = new double[y.ElementCount];
        foreach (var p in Naive.Positions(y))
        {
            var sum = bias[p[3]];
            var first = p[3] / (y[3] / op.Groups) * weight[1];
            foreach (var tap in Naive.Positions([weight[1], weight[2], weight[3]]))
            {
                int row = (p[1] * op.StrideH) - op.PadTop + (tap[1] * op.DilationH), column = (p[2] * op.StrideW) - op.PadLeft + (tap[2] * op.DilationW);
                if (row >= 0 && row < x[1] && column >= 0 && column < x[2])
                    sum += input[Naive.Offset(x, [p[0], row, column, first + tap[0]])] * filters[Naive.Offset(weight, [p[3], tap[0], tap[1], tap[2]])];
            }
            var place = Naive.Offset(y, p);
            result[place] = activation(sum + (residual?[place] ?? 0));
        }
        return result;
    }

    // With and without what may go before and come after; wide and narrow, strided, dilated, padded on one side only, few channels and many.
    private static IEnumerable<OpCase> Blocks()
    {
        foreach (var (expands, projects, addsResidual) in ((bool, bool, bool)[])[(true, true, false), (true, true, true), (true, false, false), (false, true, false), (false, true, true), (false, false, false)])
        {
            yield return Block(new(expands, projects, addsResidual, new Relu6(), new Silu(), null) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 }, [2, 9, 15, 10], 40, 3);
            yield return Block(new(expands, projects, addsResidual, null, new Relu(), new HardSwish()) { PadTop = 2, PadLeft = 2, PadBottom = 2, PadRight = 2, StrideH = 2, StrideW = 2 }, [1, 14, 17, 3], 5, 5);
            yield return Block(new(expands, projects, addsResidual, new HardSwish(), null, null) { PadRight = 1, PadBottom = 2, StrideW = 2, DilationH = 2 }, [3, 7, 20, 24], 33, 3);
        }
        // Several bands of rows, and several rows at a time.
        yield return Block(new(true, true, false, new Relu(), new Relu(), null) { PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 }, [1, 96, 12, 24], 64, 3);
    }

    private static OpCase Block(InvertedResidual block, Shape x, int channels, int kernel)
    {
        var expanded = block.Expands ? channels : x[3];
        var op = block with { Groups = expanded };
        Shape first = [expanded, x[3], 1, 1], middle = [expanded, 1, kernel, kernel], last = [19, expanded, 1, 1];
        int height = ((x[1] + op.PadTop + op.PadBottom - (op.DilationH * (kernel - 1)) - 1) / op.StrideH) + 1;
        int width = ((x[2] + op.PadLeft + op.PadRight - (op.DilationW * (kernel - 1)) - 1) / op.StrideW) + 1;
        Shape between = [x[0], x[1], x[2], expanded], depthwise = [x[0], height, width, expanded], y = [x[0], height, width, last[0]];
        List<Tensor> inputs = [OpCases.Uniform(x, 1)];
        if (op.Expands)
            inputs.AddRange([OpCases.Uniform(first, 2), OpCases.Uniform([expanded], 3)]);
        inputs.AddRange([OpCases.Uniform(middle, 4), OpCases.Uniform([expanded], 5)]);
        if (op.Projects)
            inputs.AddRange([OpCases.Uniform(last, 6), OpCases.Uniform([last[0]], 7)]);
        if (op.AddsResidual)
            inputs.Add(OpCases.Uniform(y, 8));
        return new(op, [.. inputs], v =>
        {
            var i = op.Expands ? 3 : 1;
            var values = op.Expands ? Convolve(v[0], x, v[1], first, v[2], s_pointwise, between, null, Reference(op.Inner)) : v[0];
            values = Convolve(values, between, v[i], middle, v[i + 1], op, depthwise, null, Reference(op.Middle));
            return [op.Projects ? Convolve(values, depthwise, v[i + 2], last, v[i + 3], s_pointwise, y, op.AddsResidual ? v[^1] : null, Reference(op.Activation)) : values];
        }) { CheckGradient = false };
    }

    private static readonly Conv2d s_pointwise = new();

    private static Func<double, double> Reference(ActivationOp? activation) => Array.Find(s_activations, a => a.Op == activation).Reference;

    private static IEnumerable<OpCase> Linears(FusedLinear op, Func<double, double> activation)
    {
        foreach (var (rows, features, outputs) in ((int, int, int)[])[(1, 40, 19), (3, 70, 33), (9, 17, 45), (60, 33, 100)])
        {
            foreach (var hasBias in (bool[])[false, true])
            {
                List<Tensor> inputs = [OpCases.Uniform([rows, features], 1), OpCases.Uniform([outputs, features], 2)];
                if (hasBias)
                    inputs.Add(OpCases.Uniform([outputs], 3));
                if (op.AddsResidual)
                    inputs.Add(OpCases.Uniform([rows, outputs], 4));
                yield return new(op, [.. inputs], v =>
                {
                    var result = new double[rows * outputs];
                    for (var i = 0; i < result.Length; i++)
                    {
                        var sum = hasBias ? v[2][i % outputs] : 0;
                        for (var k = 0; k < features; k++)
                            sum += v[0][(i / outputs * features) + k] * v[1][(i % outputs * features) + k];
                        result[i] = activation(sum + (op.AddsResidual ? v[^1][i] : 0));
                    }
                    return [result];
                }) { CheckGradient = false };
            }
        }
    }
}
