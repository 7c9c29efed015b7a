using Vertebra.Autograd;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

public class AttentionTests
{
    [Theory]
    [InlineData(1, 1, 3, 4, 5, 2)]
    [InlineData(2, 3, 49, 49, 32, 32)]
    [InlineData(1, 2, 230, 197, 16, 24)]
    public void The_fused_op_equals_its_composite(int batch, int heads, int tokens, int keys, int width, int valueWidth)
    {
        Tensor[] inputs =
        [
            OpCases.Uniform([batch, heads, tokens, width], 1), OpCases.Uniform([batch, heads, keys, width], 2),
            OpCases.Uniform([batch, heads, keys, valueWidth], 3), OpCases.Uniform([1, heads, tokens, keys], 4),
        ];
        foreach (var input in inputs)
            input.RequiresGrad = true;
        var weights = OpCases.Uniform([batch, heads, tokens, valueWidth], 5);
        var (q, k, v, mask) = (inputs[0], inputs[1], inputs[2], inputs[3]);
        var fused = q.Attention(k, v, mask: mask);
        var composite = ((q.MatMul(k, transposeB: true) * (1 / MathF.Sqrt(width))) + mask).Softmax(-1).MatMul(v);
        AssertClose(composite, fused);
        var expected = (composite * weights).Sum().Gradients(inputs);
        var actual = (fused * weights).Sum().Gradients(inputs);
        for (var i = 0; i < inputs.Length; i++)
            AssertClose(expected[i], actual[i]);
    }

    [Theory]
    [InlineData(1, 1, 5, 4, 1)]
    [InlineData(6, 3, 49, 8, 3)]
    [InlineData(2, 2, 230, 16, 1)]
    public void The_joint_op_has_the_bits_of_its_composite(int batch, int heads, int tokens, int width, int masks)
    {
        Tensor[] inputs = [OpCases.Uniform([batch, tokens, 3 * heads * width], 1), OpCases.Uniform([masks, heads, tokens, tokens], 2)];
        foreach (var input in inputs)
            input.RequiresGrad = true;
        var weights = OpCases.Uniform([batch, tokens, heads * width], 3);
        var parts = inputs[0].Reshape([batch, tokens, 3, heads, width]).Permute([2, 0, 3, 1, 4]).Chunk(3, 0);
        var whole = inputs[1].Reshape([1, masks, heads, tokens, tokens]).Expand([batch / masks, masks, heads, tokens, tokens]).Reshape([batch, heads, tokens, tokens]);
        var composite = parts[0].Squeeze(0).Attention(parts[1].Squeeze(0), parts[2].Squeeze(0), mask: whole).Permute([0, 2, 1, 3]).Reshape([batch, tokens, heads * width]);
        var joint = inputs[0].JointAttention(heads, mask: inputs[1]);
        Assert.Equal(composite.ToArray<float>(), joint.ToArray<float>());
        var expected = (composite * weights).Sum().Gradients(inputs);
        var actual = (joint * weights).Sum().Gradients(inputs);
        Assert.Equal(expected[0].ToArray<float>(), actual[0].ToArray<float>());
        AssertClose(expected[1], actual[1]);
    }

    [Fact]
    public void Joint_operands_that_do_not_fit_are_refused()
    {
        static string Refused(Action action) => Assert.Throws<ShapeException>(action).Message;
        Assert.Contains("multiple of 3 · 2 heads", Refused(() => Ones(1, 3, 8).JointAttention(2)));
        Assert.Contains("3 batches", Refused(() => Ones(4, 3, 12).JointAttention(2, mask: Ones(3, 2, 3, 3))));
        Assert.Contains("must broadcast", Refused(() => Ones(4, 3, 12).JointAttention(2, mask: Ones(2, 2, 3, 4))));
    }

    private static void AssertClose(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var (x, y) = (expected.ToArray<float>(), actual.ToArray<float>());
        var allowed = 3e-6 * x.Max(MathF.Abs);
        for (var i = 0; i < x.Length; i++)
            Assert.True(Math.Abs(x[i] - y[i]) <= allowed, $"element {i}: {y[i]} for {x[i]}, {allowed:g3} allowed");
    }

    [Fact]
    public void No_score_matrix_is_kept()
    {
        Tensor Random(int stream) => OpCases.Uniform([1, 2, 3000, 8], stream);
        var (q, k, v) = (Random(1), Random(2), Random(3));
        q.RequiresGrad = true;
        var before = BufferPool.LiveBytes + BufferPool.CachedBytes;
        var result = q.Attention(k, v).Sum().Gradients([q])[0];
        // The scores would take 72 MB; what is taken are q-sized results, 0.2 MB each.
        Assert.True(BufferPool.LiveBytes + BufferPool.CachedBytes - before < 20 << 20);
        Assert.Equal(q.Shape, result.Shape);
    }

    [Fact]
    public void Second_derivatives_are_refused()
    {
        var q = OpCases.Uniform([1, 1, 2, 2], 1);
        q.RequiresGrad = true;
        var gradient = q.Attention(q, q).Sum().Gradients([q], createGraph: true)[0];
        Assert.Contains("AttentionGradient has no gradient", Assert.Throws<VertebraException>(() => gradient.Sum().Backward()).Message);
    }

    [Fact]
    public void Multiply_accumulates_are_counted()
    {
        var op = new Attention(1);
        TensorSpec[] inputs = [new([2, 3, 5, 7], DType.Float32), new([2, 3, 11, 7], DType.Float32), new([2, 3, 11, 13], DType.Float32)];
        Assert.Equal(2 * 3 * 5 * 11 * (7 + 13), op.Macs(inputs, op.Infer(inputs)));
    }

    private static Tensor Ones(params int[] sizes) => Tensor.Ones(sizes);

    public static TheoryData<string, Func<object>> Mistakes() => new()
    {
        { "Attention: input must be [batch, heads, tokens, width] (rank 4), got shape [2, 3]", () => Ones(2, 3).Attention(Ones(2, 3), Ones(2, 3)) },
        { "Attention: q [1, 2, 3, 4], k [1, 1, 3, 4] and v [1, 2, 3, 4] must agree in batch and heads (axes 0 and 1)", () => Ones(1, 2, 3, 4).Attention(Ones(1, 1, 3, 4), Ones(1, 2, 3, 4)) },
        { "Attention: q [1, 2, 3, 4] and k [1, 2, 3, 5] must agree in width (axis 3), at least 1", () => Ones(1, 2, 3, 4).Attention(Ones(1, 2, 3, 5), Ones(1, 2, 3, 4)) },
        { "Attention: k [1, 2, 3, 4] and v [1, 2, 5, 4] must have the same number of keys (axis 2)", () => Ones(1, 2, 3, 4).Attention(Ones(1, 2, 3, 4), Ones(1, 2, 5, 4)) },
        { "Attention: mask of shape [3, 1] must broadcast to the scores [1, 2, 3, 5] and end in an axis of 5 keys", () => Ones(1, 2, 3, 4).Attention(Ones(1, 2, 5, 4), Ones(1, 2, 5, 4), mask: Ones(3, 1)) },
        { "Attention: mask of shape [2, 5] must broadcast to the scores [1, 2, 3, 5] and end in an axis of 5 keys", () => Ones(1, 2, 3, 4).Attention(Ones(1, 2, 5, 4), Ones(1, 2, 5, 4), mask: Ones(2, 5)) },
        { "Attention: mask must be Float32 (added) or Bool (true: the key counts), got Int64", () => Ones(1, 2, 3, 4).Attention(Ones(1, 2, 5, 4), Ones(1, 2, 5, 4), mask: Tensor.Zeros([5], DType.Int64)) },
    };

    [Theory]
    [MemberData(nameof(Mistakes), DisableDiscoveryEnumeration = true)]
    public void Mistakes_are_named(string message, Func<object> mistake) =>
        Assert.Equal(message, Assert.ThrowsAny<VertebraException>(mistake).Message);
}
