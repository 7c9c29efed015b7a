using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;
using Activation = Vertebra.Kernels.Activation;

namespace Vertebra.Graphs;

/// <summary>Rules for inference that merge arithmetic by constants into the weights of the convolution or matrix product before it.</summary>
public static class FoldingRules
{
    /// <summary>Convolution, then inference batch norm: with s = weight / √(variance + ε) the filters are scaled by s, and the bias becomes (bias - mean) · s + shift.</summary>
    public static RewriteRule ConvolutionBatchNorm { get; } = RewriteRule.Define("batch norm into convolution", () =>
    {
        var (x, weight, bias, residual) = (Any(), Constant(), Constant().Optional(), Any().Optional());
        var conv = Op<Conv2d>(x, weight, bias);
        var norm = Op<BatchNorm>(conv, Constant(), Constant(), Constant(), Constant(), residual);
        return (norm, (m, write) =>
        {
            var folded = Scaled(m, write.At(m[conv]), m.Op(conv), m[x], m[weight], m.Find(bias), ChannelScaling.Of(m[norm]));
            return Finish(m.Op(norm), folded, m.Find(residual), write.At(m[norm]));
        });
    });

    /// <summary>Matrix product with constant weights, then inference batch norm.</summary>
    public static RewriteRule LinearBatchNorm { get; } = RewriteRule.Define("batch norm into linear", () =>
    {
        var (x, weight, bias, residual) = (Any(), Constant(), Constant().Optional(), Any().Optional());
        var linear = Op<Linear>(x, weight, bias);
        var norm = Op<BatchNorm>(linear, Constant(), Constant(), Constant(), Constant(), residual);
        return (norm, (m, write) =>
        {
            var folded = Scaled(m, write.At(m[linear]), m.Op(linear), m[x], m[weight], m.Find(bias), ChannelScaling.Of(m[norm]));
            return Finish(m.Op(norm), folded, m.Find(residual), write.At(m[norm]));
        });
    });

    /// <summary>Convolution, then multiplication by a constant per channel (layer scale).</summary>
    public static RewriteRule ConvolutionScale { get; } = RewriteRule.Define("scale into convolution", () =>
    {
        var (x, weight, bias, scale) = (Any(), Constant(), Constant().Optional(), Constant());
        var conv = Op<Conv2d>(x, weight, bias);
        return (Op<Multiply>(conv, scale), (m, write) => ChannelScaling.Scale(m[scale], m[conv].Outputs[0]) is not { } affine ? null
            : Scaled(m, write.At(m[conv]), m.Op(conv), m[x], m[weight], m.Find(bias), affine));
    });

    /// <summary>Matrix product with constant weights, then multiplication by a constant per channel (layer scale).</summary>
    public static RewriteRule LinearScale { get; } = RewriteRule.Define("scale into linear", () =>
    {
        var (x, weight, bias, scale) = (Any(), Constant(), Constant().Optional(), Constant());
        var linear = Op<Linear>(x, weight, bias);
        return (Op<Multiply>(linear, scale), (m, write) => ChannelScaling.Scale(m[scale], m[linear].Outputs[0]) is not { } affine ? null
            : Scaled(m, write.At(m[linear]), m.Op(linear), m[x], m[weight], m.Find(bias), affine));
    });

    /// <summary>Convolution, then addition of a constant per channel.</summary>
    public static RewriteRule ConvolutionShift { get; } = RewriteRule.Define("shift into convolution", () =>
    {
        var (x, weight, bias, shift) = (Any(), Constant(), Constant().Optional(), Constant());
        var conv = Op<Conv2d>(x, weight, bias);
        return (Op<Add>(conv, shift), (m, write) => ChannelScaling.Shift(m[shift], m[conv].Outputs[0]) is not { } affine ? null
            : Scaled(m, write.At(m[conv]), m.Op(conv), m[x], m[weight], m.Find(bias), affine));
    });

    /// <summary>Matrix product with constant weights, then addition of a constant per channel.</summary>
    public static RewriteRule LinearShift { get; } = RewriteRule.Define("shift into linear", () =>
    {
        var (x, weight, bias, shift) = (Any(), Constant(), Constant().Optional(), Constant());
        var linear = Op<Linear>(x, weight, bias);
        return (Op<Add>(linear, shift), (m, write) => ChannelScaling.Shift(m[shift], m[linear].Outputs[0]) is not { } affine ? null
            : Scaled(m, write.At(m[linear]), m.Op(linear), m[x], m[weight], m.Find(bias), affine));
    });

    /// <summary>Zeros around an image, then convolution: the convolution's own padding grows.</summary>
    public static RewriteRule PadConvolution { get; } = RewriteRule.Define("zero padding into convolution", () =>
    {
        var (x, weight, bias) = (Any(), Any(), Any().Optional());
        var pad = Op<Pad>(x).Where(p => p is { Mode: PadMode.Constant, Value: 0, Before.Count: 4 } && p.Before.Concat(p.After).All(c => c >= 0)
            && p.Before[0] == 0 && p.Before[3] == 0 && p.After[0] == 0 && p.After[3] == 0);
        var conv = Op<Conv2d>(pad, weight, bias);
        return (conv, (m, write) =>
        {
            var (op, margin) = (m.Op(conv), m.Op(pad));
            var padding = op.Padding with
            {
                Top = op.Padding.Top + margin.Before[1], Left = op.Padding.Left + margin.Before[2],
                Bottom = op.Padding.Bottom + margin.After[1], Right = op.Padding.Right + margin.After[2],
            };
            return write.Apply(op with { Padding = padding }, [m[x], .. m[conv].Inputs.Skip(1)]);
        });
    });

    /// <summary>Matrix product with a constant matrix: a linear layer, whose weights are stored transposed.</summary>
    public static RewriteRule MatMulToLinear { get; } = RewriteRule.Define("matrix product with a constant is linear", () =>
    {
        var (x, weight) = (Any(), Any(v => v is { Data: { IsMeta: false, DType: DType.Float32 }, Shape.Rank: 2 }));
        var product = Op<MatMul>(x, weight).Where(op => !op.TransposeA);
        return (product, (m, write) =>
        {
            var constant = m.Op(product).TransposeB ? m[weight] : write.Constant($"{m[weight].Name}.transposed", m[weight].Data!.Transpose(0, 1));
            return m[x].IsConstant ? null : write.Apply(new Linear(), m[x], constant);
        });
    });

    /// <summary>All rules of this class, in an order in which none undoes another.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } =
        [PadConvolution, MatMulToLinear, ConvolutionBatchNorm, LinearBatchNorm, ConvolutionScale, LinearScale, ConvolutionShift, LinearShift];

    // What the norm did besides becomes ops of its own.
    private static Value Finish(BatchNorm norm, Value value, Value? residual, Writer write)
    {
        if (residual is not null)
            value = write.Apply(new Add(), value, residual);
        return norm.Activation switch
        {
            Activation.None => value,
            Activation.Relu => write.Apply(new Relu(), value),
            Activation.Relu6 => write.Apply(new Relu6(), value),
            _ => throw new NotSupportedException($"batch norm with activation {norm.Activation}"),
        };
    }

    // Weights [O, ...] of a convolution or matrix product whose result goes through scale and shift per channel.
    private static Value Scaled(Match match, Writer write, Op op, Value x, Value weight, Value? bias, ChannelScaling affine)
    {
        var values = weight.Data!.ToArray<float>();
        var channels = weight.Shape[0];
        var before = bias?.Data!.ToArray<float>() ?? new float[channels];
        var perChannel = channels == 0 ? 0 : values.Length / channels;
        var shifts = new float[channels];
        for (var c = 0; c < channels; c++)
        {
            shifts[c] = (float)((before[c] * affine.Scales[c]) + affine.Shifts[c]);
            for (var i = c * perChannel; affine.Scales[c] != 1 && i < (c + 1) * perChannel; i++)
                values[i] = (float)(values[i] * affine.Scales[c]);
        }
        // A weight that something else reads too stays as it is, beside the new one.
        var isAlone = match.Graph.ConsumersOf(weight).Count == 1;
        var scaled = isAlone ? write.Replacing(weight, Tensor.From(values, weight.Shape)) : write.Constant(weight.Name, Tensor.From(values, weight.Shape));
        var biasName = weight.Name.EndsWith(".weight", StringComparison.Ordinal) ? weight.Name[..^"weight".Length] + "bias" : weight.Name + ".bias";
        var shift = Tensor.From(shifts, [channels]);
        return write.Apply(op, x, scaled, bias is not null && isAlone ? write.Replacing(bias, shift) : write.Constant(biasName, shift));
    }
}

/// <summary>y = scale · x + shift, per channel, in float64.</summary>
internal sealed record ChannelScaling(double[] Scales, double[] Shifts)
{
    /// <summary>What an inference batch norm does to each channel.</summary>
    public static ChannelScaling Of(Node norm)
    {
        var epsilon = (double)((BatchNorm)norm.Op).Epsilon;
        float[] Vector(int input) => norm.Inputs[input].Data!.ToArray<float>();
        var (gamma, beta, mean, variance) = (Vector(1), Vector(2), Vector(3), Vector(4));
        var scales = gamma.Select((g, c) => g / Math.Sqrt(variance[c] + epsilon)).ToArray();
        return new(scales, beta.Select((b, c) => b - (mean[c] * scales[c])).ToArray());
    }

    /// <summary>Multiplication by a constant that has one number or one per channel of <paramref name="value"/>; null when it is none such.</summary>
    public static ChannelScaling? Scale(Value constant, Value value) =>
        PerChannel(constant, value) is { } scales ? new(scales, new double[scales.Length]) : null;

    /// <summary>Addition of a constant that has one number or one per channel of <paramref name="value"/>; null when it is none such.</summary>
    public static ChannelScaling? Shift(Value constant, Value value) =>
        PerChannel(constant, value) is { } shifts ? new(Enumerable.Repeat(1.0, shifts.Length).ToArray(), shifts) : null;

    private static double[]? PerChannel(Value constant, Value value)
    {
        var (shape, channels) = (constant.Shape, value.Shape[-1]);
        var fits = constant.Spec.DType == DType.Float32 && shape.Rank <= value.Shape.Rank && (shape.ElementCount == 1 || (shape.ElementCount == channels && shape[-1] == channels));
        if (!fits)
            return null;
        var numbers = constant.Data!.ToArray<float>();
        return Enumerable.Range(0, channels).Select(c => (double)numbers[numbers.Length == 1 ? 0 : c]).ToArray();
    }
}
