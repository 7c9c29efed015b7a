using System.Diagnostics;

namespace Vertebra.Lab.Data;

/// <summary>
/// Goes through a data set in batches that other threads make ahead. Epoch, seed and position decide a batch, bit for
/// bit: not the number of threads, not what was cached, not where an epoch was taken up again.
/// </summary>
public sealed class BatchLoader
{
    // Numbers of an input that one thread makes fast enough out of pixels in memory: 64x64 in colour.
    private const int SmallInput = 64 * 64 * 3;

    private readonly IImageDataset _dataset;
    private readonly LoaderOptions _options;
    private readonly SampleMaker _maker;
    private readonly int _count;

    /// <param name="dataset">Where the images come from.</param>
    /// <param name="transform">What makes them inputs.</param>
    /// <param name="options">Batch size, order, threads.</param>
    /// <exception cref="VertebraException">An option is out of range, or the set has too few images for one batch.</exception>
    public BatchLoader(IImageDataset dataset, InputTransform transform, LoaderOptions options)
    {
        if (options.BatchSize < 1)
            throw new VertebraException($"batch size {options.BatchSize} must be at least 1");
        if (options.Prefetch < 1 || options.Workers < 0)
            throw new VertebraException($"loader: prefetch {options.Prefetch} must be at least 1 and workers {options.Workers} at least 0");
        if (options.Repeats < 1)
            throw new VertebraException($"loader: {options.Repeats} repeats of an image must be at least 1");
        _count = SampleOrder.RepeatedLength(dataset.Count, options.Repeats);
        if (options.Share.Count < 1 || (uint)options.Share.Index >= (uint)options.Share.Count)
            throw new VertebraException($"loader: part {options.Share.Index} of {options.Share.Count} must be one of them");
        (_dataset, _options) = (dataset, options);
        if (options.DropLast && _count < WholeBatch)
            throw new VertebraException($"{dataset.Identity}: fewer images than one batch of {WholeBatch}; use a batch size of at most {_count / options.Share.Count}");
        _maker = new(dataset, transform, options);
    }

    /// <summary>Number of batches in an epoch.</summary>
    public int BatchesPerEpoch => (int)(_options.DropLast ? _count / WholeBatch : (_count + WholeBatch - 1) / WholeBatch);

    private long WholeBatch => (long)_options.BatchSize * _options.Share.Count;

    /// <summary>Images that could not be read so far: each counts once, however often it was tried.</summary>
    public int BrokenCount => _maker.BrokenCount;

    /// <summary>Whether an image may show several classes.</summary>
    public bool IsMultiLabel => _dataset.IsMultiLabel;

    /// <summary>How many images each of <paramref name="classCount"/> classes has; those without a label are not counted.</summary>
    public long[] LabelCounts(int classCount)
    {
        var counts = new long[classCount];
        for (var i = 0; i < _dataset.Count; i++)
        {
            foreach (var label in _dataset.LabelsOf(i))
                counts[label]++;
        }
        return counts;
    }

    /// <summary>
    /// The batches of an epoch. An evaluation batch of broken images only is left out, and so is an empty part of the last one. Ending the enumeration early ends
    /// the threads behind it.
    /// </summary>
    /// <param name="epoch">Number of the epoch, from 0; decides order, crops and flips.</param>
    /// <param name="firstBatch">Where to begin, to take up an interrupted epoch.</param>
    /// <param name="cancellation">Ends the enumeration with <see cref="OperationCanceledException"/>.</param>
    public IEnumerable<Batch> Epoch(int epoch, int firstBatch = 0, CancellationToken cancellation = default)
    {
        var order = Order(epoch);
        if (_options.Repeats > 1)
            order = SampleOrder.Repeated(order, _options.Repeats);
        using var pipeline = new BatchPipeline(WorkerCount, cancellation);
        var next = firstBatch;
        for (var number = firstBatch; number < BatchesPerEpoch; number++)
        {
            for (; next < BatchesPerEpoch && next <= number + _options.Prefetch; next++)
                pipeline.Add(Job(next));
            var start = Stopwatch.GetTimestamp();
            var job = pipeline.TakeFirst();
            _maker.DrainWarnings();
            if (job.ToBatch(Stopwatch.GetElapsedTime(start)) is { } batch)
                yield return batch;
        }

        BatchJob Job(int number)
        {
            var first = (number * WholeBatch) + ((long)_options.Share.Index * _options.BatchSize);
            var length = Math.Clamp(_count - first, 0, _options.BatchSize);
            return new(_maker, number, order, (int)Math.Min(first, _count), (int)length, epoch);
        }
    }

    private int[] Order(int epoch) => !_options.Shuffle ? SampleOrder.Sequential(_dataset.Count)
        : _options.Sampling == ClassSampling.Natural ? SampleOrder.Shuffled(_dataset.Count, _options.Seed, epoch)
        : ClassOrder.Draw([.. Enumerable.Range(0, _dataset.Count).Select(_dataset.LabelsOf)], _options.Sampling, _options.Seed, epoch);

    private int WorkerCount => _options.Workers ?? (_dataset.IsInMemory && _maker.InputLength <= SmallInput ? 1 : Math.Clamp(Environment.ProcessorCount / 2, 1, 8));
}
