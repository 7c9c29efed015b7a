using Vertebra.Autograd;
using Vertebra.Nn;
using static Vertebra.Ops.TensorOps;
using Padding2d = Vertebra.Ops.Padding2d;

namespace Vertebra.Tests.Nn;

public class LayerTests
{
    [Fact]
    public void Batch_norm_normalises_by_the_batch_and_moves_the_running_statistics()
    {
        var random = new Philox(1, 1);
        var values = Enumerable.Range(0, 2 * 3 * 5 * 4).Select(i => (random.Normal((ulong)i) * (1 + (i % 4))) + (i % 4)).ToArray();
        var layer = new BatchNorm2d(4, momentum: 0.2f);
        layer.Train();
        var y = layer.Forward(Tensor.From(values, [2, 3, 5, 4])).ToArray<float>();
        for (var c = 0; c < 4; c++)
        {
            var channel = values.Where((_, i) => i % 4 == c).Select(v => (double)v).ToArray();
            var mean = channel.Average();
            var squares = channel.Sum(v => (v - mean) * (v - mean));
            for (var i = 0; i < channel.Length; i++)
                Assert.Equal((channel[i] - mean) / Math.Sqrt((squares / channel.Length) + 1e-5), y[(i * 4) + c], 1e-4);
            // PyTorch moves by the unbiased variance though it normalises by the biased one.
            Assert.Equal(0.2 * mean, layer.RunningMean[c], 1e-5);
            Assert.Equal(0.8 + (0.2 * squares / (channel.Length - 1)), layer.RunningVar[c], 1e-4);
        }
        Assert.Equal(1, layer.State().Single(s => s.Name == "num_batches_tracked").Tensor.ToArray<long>()[0]);
    }

    [Fact]
    public void A_norm_with_an_activation_of_its_own_applies_it_before_a_residual_watched_or_not()
    {
        var layer = new BatchNorm2d(3, activation: ActivationKind.Relu);
        var (x, residual) = (Ramp([2, 4, 4, 3]) - 20, Ramp([2, 4, 4, 3]) * -1);
        var plain = layer.Forward(x, null, residual).ToArray<float>();
        Assert.Equal((layer.Forward(x) + residual).ToArray<float>(), plain);
        using var watch = new ModuleWatch(layer);
        Assert.Equal(plain, layer.Forward(x, null, residual).ToArray<float>());
    }

    [Fact]
    public void Batch_norm_leaves_its_statistics_alone_in_evaluation()
    {
        var layer = new BatchNorm2d(3);
        var before = layer.State().Select(s => s.Tensor.Spec.DType == DType.Float32 ? s.Tensor.ToArray<float>() : []).ToArray();
        layer.Forward(Ramp([2, 4, 4, 3]));
        Assert.Equal(before, layer.State().Select(s => s.Tensor.Spec.DType == DType.Float32 ? s.Tensor.ToArray<float>() : []).ToArray());
    }

    [Theory]
    [InlineData(ActivationKind.Relu, true)]
    [InlineData(ActivationKind.Relu, false)]
    [InlineData(ActivationKind.Silu, false)] // a kind that is not fused
    public void Norm_residual_and_activation_in_one_pass_equal_the_steps(ActivationKind kind, bool training)
    {
        foreach (NormLayer layer in new NormLayer[] { new BatchNorm2d(6), new GroupNorm(3, 6), new LayerNorm(6) })
        {
            layer.Train(training);
            var (x, residual) = (Ramp([2, 3, 3, 6]), Ramp([2, 3, 3, 6]) * -0.7f);
            var steps = (layer.Forward(x) + residual).Activate(kind).ToArray<float>();
            Close(steps, layer.Forward(x, new ActivationLayer(kind), residual).ToArray<float>(), 1e-6);
            Close(layer.Forward(x).Activate(kind).ToArray<float>(), layer.Forward(x, new ActivationLayer(kind)).ToArray<float>(), 1e-6);
        }
    }

    [Fact]
    public void A_normaliser_with_its_own_activation_shows_it_as_a_child_and_has_no_more_state()
    {
        var layer = new BatchNorm2d(3, activation: ActivationKind.Relu);
        Assert.Equal("act", Assert.Single(layer.Children).Name);
        Assert.Equal(["weight", "bias", "running_mean", "running_var", "num_batches_tracked"], layer.State().Select(s => s.Name));
        Assert.Equal(0, layer.Forward(Ramp([1, 4, 4, 3])).ToArray<float>().Min());
    }

    // The numbers of TensorFlow's documentation of "SAME": outputs ceil(input / stride), the odd pixel at the end.
    [Theory]
    [InlineData(13, 6, 5, 1, 1, 2)]
    [InlineData(224, 3, 2, 1, 0, 1)]
    [InlineData(225, 3, 2, 1, 1, 1)]
    [InlineData(7, 2, 1, 1, 0, 1)]
    [InlineData(7, 3, 1, 2, 2, 2)]
    [InlineData(8, 1, 2, 1, 0, 0)]
    public void Same_padding_gives_as_many_outputs_as_strides(int size, int kernel, int stride, int dilation, int before, int after)
    {
        var padding = WindowPadding.Same.For([1, size, size, 1], kernel, stride, dilation);
        Assert.Equal(new Padding2d(before, before, after, after), padding);
        var outputs = ((size + before + after - ((kernel - 1) * dilation) - 1) / stride) + 1;
        Assert.Equal((size + stride - 1) / stride, outputs);
    }

    [Fact]
    public void Sequential_names_and_applies_its_modules_in_order()
    {
        var layer = new Sequential(new Linear(3, 4), new ActivationLayer(ActivationKind.Relu), new Linear(4, 2));
        Assert.Equal(["0.weight", "0.bias", "2.weight", "2.bias"], layer.State().Select(s => s.Name));
        var x = Ramp([5, 3]);
        Assert.Equal(layer[2].Forward(layer[0].Forward(x).Relu()).ToArray<float>(), layer.Forward(x).ToArray<float>());
        Assert.Equal(["conv", "pool"], new Sequential([("conv", new Identity()), ("pool", new Identity())]).Children.Select(c => c.Name));
    }

    [Theory]
    [InlineData(0.1f)]
    [InlineData(0.5f)]
    public void Dropout_drops_its_share_and_keeps_the_mean(float probability)
    {
        var layer = new Dropout(probability);
        layer.Train();
        using var _ = TrainingRandom.Begin(7, 3);
        var y = layer.Forward(Tensor.Ones([200, 500])).ToArray<float>();
        Assert.All(y, v => Assert.True(v == 0 || MathF.Abs(v - (1 / (1 - probability))) < 1e-6f));
        var dropped = y.Count(v => v == 0) / (double)y.Length;
        Assert.Equal(probability, dropped, 5 * Math.Sqrt(probability * (1 - probability) / y.Length));
    }

    [Fact]
    public void Drop_path_drops_whole_images()
    {
        const float Probability = 0.3f;
        var layer = new DropPath(Probability);
        layer.Train();
        using var _ = TrainingRandom.Begin(7, 3);
        var y = layer.Forward(Tensor.Ones([4000, 2, 2, 3])).ToArray<float>();
        var images = y.Chunk(12).ToArray();
        Assert.All(images, image => Assert.Single(image.Distinct()));
        Assert.Equal(1 / (1 - Probability), y.Max(), 1e-6f);
        Assert.Equal(Probability, images.Count(i => i[0] == 0) / 4000.0, 5 * Math.Sqrt(0.3 * 0.7 / 4000));
    }

    [Fact]
    public void Nothing_is_dropped_in_evaluation()
    {
        var x = Ramp([4, 2, 2, 3]);
        Assert.Same(x, new Dropout(0.9f).Forward(x));
        Assert.Same(x, new DropPath(0.9f).Forward(x));
    }

    [Fact]
    public void Activations_are_found_by_name()
    {
        Assert.Equal(ActivationKind.Silu, Activations.Parse("swish"));
        Assert.Contains("gelu_tanh", Assert.Throws<VertebraException>(() => Activations.Parse("geluu")).Message);
        using var off = GradMode.Off();
        foreach (var kind in Enum.GetValues<ActivationKind>())
            Assert.Equal([2, 3], new ActivationLayer(kind).Forward(Ramp([2, 3])).Shape);
    }

    [Fact]
    public void Default_initialisation_is_that_of_PyTorch()
    {
        var conv = new Conv2d(8, 16, 3, groups: 2);
        conv.Initialise(1);
        var bound = 1 / MathF.Sqrt(4 * 9);
        foreach (var tensor in new[] { conv.Weight, conv.Bias! })
        {
            var values = tensor.ToArray<float>();
            Assert.All(values, v => Assert.InRange(v, -bound, bound));
            Assert.True(values.Max(MathF.Abs) > 0.8f * bound);
        }
    }

    private static Tensor Ramp(Shape shape) => Tensor.From(Enumerable.Range(0, (int)shape.ElementCount).Select(i => MathF.Sin(i * 0.7f)).ToArray(), shape);

    private static void Close(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], tolerance);
    }
}
