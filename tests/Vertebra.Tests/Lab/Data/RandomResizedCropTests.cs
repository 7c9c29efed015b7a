using Vertebra.Lab.Data;

namespace Vertebra.Tests.Lab.Data;

public class RandomResizedCropTests
{
    private const int Draws = 4000;

    // Kolmogorov and Smirnov's statistic times the root of the number of draws stays below this with probability 1 - 2e-6.
    private const double KolmogorovLimit = 2.6;

    [Fact]
    public void Of_a_large_square_the_area_is_uniform_when_every_attempt_fits()
    {
        // Largest side: sqrt(0.7 * 4/3) < 1, so the first attempt always fits.
        var shares = Boxes(20000, 20000, (0.1, 0.7)).Select(b => (double)b.Width * b.Height / 4e8);
        AssertUniform(shares, 0.1, 0.7);
    }

    [Fact]
    public void Proportions_are_log_uniform_and_places_uniform()
    {
        var boxes = Boxes(20000, 20000, (0.1, 0.7)).ToArray();
        AssertUniform(boxes.Select(b => Math.Log((double)b.Width / b.Height)), Math.Log(3.0 / 4), Math.Log(4.0 / 3));
        AssertUniform(boxes.Select(b => (b.Left + 0.5) / (20000 - b.Width + 1)), 0, 1);
        AssertUniform(boxes.Select(b => (b.Top + 0.5) / (20000 - b.Height + 1)), 0, 1);
    }

    [Theory]
    [InlineData(500, 375)]
    [InlineData(32, 32)]
    [InlineData(3, 2)]
    [InlineData(1, 1)]
    [InlineData(1, 500)]
    [InlineData(4000, 7)]
    public void Every_box_lies_inside_the_image(int width, int height)
    {
        foreach (var box in Boxes(width, height, (0.08, 1)))
        {
            Assert.InRange(box.Width, 1, width);
            Assert.InRange(box.Height, 1, height);
            Assert.InRange(box.Left, 0, width - box.Width);
            Assert.InRange(box.Top, 0, height - box.Height);
        }
    }

    /// <summary>Where nothing fits: the middle, as wide (or high) as the proportions allow.</summary>
    [Theory]
    [InlineData(1000, 10, 493, 0, 13, 10)]
    [InlineData(10, 1000, 0, 493, 10, 13)]
    public void A_strip_falls_back_to_its_middle(int width, int height, int left, int top, int boxWidth, int boxHeight) =>
        Assert.All(Boxes(width, height, (0.5, 1)), box => Assert.Equal(new CropBox(left, top, boxWidth, boxHeight), box));

    /// <summary>
    /// Large parts of a 4:3 photo often do not fit and become rare. How rare is found by integrating the rule on a grid:
    /// area uniform, proportions log-uniform, drawn again where a side does not fit.
    /// </summary>
    [Fact]
    public void What_does_not_fit_is_drawn_again()
    {
        double kept = 0, large = 0;
        for (var s = 0; s < 1000; s++)
        {
            for (var r = 0; r < 1000; r++)
            {
                var area = (0.08 + (0.92 * (s + 0.5) / 1000)) * 500 * 375;
                var aspect = Math.Exp(Math.Log(4.0 / 3) * ((2 * (r + 0.5) / 1000) - 1));
                if (Math.Sqrt(area * aspect) > 500.5 || Math.Sqrt(area / aspect) > 375.5)
                    continue;
                kept++;
                large += area > 0.7 * 500 * 375 ? 1 : 0;
            }
        }
        var expected = large / kept;
        Assert.InRange(expected, 0.1, 0.3 / 0.92 * 0.75);
        var actual = Boxes(500, 375, (0.08, 1)).Average(b => (double)b.Width * b.Height > 0.7 * 500 * 375 ? 1 : 0);
        Assert.Equal(expected, actual, 5 * Math.Sqrt(expected / Draws));
    }

    private static IEnumerable<CropBox> Boxes(int width, int height, (double, double) scale)
    {
        for (var i = 0; i < Draws; i++)
        {
            var random = new SampleRandom(11, 0, i);
            yield return RandomResizedCrop.Choose(width, height, scale, (3.0 / 4, 4.0 / 3), ref random);
        }
    }

    private static void AssertUniform(IEnumerable<double> values, double low, double high)
    {
        var sorted = values.Order().ToArray();
        var distance = 0.0;
        for (var i = 0; i < sorted.Length; i++)
        {
            var expected = (sorted[i] - low) / (high - low);
            distance = Math.Max(distance, Math.Max(Math.Abs(expected - ((double)i / sorted.Length)), Math.Abs(expected - ((i + 1.0) / sorted.Length))));
        }
        Assert.InRange(distance * Math.Sqrt(sorted.Length), 0.1, KolmogorovLimit);
    }
}
