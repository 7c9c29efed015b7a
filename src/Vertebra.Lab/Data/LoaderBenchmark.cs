using System.Diagnostics;

namespace Vertebra.Lab.Data;

/// <summary>How fast a loader went through a data set.</summary>
/// <param name="Images">Images of one epoch.</param>
/// <param name="BytesPerImage">Mean size of their files or records.</param>
/// <param name="Rates">Images per second of each timed epoch.</param>
/// <param name="MillisecondsByStage">Time of one thread for one image, by stage.</param>
/// <param name="AllocatedPerImage">Bytes of managed memory taken for one image.</param>
public sealed record LoaderSpeed(int Images, double BytesPerImage, IReadOnlyList<double> Rates, IReadOnlyDictionary<LoaderStage, double> MillisecondsByStage, double AllocatedPerImage)
{
    /// <summary>Median of the epochs.</summary>
    public double ImagesPerSecond => Rates.Order().ElementAt(Rates.Count / 2);

    /// <summary>Megabytes (10^6) of files per second.</summary>
    public double MegabytesPerSecond => ImagesPerSecond * BytesPerImage / 1e6;
}

/// <summary>Times a loader that nothing waits for: its batches are thrown away.</summary>
public static class LoaderBenchmark
{
    /// <summary>Goes through the set once to warm up, then the given number of times.</summary>
    /// <param name="dataset">Images that are stored as files or raw pixels.</param>
    /// <param name="transform">What makes them inputs.</param>
    /// <param name="options">Batch size, order, threads; the clock is replaced.</param>
    /// <param name="epochs">Timed epochs, at least 1.</param>
    /// <param name="cancellation">Ends the measurement with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="VertebraException">An image cannot be read: the rates would be those of other work.</exception>
    public static LoaderSpeed Run(IImageDataset dataset, InputTransform transform, LoaderOptions options, int epochs, CancellationToken cancellation = default)
    {
        string? broken = null;
        var clock = new LoaderClock();
        var loader = new BatchLoader(dataset, transform, options with { Clock = clock, Warn = message => broken ??= message });
        Epoch(0);
        clock.Reset();
        var allocated = GC.GetTotalAllocatedBytes();
        var rates = new List<double>();
        var images = 0;
        for (var epoch = 1; epoch <= epochs; epoch++)
        {
            var start = Stopwatch.GetTimestamp();
            images = Epoch(epoch);
            rates.Add(images / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        var total = (double)images * epochs;
        var stages = Enum.GetValues<LoaderStage>().ToDictionary(stage => stage, stage => 1000 * clock.Seconds(stage) / total);
        return new(images, MeanStoredBytes(dataset), rates, stages, (GC.GetTotalAllocatedBytes() - allocated) / total);

        int Epoch(int number)
        {
            var count = loader.Epoch(number, cancellation: cancellation).Sum(batch => batch.Count);
            return broken is null ? count : throw new VertebraException($"{broken}; a benchmark needs images that can all be read");
        }
    }

    private static double MeanStoredBytes(IImageDataset dataset)
    {
        long bytes = 0;
        for (var i = 0; i < dataset.Count; i++)
        {
            using var stored = dataset.Borrow(i);
            bytes += stored?.Data.Length ?? 0;
        }
        return (double)bytes / dataset.Count;
    }
}
