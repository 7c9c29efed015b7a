using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Ops;

/// <summary>Normalisation beyond what the op sweep shows: numerical safety and messages.</summary>
public class NormalizationTests
{
    [Theory]
    [InlineData(16)]
    [InlineData(5)]
    [InlineData(200)]
    public void Batch_statistics_keep_their_digits_far_from_zero(int channels)
    {
        const int Rows = 5000;
        var random = new Philox(3, 1);
        var values = new float[Rows * channels];
        for (var i = 0; i < values.Length; i++)
            values[i] = 1000 + random.Normal((ulong)i);
        // A block of zeros at the beginning: no single shift of the data is right for all of it.
        Array.Clear(values, 0, 64 * channels);
        var (_, mean, variance) = Tensor.From(values, [Rows, channels]).BatchNormTraining(Tensor.Ones([channels]), Tensor.Zeros([channels]));
        for (var c = 0; c < channels; c++)
        {
            var column = Enumerable.Range(0, Rows).Select(row => (double)values[(row * channels) + c]).ToArray();
            var expected = column.Average();
            Assert.Equal(expected, mean[c], 2e-7 * 1000);
            var expectedVariance = column.Average(v => (v - expected) * (v - expected));
            Assert.Equal(1, variance[c] / expectedVariance, 1e-5);
        }
    }

    [Fact]
    public void Normalising_data_far_from_zero_gives_mean_0_and_deviation_1()
    {
        var random = new Philox(4, 1);
        var values = new float[20000];
        for (var i = 0; i < values.Length; i++)
            values[i] = 1000 + random.Normal((ulong)i);
        var (y, _, variance) = Tensor.From(values, [5000, 4]).BatchNormTraining(Tensor.Ones([4]), Tensor.Zeros([4]));
        var result = y.ToArray<float>();
        for (var c = 0; c < 4; c++)
        {
            var column = values.Where((_, i) => i % 4 == c).Select(v => (double)v).ToArray();
            var mean = column.Average();
            var expectedVariance = column.Average(v => (v - mean) * (v - mean));
            Assert.Equal(1, variance[c] / expectedVariance, 2e-6);
            for (var row = 0; row < 5000; row++)
                Assert.Equal((column[row] - mean) / Math.Sqrt(expectedVariance + 1e-5), result[(row * 4) + c], 5e-5);
        }
    }

    [Fact]
    public void Shape_errors_name_the_operation_the_shapes_and_the_rule()
    {
        var x = Tensor.Meta([2, 4, 4, 8]);
        var (c8, c4) = (Tensor.Meta([8]), Tensor.Meta([4]));
        Assert.Equal("BatchNorm: variance must have shape [8], got [4]", Message(() => x.BatchNorm(c8, c8, c8, c4)));
        Assert.Equal("BatchNorm: residual must have shape [2, 4, 4, 8], got [2, 4, 4, 4]", Message(() => x.BatchNorm(c8, c8, c8, c8, residual: Tensor.Meta([2, 4, 4, 4]))));
        Assert.Equal("BatchNorm: input must be channels-last with rank 2 or more, got shape [8]", Message(() => c8.BatchNorm(c8, c8, c8, c8)));
        Assert.Equal("BatchNormTraining: needs more than one value per channel for a variance, got shape [1, 1, 1, 8]; use a larger batch, or inference mode",
            Message(() => Tensor.Meta([1, 1, 1, 8]).BatchNormTraining(c8, c8)));
        Assert.Equal("GroupNorm: input [2, 4, 4, 8] has 8 channels, which 3 groups do not divide", Message(() => x.GroupNorm(3, c8, c8)));
        Assert.Equal("GroupNorm: weight must have shape [8], got [4]", Message(() => x.GroupNorm(2, c4, c8)));
        Assert.Equal("LayerNorm: bias must have shape [4, 8], got [8]", Message(() => x.LayerNorm(Tensor.Meta([4, 8]), c8, axes: 2)));
        Assert.Equal("LayerNorm: input [8] has no 2 last axes to normalise", Message(() => c8.LayerNorm(axes: 2)));
        Assert.Equal("Interpolate: images must not be empty, got shape [1, 0, 4, 8]", Message(() => Tensor.Meta([1, 0, 4, 8]).Interpolate(2)));
        Assert.Equal("Interpolate: alignCorners and antialias go with bilinear and bicubic, not with nearest", Message(() => x.Interpolate(2, antialias: true)));
    }

    private static string Message(Action action) => Assert.Throws<ShapeException>(action).Message;
}
