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
        {
            var result = new double[y.ElementCount];
            foreach (var p in Naive.Positions(y))
            {
                var sum = v[2][p[3]];
                var first = p[3] / (outputs / groups) * weight[1];
                foreach (var tap in Naive.Positions([weight[1], kernel, kernel]))
                {
                    int row = (p[1] * stride) - padding + tap[1], column = (p[2] * stride) - padding + tap[2];
                    if (row >= 0 && row < x[1] && column >= 0 && column < x[2])
                        sum += v[0][Naive.Offset(x, [p[0], row, column, first + tap[0]])] * v[1][Naive.Offset(weight, [p[3], tap[0], tap[1], tap[2]])];
                }
                var place = Naive.Offset(y, p);
                result[place] = activation(sum + (op.AddsResidual ? v[3][place] : 0));
            }
            return [result];
        }) { CheckGradient = false };
    }

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
