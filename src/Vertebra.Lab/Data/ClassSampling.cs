namespace Vertebra.Lab.Data;

/// <summary>How often an epoch shows the images of large and of small classes.</summary>
public enum ClassSampling
{
    /// <summary>Every image once.</summary>
    Natural,

    /// <summary>Every class as often as every other (class-balanced sampling of Kang et al., "Decoupling representation and classifier for long-tailed recognition", ICLR 2020: q = 0).</summary>
    Balanced,

    /// <summary>Every class in proportion to the square root of its images (ibid., after Mahajan et al. 2018: q = 1/2).</summary>
    SquareRoot,
}

/// <summary>
/// Epochs in which classes do not stand by their size. An epoch has as many places as there are images, and each class its
/// share of them to the rounding; a class's images take turns, so that none is shown again before all of them were. An image of several
/// classes takes turns in each, and those of none are a class of their own.
/// </summary>
internal static class ClassOrder
{
    /// <summary>The images of an epoch, in an order drawn by seed and epoch.</summary>
    /// <param name="labels">Classes of each image.</param>
    /// <param name="sampling">The classes' shares; not <see cref="ClassSampling.Natural"/>.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <param name="epoch">Number of the epoch.</param>
    public static int[] Draw(IReadOnlyList<int>[] labels, ClassSampling sampling, ulong seed, int epoch)
    {
        var classes = labels.SelectMany((own, image) => own.DefaultIfEmpty(-1).Select(label => (label, image)))
            .GroupBy(l => l.label, l => l.image).OrderBy(g => g.Key).Select(g => (Label: g.Key, Images: g.ToArray())).ToArray();
        var shares = Array.ConvertAll(classes, c => sampling == ClassSampling.Balanced ? 1 : Math.Sqrt(c.Images.Length));
        var places = Places(shares, labels.Length, epoch);
        var drawn = new List<int>(labels.Length);
        for (var c = 0; c < classes.Length; c++)
        {
            var (label, images) = classes[c];
            for (var round = 0; round * (long)images.Length < places[c]; round++)
            {
                var order = SampleOrder.Shuffled(images.Length, new Philox(seed, Hashing.Fnv1a($"class order/{epoch}/{label}/{round}")));
                drawn.AddRange(order.Take(places[c] - (round * images.Length)).Select(i => images[i]));
            }
        }
        return Array.ConvertAll(SampleOrder.Shuffled(drawn.Count, new Philox(seed, Hashing.Fnv1a($"class order/{epoch}"))), i => drawn[i]);
    }

    /// <summary>Shares as whole numbers that add up to the total: rounded down, and the rest to the largest remainders; where they are equal, classes take turns from epoch to epoch.</summary>
    private static int[] Places(double[] shares, int total, int epoch)
    {
        var sum = shares.Sum();
        var exact = Array.ConvertAll(shares, s => total * s / sum);
        var places = Array.ConvertAll(exact, e => (int)e);
        var rest = total - places.Sum();
        var next = Enumerable.Range(0, shares.Length).OrderByDescending(c => Math.Round(exact[c] - places[c], 9)).ThenBy(c => (c + ((long)epoch * rest)) % shares.Length);
        foreach (var c in next.Take(rest))
            places[c]++;
        return places;
    }
}
