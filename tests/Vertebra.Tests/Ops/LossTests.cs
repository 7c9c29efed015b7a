using Vertebra.Autograd;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>The fused losses equal what plain ops make of their definitions, forward and backward.</summary>
public class LossTests
{
    private static Tensor Logits(int samples, int classes)
    {
        var x = OpCases.Uniform([samples, classes], 1, -5, 5);
        x.RequiresGrad = true;
        return x;
    }

    [Theory]
    [InlineData(7, 10, 0)]
    [InlineData(5, 33, 0.1f)]
    public void Cross_entropy_equals_its_composite(int samples, int classes, float smoothing)
    {
        var x = Logits(samples, classes);
        var targets = OpCases.Indices([samples], classes, 2);
        var oneHot = new float[samples * classes];
        for (var s = 0; s < samples; s++)
            oneHot[(s * classes) + targets.ToArray<long>()[s]] = 1;
        var distribution = (Tensor.From(oneHot, x.Shape) * (1 - smoothing)) + (smoothing / classes);
        AssertEqual(x, x.CrossEntropy(targets, smoothing), -(x.LogSoftmax() * distribution).Sum() / samples);
        AssertEqual(x, x.SoftCrossEntropy(distribution), -(x.LogSoftmax() * distribution).Sum() / samples);
    }

    [Fact]
    public void Binary_cross_entropy_equals_its_composite()
    {
        var x = Logits(4, 9);
        var t = OpCases.Uniform(x.Shape, 2, 0, 1);
        var p = x.Sigmoid();
        AssertEqual(x, x.BinaryCrossEntropyWithLogits(t), -((t * p.Log()) + ((1 - t) * (1 - p).Log())).Mean());
    }

    [Fact]
    public void With_class_weights_the_gradient_of_ops_equals_the_one_in_one_pass()
    {
        var x = Logits(6, 5);
        var loss = x.CrossEntropy(OpCases.Indices([6], 5, 2), 0.2f, OpCases.Uniform([5], 3, 0.5f, 2), ignoreIndex: 1);
        AssertEqual(x, loss, loss);
    }

    [Fact]
    public void Losses_of_huge_logits_are_finite()
    {
        var x = Tensor.From([1000f, -1000, 0, -1000, 1000, 0], [2, 3]);
        x.RequiresGrad = true;
        var loss = x.CrossEntropy(Tensor.From(0L, 0), reduction: LossReduction.None);
        Assert.Equal([0, 2000], loss.ToArray<float>());
        Assert.Equal([0, 0, 0, -1, 1, 0], loss.Sum().Gradients([x])[0].ToArray<float>());
    }

    private static void AssertEqual(Tensor x, Tensor fused, Tensor composite)
    {
        Assert.Equal(composite.ToScalar(), fused.ToScalar(), 1e-5f);
        var expected = composite.Gradients([x], retainGraph: true)[0].ToArray<float>();
        var ofOps = fused.Gradients([x], createGraph: true)[0].ToArray<float>();
        var inOnePass = fused.Gradients([x])[0].ToArray<float>();
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(MathF.Abs(expected[i] - inOnePass[i]) <= 2e-6f, $"gradient {i} in one pass: {inOnePass[i]} for {expected[i]}");
            Assert.True(MathF.Abs(expected[i] - ofOps[i]) <= 2e-6f, $"gradient {i} of ops: {ofOps[i]} for {expected[i]}");
        }
    }
}
