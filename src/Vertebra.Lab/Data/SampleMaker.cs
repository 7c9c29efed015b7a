using System.Collections.Concurrent;
using System.Diagnostics;
using Vertebra.Lab.Data.Images;

namespace Vertebra.Lab.Data;

/// <summary>Makes single samples, from any thread; keeps prepared images while they fit the budget, and remembers the broken ones.</summary>
internal sealed class SampleMaker(IImageDataset dataset, InputTransform transform, LoaderOptions options)
{
    private readonly RgbImage?[] _prepared = new RgbImage?[dataset.Count];
    private readonly ConcurrentDictionary<int, string> _broken = new();
    private readonly ConcurrentQueue<string> _warnings = new();
    private long _cachedBytes;

    public Preprocessing Preprocessing => transform.Preprocessing;

    public int InputLength => transform.InputLength;

    public int BrokenCount => _broken.Count;

    /// <summary>Writes the sample at a position of the epoch.</summary>
    /// <returns>The index of the image used; negative when it is broken and to be left out.</returns>
    /// <exception cref="VertebraException">No image of the whole set can be read.</exception>
    public int Make(int[] order, int position, int epoch, Span<float> target)
    {
        // The place in the epoch, not the image, draws crop and flip: an image that stands in for another is varied anew.
        var random = new SampleRandom(options.Seed, epoch, position);
        for (var step = 0; step < order.Length; step++)
        {
            var index = order[(int)(((long)position + step) % order.Length)];
            if (TryPrepare(index) is { } image)
            {
                var start = Stopwatch.GetTimestamp();
                transform.Finish(image, random, target);
                options.Clock?.Add(LoaderStage.Finish, start);
                return index;
            }
            if (options.Broken == BrokenImages.LeaveOut)
                return -1;
        }
        throw new VertebraException($"{dataset.Identity}: not one image can be read; the first says: {_broken[order[position]]}");
    }

    public long Label(int index) => dataset.Label(index);

    /// <summary>Passes on what was found broken since the last call.</summary>
    public void DrainWarnings()
    {
        while (_warnings.TryDequeue(out var warning))
            options.Warn?.Invoke(warning);
    }

    private RgbImage? TryPrepare(int index)
    {
        if (Volatile.Read(ref _prepared[index]) is { } kept)
            return kept;
        if (_broken.ContainsKey(index))
            return null;
        try
        {
            var start = Stopwatch.GetTimestamp();
            var loaded = dataset.Load(index);
            start = options.Clock?.Add(LoaderStage.Decode, start) ?? start;
            var prepared = transform.Prepare(loaded);
            options.Clock?.Add(LoaderStage.Resize, start);
            if (!dataset.IsInMemory || !ReferenceEquals(loaded, prepared))
                Keep(index, prepared);
            return prepared;
        }
        catch (VertebraException e)
        {
            if (_broken.TryAdd(index, e.Message))
                _warnings.Enqueue(e.Message);
            return null;
        }
    }

    private void Keep(int index, RgbImage image)
    {
        var bytes = image.Pixels.Length;
        if (Interlocked.Add(ref _cachedBytes, bytes) > options.CacheBytes || Interlocked.CompareExchange(ref _prepared[index], image, null) is not null)
            Interlocked.Add(ref _cachedBytes, -bytes);
    }
}
