using Vertebra.Kernels;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Lab.Training.Mixing;

namespace Vertebra.Tests.Lab.Training.Mixing;

public class BatchMixerTests
{
    private const int Side = 12;

    /// <summary>Every pixel of image i is i; its class too.</summary>
    private static Batch Numbered(int count, int number = 0)
    {
        var pixels = Enumerable.Range(0, count).SelectMany(i => Enumerable.Repeat((float)i, Side * Side * 3)).ToArray();
        return new(number, Tensor.From(pixels, [count, Side, Side, 3]), Tensor.From(Enumerable.Range(0, count).Select(i => (long)i).ToArray(), [count]), Enumerable.Range(0, count).ToArray(), TimeSpan.Zero);
    }

    private static double[] Lambdas(Batch mixed, int count) =>
        [.. Enumerable.Range(0, count).Select(i => mixed.Targets is null ? 1.0 : mixed.Targets[i, i])];

    private static float[] Image(Batch batch, int i) => batch.Images.ToArray<float>().AsSpan(i * Side * Side * 3, Side * Side * 3).ToArray();

    [Theory]
    [InlineData(MixingMode.Batch)]
    [InlineData(MixingMode.Pair)]
    [InlineData(MixingMode.Elem)]
    public void Mixup_adds_up_images_as_the_targets_say(MixingMode mode)
    {
        var batch = Numbered(6);
        var mixed = new BatchMixer(new() { MixupAlpha = 0.8, Mode = mode }, 6, 5).Mix(batch, 3);
        var lambdas = Lambdas(mixed, 6);
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(1 - lambdas[i], mixed.Targets![i, 5 - i], 1e-6);
            Assert.All(Image(mixed, i), p => Assert.Equal((lambdas[i] * i) + ((1 - lambdas[i]) * (5 - i)), p, 1e-5));
        }
        Assert.Equal(mode switch { MixingMode.Batch => 1, MixingMode.Pair => 3, _ => 6 }, lambdas.Distinct().Count());
        if (mode == MixingMode.Pair)
            Assert.All(Enumerable.Range(0, 3), i => Assert.Equal(lambdas[i], lambdas[5 - i]));
        Assert.All(Image(batch, 4), p => Assert.Equal(4, p)); // the given batch stays
    }

    [Theory]
    [InlineData(MixingMode.Batch, false)]
    [InlineData(MixingMode.Pair, false)]
    [InlineData(MixingMode.Elem, true)]
    public void Cutmix_puts_in_a_rectangle_of_the_area_that_the_targets_say(MixingMode mode, bool hasSides)
    {
        var mixer = new BatchMixer(new() { CutmixAlpha = 1, CutmixSides = hasSides ? (0.25, 0.75) : null, Mode = mode }, 6, 5);
        var clipped = 0;
        for (var number = 0; number < 40; number++)
        {
            var mixed = mixer.Mix(Numbered(6, number), 0);
            for (var i = 0; i < 6; i++)
            {
                var others = Image(mixed, i).Index().Where(p => p.Item == 5 - i).Select(p => (Y: p.Index / 3 / Side, X: p.Index / 3 % Side)).Distinct().ToList();
                Assert.Equal(Side * Side, Image(mixed, i).Count(p => p == i || p == 5 - i) / 3);
                Assert.Equal(1 - ((double)others.Count / (Side * Side)), mixed.Targets is null ? 1 : mixed.Targets[i, i], 1e-6);
                if (others.Count == 0)
                    continue;
                var (h, w) = (others.Max(p => p.Y) - others.Min(p => p.Y) + 1, others.Max(p => p.X) - others.Min(p => p.X) + 1);
                Assert.Equal(h * w, others.Count);
                clipped += h == w ? 0 : 1;
                if (hasSides)
                    Assert.True(h is >= 3 and < 9 && w is >= 3 and < 9, $"{h} x {w}");
            }
        }
        // CutMix's own box is square unless it is cut off: its area, and with it λ, is corrected.
        Assert.True(clipped > 20);
    }

    [Fact]
    public void The_switch_draws_either_with_its_probability()
    {
        var options = new MixingOptions { MixupAlpha = 1, CutmixAlpha = 1, Probability = 0.8, SwitchProbability = 0.25, Mode = MixingMode.Elem };
        var (untouched, cut, added) = (0, 0, 0);
        for (var number = 0; number < 400; number++)
        {
            var mixed = new BatchMixer(options, 10, 1).Mix(Numbered(10, number), 0);
            for (var i = 0; i < 10; i++)
            {
                var kinds = Image(mixed, i).Distinct().ToList();
                if (kinds.TrueForAll(k => k == i))
                    untouched++;
                else if (kinds.TrueForAll(k => k == i || k == 9 - i))
                    cut++;
                else
                    added++;
            }
        }
        Assert.InRange(added / 4000.0, 0.57, 0.63); // 0.8 · 0.75
        Assert.InRange(cut / 4000.0, 0.165, 0.22); // 0.8 · 0.25, less those whose box is empty
        Assert.InRange(untouched / 4000.0, 0.18, 0.25);
    }

    [Fact]
    public void Seed_epoch_and_batch_number_decide_and_nothing_else()
    {
        static double[] Draw(ulong seed, int epoch, int number) => Lambdas(new BatchMixer(new() { MixupAlpha = 1, Mode = MixingMode.Elem }, 8, seed).Mix(Numbered(8, number), epoch), 8);
        var former = Workers.Count;
        try
        {
            var first = Draw(3, 2, 1);
            Workers.Count = 1;
            Assert.Equal(first, Draw(3, 2, 1));
            Assert.Empty(first.Intersect([.. Draw(4, 2, 1), .. Draw(3, 3, 1), .. Draw(3, 2, 2)]));
        }
        finally
        {
            Workers.Count = former;
        }
    }

    [Fact]
    public void Nothing_is_mixed_from_the_off_epoch_on()
    {
        var mixer = new BatchMixer(new() { MixupAlpha = 1, OffEpoch = 2 }, 4, 1);
        var batch = Numbered(4);
        Assert.NotSame(batch, mixer.Mix(batch, 1));
        Assert.Same(batch, mixer.Mix(batch, 2));
    }

    /// <summary>Beta's distribution functions have closed forms for these α; 20000 draws keep to them within the 0.1 % bound of Kolmogorov and Smirnov.</summary>
    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(2)]
    public void Coefficients_are_distributed_as_Beta(double alpha)
    {
        const int Count = 20_000;
        var draws = Draws(alpha, Count);
        Array.Sort(draws);
        Func<double, double> below = alpha switch { 0.5 => x => 2 / Math.PI * Math.Asin(Math.Sqrt(x)), 1 => x => x, _ => x => x * x * (3 - (2 * x)) };
        var worst = draws.Index().Max(d => Math.Max(Math.Abs(below(d.Item) - (d.Index / (double)Count)), Math.Abs(below(d.Item) - ((d.Index + 1) / (double)Count))));
        Assert.True(worst < 1.95 / Math.Sqrt(Count), $"{worst}");
    }

    [Theory]
    [InlineData(0.001)]
    [InlineData(0.1)]
    [InlineData(0.8)]
    [InlineData(50)]
    public void Coefficients_have_Betas_moments(double alpha)
    {
        var draws = Draws(alpha, 40_000);
        Assert.All(draws, d => Assert.InRange(d, 0, 1));
        Assert.Equal(0.5, draws.Average(), 0.01);
        var variance = 1 / (4 * ((2 * alpha) + 1));
        Assert.Equal(1, draws.Average(d => (d - 0.5) * (d - 0.5)) / variance, 0.03);
    }

    private static double[] Draws(double alpha, int count)
    {
        var random = new SampleRandom(new Philox(9, 1), 0);
        var draws = new double[count];
        for (var i = 0; i < count; i++)
            draws[i] = BetaDistribution.Draw(ref random, alpha);
        return draws;
    }

    /// <summary>Mixing under every kind of loss that takes targets: interrupted runs end with the bits of whole ones.</summary>
    [Theory]
    [InlineData("ce")]
    [InlineData("bce")]
    public void A_run_that_mixes_goes_on_to_the_same_bits(string loss)
    {
        var options = SmallRun.Options;
        (options.Loss, options.Mixup, options.Cutmix, options.MixupMode, options.BceTargetThresh) = (loss, 0.8, 1, "pair", loss == "bce" ? 0.2 : null);
        Assert.Equal(SmallRun.FingerprintOf(options), SmallRun.FingerprintOf(options, 3, 9));
    }
}
