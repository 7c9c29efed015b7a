using Vertebra.Ops;

namespace Vertebra.Onnx;

/// <summary>Operators of ONNX Runtime (domain com.microsoft) that files carry which its optimiser has gone over.</summary>
internal static class ContribRows
{
    private const string Domain = "com.microsoft";

    public static void AddTo(OperatorTable table)
    {
        table.Add("FusedConv", FusedConv, Domain);
        table.Add("FusedGemm", c => Activated(c, c.Other("Gemm", [.. c.Inputs])[0]), Domain);
        table.Add("FusedMatMul", FusedMatMul, Domain);
        table.Add("BiasGelu", c => Alignment.Unary(Alignment.Binary(c[0], c[1], (x, bias) => x + bias), x => x.Gelu()), Domain);
        table.Add("FastGelu", c => Alignment.Unary(c.Has(1) ? Alignment.Binary(c[0], c[1], (x, bias) => x + bias) : c[0], x => x.Gelu(approximate: true)), Domain);
        table.Add("QuickGelu", c => Alignment.Unary(c[0], x => x * (x * c.Float("alpha", 1.702f)).Sigmoid()), Domain);
        table.AddMany("SkipLayerNormalization", SkipLayerNorm, Domain);
        table.Add("SimplifiedLayerNormalization", c => RootMeanSquare(c, c.Plain(0), c.Plain(1)));
        table.Add("RMSNormalization", c => RootMeanSquare(c, c.Plain(0), c.Plain(1)));
        table.AddMany("SkipSimplifiedLayerNormalization", SkipRootMeanSquare, Domain);
        table.Add("Attention", SelfAttention, Domain);
        table.Add("MatMulIntegerToFloat", MatMulToFloat, Domain);
        table.Add("DynamicQuantizeMatMul", DynamicMatMul, Domain);
    }

    // ---------------------------------------------------------------- fused activations

    private static OnnxValue Activated(OnnxCall c, OnnxValue x)
    {
        var given = c.FloatList("activation_params") ?? [];
        float Parameter(int i, float otherwise) => i < given.Length ? given[i] : c.Float(i == 0 ? "activation_alpha" : "activation_beta", otherwise);
        return Alignment.Unary(x, t => c.Text("activation", "") switch
        {
            "" => t,
            "Relu" => t.Relu(),
            "Sigmoid" => t.Sigmoid(),
            "Tanh" => t.Tanh(),
            "LeakyRelu" => t.LeakyRelu(Parameter(0, 0.01f)),
            "Clip" => t.Clamp(Parameter(0, float.NegativeInfinity), Parameter(1, float.PositiveInfinity)),
            "HardSigmoid" => ((t * Parameter(0, 0.2f)) + Parameter(1, 0.5f)).Clamp(0, 1),
            var other => throw c.Bad($"the activation '{other}' is not supported"),
        });
    }

    private static OnnxValue FusedConv(OnnxCall c)
    {
        var y = c.Other("Conv", c[0], c[1], c.Has(2) ? c[2] : null)[0];
        return Activated(c, c.Has(3) ? Alignment.Binary(y, c[3], (a, b) => a + b) : y);
    }

    private static OnnxValue FusedMatMul(OnnxCall c)
    {
        if (c.Flag("transBatchA") || c.Flag("transBatchB"))
            throw c.Bad("transBatchA and transBatchB are not supported");
        return c.Plain(0).MatMul(c.Plain(1), c.Flag("transA"), c.Flag("transB")) * c.Float("alpha", 1);
    }

    // ---------------------------------------------------------------- norms

    // Operands: x, skip, gamma, beta, bias. Results: normalised, two that only training reads, the sum.
    private static OnnxValue[] SkipLayerNorm(OnnxCall c)
    {
        var sum = Summed(c, 4);
        var normalised = sum.LayerNorm(c.Plain(2), c.PlainOrNull(3) ?? Tensor.Zeros(c[2].Shape), c.Float("epsilon", 1e-12f));
        return [normalised, OnnxValue.Nothing, OnnxValue.Nothing, sum];
    }

    private static OnnxValue[] SkipRootMeanSquare(OnnxCall c)
    {
        var sum = Summed(c, 3);
        return [RootMeanSquare(c, sum, c.Plain(2)), OnnxValue.Nothing, OnnxValue.Nothing, sum];
    }

    private static Tensor Summed(OnnxCall c, int bias)
    {
        var sum = c.Plain(0) + c.Plain(1);
        return c.PlainOrNull(bias) is { } b ? sum + b : sum;
    }

    private static Tensor RootMeanSquare(OnnxCall c, Tensor x, Tensor weight)
    {
        var first = x.Shape.NormalizeAxis(c.Axis("axis", -1), c.Node.OpType);
        var mean = x.Square().Mean(Enumerable.Range(first, x.Rank - first).ToArray(), keepAxes: true);
        return x * (mean + c.Float("epsilon", 1e-5f)).Rsqrt() * weight;
    }

    // ---------------------------------------------------------------- attention and integer products

    // x [batch, tokens, width], weight [width, 3 · hidden], bias [3 · hidden].
    private static OnnxValue SelfAttention(OnnxCall c)
    {
        var (x, weight) = (c.Plain(0), c.Plain(1));
        if (Enumerable.Range(3, Math.Max(0, c.Inputs.Count - 3)).Any(c.Has) || c.Flag("unidirectional") || c.HasAttribute("qkv_hidden_sizes"))
            throw c.Bad("masks, past states and unequal widths are not supported");
        var heads = c.ToInt(c.Int("num_heads"), "num_heads");
        if (x.Rank != 3 || weight.Rank != 2 || heads < 1 || weight.Shape[1] % (3 * heads) != 0)
            throw c.Bad($"{heads} heads do not fit {c[0]} and {c[1]}");
        var (batch, tokens, width) = (x.Shape[0], x.Shape[1], weight.Shape[1] / (3 * heads));
        var all = x.MatMul(weight);
        if (c.PlainOrNull(2) is { } bias)
            all = all + bias;
        var parts = all.Reshape([batch, tokens, 3, heads, width]).Permute([2, 0, 3, 1, 4]).Split([1, 1, 1], 0);
        var scale = c.Float("scale", 0);
        var mixed = parts[0].Squeeze(0).Attention(parts[1].Squeeze(0), parts[2].Squeeze(0), scale == 0 ? null : scale);
        return mixed.Permute([0, 2, 1, 3]).Reshape([batch, tokens, heads * width]);
    }

    // A, B, their scales, their zero points, bias.
    private static OnnxValue MatMulToFloat(OnnxCall c) =>
        WithBias(c, Centred(c, 0, 4).MatMul(Centred(c, 1, 5)) * (c.Plain(2).Reshape([]) * c.Plain(3)), 6);

    // A float, B, its scale, its zero point, bias.
    private static OnnxValue DynamicMatMul(OnnxCall c)
    {
        var a = c.Other("DynamicQuantizeLinear", c[0]);
        var real = (a[0].AsPlain().To(DType.Float32) - a[2].AsPlain().To(DType.Float32)) * a[1].AsPlain();
        return WithBias(c, real.MatMul(Centred(c, 1, 3)) * c.Plain(2), 4);
    }

    private static Tensor Centred(OnnxCall c, int operand, int zeroPoint)
    {
        var real = c.Plain(operand).To(DType.Float32);
        return c.PlainOrNull(zeroPoint) is { } zero ? real - zero.To(DType.Float32) : real;
    }

    private static Tensor WithBias(OnnxCall c, Tensor x, int bias) => c.PlainOrNull(bias) is { } b ? x + b : x;
}
