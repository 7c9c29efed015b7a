using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public class RangeTestTests
{
    /// <summary>fastai's conventions by hand: rates, the smoothed loss, the two suggestions without the first tenth and the last five updates, the end at four times the least.</summary>
    [Fact]
    public void Suggestions_follow_the_curve()
    {
        var settings = new RangeTestSettings(1e-4, 1, 40);
        var test = new RangeTest(settings);
        var (mean, smoothed, rates) = (0.0, new List<double>(), new List<double>());
        for (var i = 0; !test.IsComplete; i++)
        {
            var rate = 1e-4 * Math.Pow(1e4, i / 40.0);
            // Falls from 2 along a logistic curve that is steepest at 1e-2, and explodes above 0.3.
            var loss = 2 - (1.5 / (1 + Math.Pow(0.01 / rate, 3))) + (rate > 0.3 ? Math.Pow(10, rate * 8) : 0);
            test.Add(loss);
            mean = (0.98 * mean) + (0.02 * loss);
            smoothed.Add(mean / (1 - Math.Pow(0.98, i + 1)));
            rates.Add(rate);
        }
        Assert.True(test.HasDiverged);
        Assert.Equal(smoothed.Count, test.Points.Count);
        Assert.All(smoothed.Zip(test.Points), p => Assert.Equal(p.First, p.Second.Smoothed, 1e-9));
        Assert.All(rates.Zip(test.Points), p => Assert.Equal(p.First, p.Second.Rate, 1e-12));
        Assert.True(smoothed[^1] > 4 * smoothed.Min());
        Assert.True(smoothed[^2] <= 4 * smoothed[..^1].Min());
        var (best, slope, least, lowest) = (0, 0.0, 0, double.PositiveInfinity);
        for (var i = 4; i < smoothed.Count - 5; i++)
        {
            if (smoothed[i] < lowest)
                (least, lowest) = (i, smoothed[i]);
            if (i + 1 < smoothed.Count - 5 && smoothed[i + 1] - smoothed[i] < slope)
                (best, slope) = (i, smoothed[i + 1] - smoothed[i]);
        }
        Assert.Equal(rates[best], test.Steepest!.Value, 1e-12);
        Assert.Equal(rates[least] / 10, test.MinimumOverTen!.Value, 1e-12);
    }

    [Fact]
    public void A_network_diverges_at_large_rates_and_the_test_writes_nothing()
    {
        using var place = new TemporaryFolder();
        var folder = RunFolder.Create(place.Path, "run");
        var options = SmallRun.Options;
        (options.ClipGrad, options.Opt) = (null, "sgd");
        var test = new Trainer(SmallRun.Setup(folder, options)).TestRates(new(1e-5, 1e6, 40));
        Assert.True(test.HasDiverged);
        Assert.InRange(test.Points.Count, 10, 40);
        Assert.InRange(test.Steepest!.Value, 1e-5, 1e3);
        Assert.Empty(Directory.GetFiles(folder.Path));
        Assert.Equal(test.Points.Count + 1, test.ToCsv().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("<svg", test.ToHtml("tiny"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_calm_test_ends_at_the_last_rate()
    {
        var test = new RangeTest(new(1e-6, 1e-3, 10));
        while (!test.IsComplete)
            test.Add(1);
        Assert.False(test.HasDiverged);
        Assert.Equal((11, 1e-3), (test.Points.Count, Math.Round(test.Points[^1].Rate, 12)));
        Assert.Throws<VertebraException>(new RangeTestSettings(1, 0.1).Validate);
        Assert.Throws<VertebraException>(new RangeTestSettings(Updates: 3).Validate);
    }
}
