using Vertebra.Lab.Data;

namespace Vertebra.Tests.Lab.Data;

public class BatchLoaderTests
{
    private static readonly Augmentation CropAndFlip = Augmentation.SmallImages with { Padding = 2 };

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(3, 1)]
    [InlineData(7, 5)]
    public void Batches_do_not_depend_on_the_number_of_threads(int workers, int prefetch)
    {
        var options = LoaderOptions.ForTraining(8, seed: 7) with { Workers = 0, Prefetch = 1 };
        var expected = Read(new PatternDataset(50, 9), options, epoch: 3);
        Assert.Equal(expected, Read(new PatternDataset(50, 9), options with { Workers = workers, Prefetch = prefetch }, epoch: 3));
        Assert.Equal(6, expected.Count);
    }

    [Fact]
    public void An_epoch_taken_up_in_the_middle_gives_the_same_batches()
    {
        var options = LoaderOptions.ForTraining(8, seed: 7);
        var whole = Read(new PatternDataset(50, 9, broken: 12), options, epoch: 2);
        Assert.Equal(whole[4..], Read(new PatternDataset(50, 9, broken: 12), options, epoch: 2, firstBatch: 4));
    }

    [Fact]
    public void What_is_cached_does_not_change_a_batch()
    {
        var dataset = new PatternDataset(50, 9);
        var loader = Loader(dataset, LoaderOptions.ForTraining(10, seed: 1) with { CacheBytes = 20 * 9 * 9 * 3 });
        var first = Read(loader, epoch: 0);
        Assert.Equal(50, dataset.Loads);
        Assert.Equal(first, Read(loader, epoch: 0));
        Assert.Equal(80, dataset.Loads);
    }

    [Fact]
    public void Every_epoch_has_another_order_and_every_image_once()
    {
        var loader = Loader(new PatternDataset(64, 4), LoaderOptions.ForTraining(16, seed: 5));
        var first = loader.Epoch(0).SelectMany(b => b.Indices).ToArray();
        var second = loader.Epoch(1).SelectMany(b => b.Indices).ToArray();
        Assert.Equal(Enumerable.Range(0, 64), first.Order());
        Assert.Equal(Enumerable.Range(0, 64), second.Order());
        Assert.NotEqual(first, second);
        Assert.NotEqual(Enumerable.Range(0, 64), first);
    }

    [Fact]
    public void Evaluation_takes_every_image_in_order_and_ends_with_a_smaller_batch()
    {
        var batches = Loader(new PatternDataset(21, 4), LoaderOptions.ForEvaluation(8), augmentation: null).Epoch(0).ToArray();
        Assert.Equal(Enumerable.Range(0, 21), batches.SelectMany(b => b.Indices));
        Assert.Equal([8, 8, 5], batches.Select(b => b.Count));
        Assert.Equal([5, 4, 4, 3], batches[2].Images.Shape.ToArray());
        Assert.Equal([0L, 1, 0, 1, 0], batches[2].Labels.ToArray<long>());
        Assert.Equal(((16 * 31) & 255) / 255f, batches[2].Images[0, 0, 0, 0], 1e-6f);
    }

    [Fact]
    public void In_training_the_next_image_stands_in_for_a_broken_one_and_each_is_reported_once()
    {
        var warnings = new List<string>();
        var dataset = new PatternDataset(40, 4, broken: [3, 17, 18]);
        var loader = Loader(dataset, LoaderOptions.ForTraining(8, seed: 9) with { Warn = warnings.Add });
        for (var epoch = 0; epoch < 2; epoch++)
        {
            var batches = loader.Epoch(epoch).ToArray();
            Assert.All(batches, b => Assert.Equal(8, b.Count));
            var taken = batches.SelectMany(b => b.Indices).ToArray();
            Assert.Equal(40, taken.Length);
            Assert.DoesNotContain(taken, i => i is 3 or 17 or 18);
            Assert.Equal(37, taken.Distinct().Count());
        }
        Assert.Equal(["pattern 17: broken", "pattern 18: broken", "pattern 3: broken"], warnings.Order());
        Assert.Equal(3, loader.BrokenCount);
    }

    [Fact]
    public void In_evaluation_broken_images_are_left_out_and_counted()
    {
        var loader = Loader(new PatternDataset(12, 4, broken: [1, 4, 5, 6, 7]), LoaderOptions.ForEvaluation(4), augmentation: null);
        var batches = loader.Epoch(0).ToArray();
        Assert.Equal([0, 2, 3, 8, 9, 10, 11], batches.SelectMany(b => b.Indices));
        Assert.Equal([0, 2], batches.Select(b => b.Number));
        Assert.Equal([3, 4, 4, 3], batches[0].Images.Shape.ToArray());
        Assert.Equal((2 * 31) / 255f, batches[0].Images[1, 0, 0, 0], 1e-6f);
        Assert.Equal(5, loader.BrokenCount);
    }

    [Fact]
    public void A_set_without_one_readable_image_is_an_error()
    {
        var loader = Loader(new PatternDataset(4, 4, broken: [0, 1, 2, 3]), LoaderOptions.ForTraining(2, seed: 1));
        var error = Assert.Throws<VertebraException>(() => loader.Epoch(0).ToArray());
        Assert.StartsWith("pattern: not one image can be read; the first says: pattern ", error.Message);
    }

    [Fact]
    public void Cancelling_ends_the_enumeration()
    {
        using var source = new CancellationTokenSource();
        var taken = 0;
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (var _ in Loader(new PatternDataset(100, 4), LoaderOptions.ForTraining(10, 1)).Epoch(0, 0, source.Token))
            {
                if (++taken == 2)
                    source.Cancel();
            }
        });
        Assert.Equal(2, taken);
    }

    [Fact]
    public void Leaving_an_epoch_early_ends_the_threads_behind_it()
    {
        var dataset = new PatternDataset(10_000, 4);
        Loader(dataset, LoaderOptions.ForTraining(10, 1) with { Workers = 3, Prefetch = 900 }).Epoch(0).First();
        var loads = dataset.Loads;
        Assert.InRange(loads, 10, 9999);
        Thread.Sleep(50);
        Assert.Equal(loads, dataset.Loads);
    }

    [Fact]
    public void Bad_options_are_refused()
    {
        Assert.Contains("at least 1", Assert.Throws<VertebraException>(() => Loader(new PatternDataset(4, 4), LoaderOptions.ForTraining(0, 1))).Message);
        Assert.Contains("at most 4", Assert.Throws<VertebraException>(() => Loader(new PatternDataset(4, 4), LoaderOptions.ForTraining(5, 1))).Message);
    }

    private static BatchLoader Loader(IImageDataset dataset, LoaderOptions options, Augmentation? augmentation) =>
        new(dataset, new InputTransform(dataset.Preprocessing, augmentation), options);

    private static BatchLoader Loader(IImageDataset dataset, LoaderOptions options) => Loader(dataset, options, CropAndFlip);

    private static List<string> Read(IImageDataset dataset, LoaderOptions options, int epoch, int firstBatch = 0) =>
        Read(Loader(dataset, options), epoch, firstBatch);

    /// <summary>Each batch, all of its bits.</summary>
    private static List<string> Read(BatchLoader loader, int epoch, int firstBatch = 0) =>
        [.. loader.Epoch(epoch, firstBatch).Select(b =>
            $"{b.Number}: {string.Join(' ', b.Indices)} / {string.Join(' ', b.Labels.ToArray<long>())} / {string.Join(' ', b.Images.ToArray<float>().Select(BitConverter.SingleToInt32Bits))}")];
}
