using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training.Averaging;

public class ModelEmaTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_average_follows_timms_rule(bool warmup)
    {
        var net = new TinyNet();
        net.Initialise(1);
        var ema = new ModelEma(net, 0.9, warmup);
        var weight = net.NamedParameters().First().Tensor;
        var truth = Array.ConvertAll(weight.ToArray<float>(), v => (double)v);
        for (var update = 1; update <= 40; update++)
        {
            weight.CopyFrom<float>(weight.ToArray<float>().Select((w, i) => (0.8f * w) + (0.1f * i) + update).ToArray());
            ema.Update(update);
            var decay = update == 1 ? 0 : !warmup ? 0.9 : Math.Min(0.9, 1 - Math.Pow(update, -2.0 / 3));
            var live = weight.ToArray<float>();
            for (var i = 0; i < truth.Length; i++)
                truth[i] = (decay * truth[i]) + ((1 - decay) * live[i]);
        }
        var average = ema.State().First().Tensor.ToArray<float>();
        for (var i = 0; i < truth.Length; i++)
            Assert.Equal(truth[i], average[i], 1e-4);
    }

    [Fact]
    public void Borrowing_exchanges_and_gives_back_the_same_bits()
    {
        var net = new TinyNet();
        net.Initialise(1);
        var ema = new ModelEma(net, 0.5, warmup: false);
        var weight = net.NamedParameters().First().Tensor;
        var old = weight.ToArray<float>();
        weight.CopyFrom<float>(Array.ConvertAll(old, v => v + 1));
        var changed = weight.ToArray<float>();
        var version = weight.Version;
        using (ema.Borrow())
        {
            Assert.Equal(old, weight.ToArray<float>());
            Assert.True(weight.Version > version, "weights packed for a kernel would be stale");
        }
        Assert.Equal(changed, weight.ToArray<float>());
        Assert.Equal(old, ema.State().First().Tensor.ToArray<float>());
    }
}
