using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

/// <summary>Pooling beyond what the op sweep shows: NaN, infinities, which of equal values wins, messages.</summary>
public class PoolingTests
{
    [Fact]
    public void Max_pooling_passes_NaN_on_and_takes_the_first_of_equal_values()
    {
        foreach (var channels in (int[])[1, 16, 33])
        {
            var values = new float[4 * 4 * channels];
            Array.Fill(values, 2);
            values[channels] = float.NaN;
            for (var i = 2 * 4 * channels; i < values.Length; i++)
                values[i] = float.NegativeInfinity;
            var outputs = new MaxPool2d(true) { Kernel = 2, Stride = 2 }.ApplyAll(Tensor.From(values, [1, 4, 4, channels]));
            var (y, indices) = (outputs[0].ToArray<float>(), outputs[1].ToArray<int>());
            Assert.Equal(float.NaN, y[0]);
            Assert.Equal(2, y[channels]);
            Assert.Equal(float.NegativeInfinity, y[2 * channels]);
            Assert.Equal([2, 8, 10], new[] { indices[channels], indices[2 * channels], indices[3 * channels] });
        }
    }

    [Fact]
    public void Gradient_is_the_same_with_saved_and_with_recomputed_indices()
    {
        var x = Cases.OpCases.Uniform([2, 9, 9, 17], 1);
        x.RequiresGrad = true;
        var pool = new MaxPool2d { Kernel = 3, Stride = 2, Padding = 1 };
        var weights = Cases.OpCases.Uniform(pool.Infer([x.Spec])[0].Shape, 2);
        var recomputed = Autograd.Backpropagation.Gradients((pool.Apply(x) * weights).Sum(), [x])[0].ToArray<float>();
        var saved = Autograd.Backpropagation.Gradients((x.MaxPool2d(3, 2, 1) * weights).Sum(), [x])[0].ToArray<float>();
        Assert.Equal(recomputed, saved);
        Assert.Equal(weights.ToArray<float>().Sum(w => (double)w), saved.Sum(v => (double)v), 1e-3);
    }

    [Fact]
    public void Shape_errors_name_the_operation_the_shapes_and_the_rule()
    {
        var x = Tensor.Meta([1, 4, 5, 8]);
        Assert.Equal("MaxPool2d: input must be [N, H, W, C] (rank 4), got shape [4, 5, 8]", Message(() => Tensor.Meta([4, 5, 8]).MaxPool2d(2)));
        Assert.Equal("MaxPool2d: a 5x5 kernel does not fit images of 4x5 with padding top 0, left 0, bottom 0, right 0, input shape [1, 4, 5, 8]",
            Message(() => x.MaxPool2d(5)));
        Assert.Equal("AvgPool2d: padding 2 and 2 of the rows must be smaller than the kernel (2), or windows would hold nothing but padding", Message(() => x.AvgPool2d(2, 2, 2)));
        Assert.Equal("MaxPool2d: stride must be 1 or more, got 0x1", Message(() => x.MaxPool2d(2, (0, 1))));
        Assert.Equal("AdaptiveAvgPool2d: output size must be 1x1 or more, got 0x2", Message(() => x.AdaptiveAvgPool2d((0, 2))));
        Assert.Equal("AdaptiveMaxPool2d: images must not be empty, got shape [1, 0, 5, 8]", Message(() => Tensor.Meta([1, 0, 5, 8]).AdaptiveMaxPool2d(1)));
    }

    private static string Message(Action action) => Assert.Throws<ShapeException>(action).Message;
}
