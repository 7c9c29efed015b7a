using Vertebra.Lab.Data;

namespace Vertebra.Tests.Lab.Data;

public class ClassSamplingTests
{
    // 100 images of class 0, 25 of class 1, 4 of class 3; none of class 2.
    private static readonly int[] Labels = [.. Enumerable.Repeat(0, 100), .. Enumerable.Repeat(1, 25), .. Enumerable.Repeat(3, 4)];

    private static readonly IReadOnlyList<int>[] Each = [.. Labels.Select(l => (IReadOnlyList<int>)[l])];

    [Theory]
    [InlineData(ClassSampling.Balanced, 1, 1, 1)]
    [InlineData(ClassSampling.SquareRoot, 10, 5, 2)]
    public void Every_epoch_gives_classes_their_shares_to_the_rounding(ClassSampling sampling, double a, double b, double c)
    {
        double[] total = [0, 0, 0];
        for (var epoch = 0; epoch < 30; epoch++)
        {
            var order = ClassOrder.Draw(Each, sampling, 7, epoch);
            Assert.Equal(Labels.Length, order.Length);
            var counts = new[] { 0, 1, 3 }.Select(label => order.Count(i => Labels[i] == label)).ToArray();
            foreach (var (count, share, i) in counts.Zip([a, b, c], [0, 1, 2]))
            {
                Assert.InRange(count, Math.Floor(129 * share / (a + b + c)), Math.Ceiling(129 * share / (a + b + c)));
                total[i] += count;
            }
        }
        Assert.InRange(total[0] / total[1], (a / b) - 0.03, (a / b) + 0.03);
    }

    [Fact]
    public void Images_of_a_class_take_turns_and_all_of_a_large_one_are_seen_in_time()
    {
        var seen = new HashSet<int>();
        for (var epoch = 0; epoch < 12; epoch++)
        {
            var order = ClassOrder.Draw(Each, ClassSampling.Balanced, 7, epoch);
            foreach (var images in order.GroupBy(i => i).GroupBy(g => Labels[g.Key]))
                Assert.InRange(images.Max(g => g.Count()) - (images.Count() == Labels.Count(l => l == images.Key) ? images.Min(g => g.Count()) : 0), 0, 1);
            seen.UnionWith(order);
        }
        Assert.Equal(Labels.Length, seen.Count);
    }

    [Fact]
    public void Seed_and_epoch_decide_the_order()
    {
        var order = ClassOrder.Draw(Each, ClassSampling.Balanced, 7, 3);
        Assert.Equal(order, ClassOrder.Draw(Each, ClassSampling.Balanced, 7, 3));
        Assert.NotEqual(order, ClassOrder.Draw(Each, ClassSampling.Balanced, 7, 4));
        Assert.NotEqual(order, ClassOrder.Draw(Each, ClassSampling.Balanced, 8, 3));
        // Not class after class.
        Assert.True(order.Take(43).Select(i => Labels[i]).Distinct().Count() == 3);
    }

    [Fact]
    public void A_loader_shows_what_was_drawn_each_time_augmented_anew()
    {
        var dataset = new PatternDataset(40, 9) { IsInMemory = true };
        var options = LoaderOptions.ForTraining(8, seed: 5) with { Sampling = ClassSampling.Balanced };
        var loader = new BatchLoader(new Uneven(dataset), new(dataset.Preprocessing, Augmentation.SmallImages), options);
        var batches = loader.Epoch(2).ToArray();
        Assert.Equal(ClassOrder.Draw([.. Enumerable.Range(0, 40).Select(i => (IReadOnlyList<int>)[i < 38 ? 0 : 1])], ClassSampling.Balanced, 5, 2), batches.SelectMany(b => b.Indices));
        Assert.Equal(20, batches.Sum(b => b.Labels.ToArray<long>().Sum()));
        Assert.Equal(batches[3].Images.ToArray<float>(), loader.Epoch(2, firstBatch: 3).First().Images.ToArray<float>());
        var length = 9 * 9 * 3;
        var shown = batches.SelectMany(b => Enumerable.Range(0, 8).Where(i => b.Indices[i] == 39).Select(i => string.Join(' ', b.Images.ToArray<float>()[(i * length)..((i + 1) * length)]))).ToArray();
        Assert.Equal(10, shown.Length);
        Assert.True(shown.Distinct().Count() > 5);
    }

    private sealed class Uneven(IImageDataset images) : IImageDataset
    {
        public string Identity => images.Identity;

        public int Count => images.Count;

        public IReadOnlyList<string> ClassNames => images.ClassNames;

        public Preprocessing Preprocessing => images.Preprocessing;

        public bool IsInMemory => true;

        public int Label(int index) => index < 38 ? 0 : 1;

        public string NameOf(int index) => images.NameOf(index);

        public Vertebra.Lab.Data.Images.RgbImage Load(int index) => images.Load(index);
    }
}
