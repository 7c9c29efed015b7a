using Vertebra.Autograd;
using Vertebra.Ops;

namespace Vertebra.Tests.Ops;

public class DropoutTests
{
    [Theory]
    [InlineData(0.1f)]
    [InlineData(0.5f)]
    [InlineData(0.9f)]
    public void The_share_dropped_is_the_probability_and_the_mean_stays(float p)
    {
        var y = Tensor.Ones([100_000]).Dropout(p, seed: 1, stream: 2).ToArray<float>();
        // Six standard deviations of a binomial share.
        Assert.Equal(p, y.Count(v => v == 0) / 1e5, 6 * Math.Sqrt(p * (1 - p) / 1e5));
        Assert.All(y, v => Assert.True(v == 0 || MathF.Abs(v - (1 / (1 - p))) < 1e-5f));
    }

    [Fact]
    public void Another_stream_or_seed_is_another_mask_and_the_gradient_has_the_same_one()
    {
        var x = Tensor.Ones([1000]);
        x.RequiresGrad = true;
        var y = x.Dropout(0.4f, 1, 2);
        Assert.Equal(y.ToArray<float>(), y.Sum().Gradients([x])[0].ToArray<float>());
        Assert.NotEqual(y.ToArray<float>(), x.Dropout(0.4f, 1, 3).ToArray<float>());
        Assert.NotEqual(y.ToArray<float>(), x.Dropout(0.4f, 2, 2).ToArray<float>());
        Assert.Same(x, x.Dropout(0, 1, 2));
    }

    [Fact]
    public void Drop_path_drops_whole_samples()
    {
        var y = Tensor.Ones([400, 3, 5]).DropPath(0.25f, 1, 2).Reshape([400, 15]).ToArray<float>().Chunk(15).ToArray();
        Assert.All(y, sample => Assert.True(sample.All(v => v == 0) || sample.All(v => v == 1 / 0.75f)));
        Assert.InRange(y.Count(sample => sample[0] == 0), 60, 140);
    }

    [Fact]
    public void What_is_dropped_is_zero_even_if_it_was_not_finite()
    {
        var x = Tensor.Full([64, 2], float.PositiveInfinity);
        Assert.All(x.Dropout(1, 1, 2).ToArray<float>().Concat(x.DropPath(1, 1, 2).ToArray<float>()), v => Assert.Equal(0, v));
    }
}
