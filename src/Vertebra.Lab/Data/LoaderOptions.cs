namespace Vertebra.Lab.Data;

/// <summary>What becomes of an image that cannot be read.</summary>
public enum BrokenImages
{
    /// <summary>The next readable image in the epoch's order takes its place, so that batches keep their size: for training.</summary>
    Replace,

    /// <summary>Its place is left out of the batch; whoever judges counts it as an error: for evaluation.</summary>
    LeaveOut,
}

/// <summary>
/// One of several loaders, in as many processes, that go through a set together: a batch is <see cref="Count"/> parts of the batch size
/// one after another, and each loader makes one of them, of the same images, varied in the same way, as one loader of the whole would.
/// </summary>
/// <param name="Index">Which part, from 0.</param>
/// <param name="Count">Number of parts, at least 1.</param>
public readonly record struct LoaderShare(int Index, int Count)
{
    /// <summary>Batches are not shared.</summary>
    public static LoaderShare All { get; } = new(0, 1);
}

/// <summary>How a <see cref="BatchLoader"/> goes through a data set.</summary>
public sealed record LoaderOptions
{
    /// <summary>Images in a batch, at least 1.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>A new order each epoch, drawn by <see cref="Seed"/> and epoch.</summary>
    public bool Shuffle { get; init; }

    /// <summary>
    /// How often an image comes in a row, at least 1, each time augmented anew: repeated augmentation (Hoffer, Ben-Nun, Hubara,
    /// Giladi, Hoefler and Soudry, "Augment your batch", CVPR 2020). An epoch stays as long, and takes fewer images.
    /// </summary>
    public int Repeats { get; init; } = 1;

    /// <summary>How often images of large and of small classes are shown; only with <see cref="Shuffle"/>.</summary>
    public ClassSampling Sampling { get; init; }

    /// <summary>Leave out a last batch that is not full.</summary>
    public bool DropLast { get; init; }

    /// <summary>Which part of every batch this loader makes.</summary>
    public LoaderShare Share { get; init; } = LoaderShare.All;

    /// <summary>Seed of order, crops and flips.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Gives the random numbers that vary an image in an epoch (epoch, image), in place of those that its place in the epoch has. Null: those.</summary>
    public Func<int, int, SampleRandom>? Draw { get; init; }

    public BrokenImages Broken { get; init; }

    /// <summary>
    /// Threads beside the one that takes the batches, which helps whenever it would have to wait. Null: one for sets in
    /// memory of small images, otherwise one for every two processors, at most 8. Zero: the taking thread does everything.
    /// </summary>
    public int? Workers { get; init; }

    /// <summary>Batches made ahead, at least 1.</summary>
    public int Prefetch { get; init; } = 2;

    /// <summary>Most memory for decoded images that are kept for later epochs, in bytes.</summary>
    public long CacheBytes { get; init; } = 512L << 20;

    /// <summary>Adds up where the time goes; null to leave that out.</summary>
    public LoaderClock? Clock { get; init; }

    /// <summary>Told, once for each, which image cannot be read and why; called on the thread that takes the batches.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>The usual way to train: shuffled, full batches only, broken images replaced.</summary>
    public static LoaderOptions ForTraining(int batchSize, ulong seed) =>
        new() { BatchSize = batchSize, Seed = seed, Shuffle = true, DropLast = true, Broken = BrokenImages.Replace };

    /// <summary>The usual way to judge: in order, every image once, broken ones left out.</summary>
    public static LoaderOptions ForEvaluation(int batchSize) => new() { BatchSize = batchSize, Broken = BrokenImages.LeaveOut };
}
