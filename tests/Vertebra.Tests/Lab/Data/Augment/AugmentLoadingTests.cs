using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Tests.Lab.Data.Augment;

/// <summary>Augmentation on its way through transform and loader.</summary>
public class AugmentLoadingTests
{
    /// <summary>All there is.</summary>
    internal static Augmentation Everything { get; } = new()
    {
        VerticalFlipProbability = 0.3,
        RandomInterpolation = true,
        Policy = "augmix-m5-w2",
        ColorJitter = new(0.4, 0.4, 0.4, 0.1) { Probability = 0.8 },
        GrayscaleProbability = 0.2,
        BlurProbability = 0.3,
        Erasing = new(0.5) { Mode = ErasingMode.Pixel, Count = 3 },
        Views = 3,
    };

    public static TheoryData<TrainingCrop> Crops => [.. Enum.GetValues<TrainingCrop>()];

    [Theory]
    [MemberData(nameof(Crops))]
    public void Batches_depend_neither_on_threads_nor_on_where_an_epoch_is_taken_up(TrainingCrop crop)
    {
        var options = LoaderOptions.ForTraining(6, seed: 7) with { Workers = 0, Prefetch = 1, Repeats = 2 };
        var expected = Read(options, 0);
        Assert.Equal(expected, Read(options with { Workers = 3, Prefetch = 4, CacheBytes = 1000 }, 0));
        Assert.Equal(expected[3..], Read(options, 3));

        List<string> Read(LoaderOptions options, int firstBatch)
        {
            var dataset = new PatternDataset(40, 12, broken: 3);
            var loader = new BatchLoader(dataset, new(dataset.Preprocessing, Everything with { Crop = crop }), options);
            return [.. loader.Epoch(1, firstBatch).Select(b => $"{b.Number}: {string.Join(' ', b.Indices)}: {string.Join(' ', b.Images.ToArray<float>())}")];
        }
    }

    [Fact]
    public void Views_lie_one_set_behind_the_other_and_the_first_is_clean()
    {
        var dataset = new PatternDataset(24, 10);
        var options = LoaderOptions.ForTraining(8, seed: 2);
        var views = Everything with { Erasing = null };
        var loader = new BatchLoader(dataset, new(dataset.Preprocessing, views), options);
        var clean = new BatchLoader(dataset, new(dataset.Preprocessing, new() { VerticalFlipProbability = 0.3, RandomInterpolation = true }), options);
        foreach (var (batch, plain) in loader.Epoch(0).Zip(clean.Epoch(0)))
        {
            Assert.Equal((8, 3, 1), (batch.Count, batch.Splits, plain.Splits));
            Assert.Equal([24, 10, 10, 3], batch.Images.Shape.ToArray());
            Assert.Equal(plain.Labels.ToArray<long>().Concat(plain.Labels.ToArray<long>()).Concat(plain.Labels.ToArray<long>()), batch.Labels.ToArray<long>());
            var parts = batch.Images.ToArray<float>().Chunk(8 * 300).ToArray();
            Assert.Equal(plain.Images.ToArray<float>(), parts[0]);
            Assert.NotEqual(parts[0], parts[1]);
            Assert.NotEqual(parts[1], parts[2]);
        }
    }

    [Fact]
    public void Erasing_spares_the_clean_view_when_asked_to()
    {
        foreach (var spares in new[] { false, true })
        {
            var transform = new InputTransform(Preprocessing.Whole(16, [0, 0, 0], [1, 1, 1]), new() { Crop = TrainingCrop.None, Views = 2, Erasing = new(1) { SparesClean = spares } });
            var target = new float[2 * transform.InputLength];
            transform.Finish(new(16, 16, [.. Enumerable.Repeat((byte)255, 768)]), new SampleRandom(1, 0, 0), target);
            Assert.Equal(spares, target[..768].All(v => v > 0.9));
            Assert.Contains(0, target[768..]);
        }
    }

    [Fact]
    public void Repeated_augmentation_takes_each_image_several_times_in_a_row()
    {
        var loader = Loader(600, LoaderOptions.ForTraining(64, seed: 1) with { Repeats = 3 });
        // 600 cut to a multiple of 256.
        Assert.Equal(8, loader.BatchesPerEpoch);
        var taken = loader.Epoch(0).SelectMany(b => b.Indices).ToArray();
        Assert.Equal(512, taken.Length);
        var runs = taken.Chunk(3).ToArray();
        Assert.All(runs, run => Assert.Single(run.Distinct()));
        Assert.Equal(171, runs.Select(run => run[0]).Distinct().Count());
        Assert.NotEqual(taken, loader.Epoch(1).SelectMany(b => b.Indices));
        Assert.Equal(20, Loader(20, LoaderOptions.ForTraining(5, seed: 1) with { Repeats = 3 }).Epoch(0).Sum(b => b.Count));
        Assert.Throws<VertebraException>(() => Loader(20, LoaderOptions.ForTraining(5, seed: 1) with { Repeats = 0 }));

        static BatchLoader Loader(int count, LoaderOptions options)
        {
            var dataset = new PatternDataset(count, 3);
            return new(dataset, new(dataset.Preprocessing, Augmentation.SmallImages), options);
        }
    }

    [Fact]
    public void Each_part_comes_as_often_as_asked_for()
    {
        AssertRate(0.3, new() { VerticalFlipProbability = 0.3 }, (before, after) => before.AsSpan(0, 36).SequenceEqual(after.AsSpan(^36..)));
        AssertRate(0.2, new() { GrayscaleProbability = 0.2 }, (_, after) => after.Chunk(3).All(p => p[0] == p[1] && p[1] == p[2]));
        AssertRate(0.4, new() { BlurProbability = 0.4 }, (before, after) => !before.SequenceEqual(after));
        AssertRate(0.6, new() { ColorJitter = new(0.9, 0.9, 0.9) { Probability = 0.6 } }, (before, after) => !before.SequenceEqual(after));
        AssertRate(0.25, new() { Erasing = new(0.25) }, (before, after) => !before.SequenceEqual(after));

        static void AssertRate(double probability, Augmentation augmentation, Func<float[], float[], bool> happened)
        {
            const int Draws = 3000;
            augmentation = augmentation with { Crop = TrainingCrop.None, FlipProbability = 0 };
            var form = Preprocessing.Whole(12, [-0.5, -0.5, -0.5], [1, 1, 1]);
            var image = new RgbImage(12, 12, [.. Enumerable.Range(0, 432).Select(i => (byte)(i * 37))]);
            var before = Make(new(form), 0);
            var transform = new InputTransform(form, augmentation);
            var count = Enumerable.Range(0, Draws).Count(position => happened(before, Make(transform, position)));
            // Blurs of a tenth of a pixel change nothing.
            Assert.InRange(count, (probability * Draws) - (8 * Math.Sqrt(Draws * probability * (1 - probability))), (probability * Draws) + (5 * Math.Sqrt(Draws * probability * (1 - probability))));

            float[] Make(InputTransform transform, int position)
            {
                var target = new float[432];
                transform.Finish(image, new SampleRandom(3, 0, position), target);
                return target;
            }
        }
    }

    [Fact]
    public void Colour_jitter_takes_every_order_and_the_stated_ranges()
    {
        var transform = new InputTransform(Preprocessing.Whole(2, [0, 0, 0], [1, 1, 1]), new() { Crop = TrainingCrop.None, ColorJitter = new(0.4, 1.5, 0.2, 0.1) });
        var orders = new HashSet<string>();
        var factors = new Dictionary<string, List<double>>();
        for (var position = 0; position < 3000; position++)
        {
            var log = new List<string>();
            transform.Finish(new(2, 2), new SampleRandom(1, 0, position), new float[12], log);
            orders.Add(string.Join(' ', log.Select(l => l.Split(' ')[0])));
            foreach (var line in log)
                (factors.TryGetValue(line.Split(' ')[0], out var list) ? list : factors[line.Split(' ')[0]] = []).Add(double.Parse(line.Split(' ')[1]));
        }
        Assert.Equal(24, orders.Count);
        Assert.Equal((0.6, 1.4), (factors["Brightness"].Min(), factors["Brightness"].Max()));
        Assert.Equal((0, 2.5), (factors["Contrast"].Min(), factors["Contrast"].Max()));
        Assert.Equal((0.8, 1.2), (factors["Color"].Min(), factors["Color"].Max()));
        Assert.Equal((-0.1, 0.1), (factors["Hue"].Min(), factors["Hue"].Max()));
    }

    [Fact]
    public void Colour_jitter_is_left_out_beside_policies_other_than_3a()
    {
        foreach (var (policy, expected) in new[] { (null, true), ("3a", true), ("rand-m9-t3a", true), ("rand-m9-p0", false), ("augmix-w1", false) })
        {
            var transform = new InputTransform(Preprocessing.Whole(4, [0, 0, 0], [1, 1, 1]), new() { Crop = TrainingCrop.None, Policy = policy, ColorJitter = new(0, 0, 0, 0.5) });
            var log = new List<string>();
            transform.Finish(new(4, 4), new SampleRandom(1, 0, 0), new float[48], log);
            Assert.Equal(expected, log.Exists(line => line.StartsWith("Hue", StringComparison.Ordinal)));
        }
    }

    [Theory]
    [InlineData(ErasingMode.Const)]
    [InlineData(ErasingMode.Rand)]
    [InlineData(ErasingMode.Pixel)]
    public void Erased_rectangles_have_the_papers_areas_and_proportions(ErasingMode mode)
    {
        const int Side = 60, Draws = 400;
        var erasing = new RandomErasing(1) { Mode = mode };
        var shares = new List<double>();
        var aspects = new List<double>();
        var noise = new List<float>();
        for (var position = 0; position < Draws; position++)
        {
            var input = Enumerable.Repeat(100f, Side * Side * 3).ToArray();
            var random = new SampleRandom(1, 0, position);
            erasing.Apply(input, Side, Side, ref random);
            var erased = Enumerable.Range(0, Side * Side).Where(p => input[3 * p] != 100).ToArray();
            var rows = erased.Select(p => p / Side).Distinct().Count();
            var columns = erased.Select(p => p % Side).Distinct().Count();
            Assert.Equal(rows * columns, erased.Length);
            shares.Add(erased.Length / (double)(Side * Side));
            aspects.Add((double)rows / columns);
            noise.AddRange(erased.SelectMany(p => input[(3 * p)..((3 * p) + 3)]));
            if (mode != ErasingMode.Pixel)
                Assert.Equal(3, erased.SelectMany(p => input[(3 * p)..((3 * p) + 3)].Select((v, c) => (v, c))).Distinct().Count());
        }
        Assert.InRange(shares.Min(), 0.018, 0.03);
        Assert.InRange(shares.Max(), 0.31, 0.35);
        Assert.InRange(aspects.Min(), 0.25, 0.4);
        Assert.InRange(aspects.Max(), 2.5, 3.7);
        Assert.Equal(0, aspects.Average(Math.Log), 0.15);
        if (mode == ErasingMode.Const)
            Assert.All(noise, v => Assert.Equal(0, v));
        else
        {
            Assert.Equal(0, noise.Average(), 0.2);
            Assert.Equal(1, noise.Average(v => v * v), 0.3);
        }
    }

    [Fact]
    public void Several_rectangles_share_the_area()
    {
        var most = Enumerable.Range(0, 300).Max(position =>
        {
            var input = Enumerable.Repeat(1f, 60 * 60).ToArray();
            var random = new SampleRandom(1, 0, position);
            new RandomErasing(1) { Count = 4 }.Apply(input, 60, 60, ref random);
            return input.Count(v => v == 0) / 3600.0;
        });
        Assert.InRange(most, 0.25, 0.35);
    }

    [Fact]
    public void Bad_values_are_named()
    {
        AssertRefused(new() { Views = 0 }, "0 views");
        AssertRefused(new() { VerticalFlipProbability = -0.1 }, "vertical flip probability -0.1");
        AssertRefused(new() { GrayscaleProbability = 2 }, "grey 2");
        AssertRefused(new() { ColorJitter = new(0, 0, 0, 0.6) }, "the hue at most 0.5");
        AssertRefused(new() { ColorJitter = new(0, 0, 0) { Probability = double.NaN } }, "colour jitter's probability");
        AssertRefused(new() { Erasing = new(1.5) }, "erasing probability 1.5");
        AssertRefused(new() { Erasing = new(1) { Count = 0 } }, "0 rectangles");
        Assert.Contains("1, 3 or 4 numbers", Assert.Throws<VertebraException>(() => ColorJitter.Of([1, 2])).Message);

        static void AssertRefused(Augmentation augmentation, string expected) =>
            Assert.Contains(expected, Assert.Throws<VertebraException>(() => augmentation.Validate()).Message, StringComparison.Ordinal);
    }
}
