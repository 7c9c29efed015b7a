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

    // By image: whether all of its file was decoded once.
    private readonly bool[] _isChecked = new bool[dataset.Count];
    private long _cachedBytes;
    private bool _isCacheFull;

    public Preprocessing Preprocessing => transform.Preprocessing;

    public int InputLength => transform.InputLength;

    public int BrokenCount => _broken.Count;

    public int Views => transform.Views;

    /// <summary>Writes the sample at a position of the epoch.</summary>
    /// <returns>The index of the image used; negative when it is broken and to be left out.</returns>
    /// <exception cref="VertebraException">No image of the whole set can be read.</exception>
    public int Make(int[] order, int position, int epoch, SampleViews views)
    {
        // The place in the epoch, not the image, draws crop and flip: an image that stands in for another is varied anew.
        var random = new SampleRandom(options.Seed, epoch, position);
        for (var step = 0; step < order.Length; step++)
        {
            var index = order[(int)(((long)position + step) % order.Length)];
            if (TryMake(index, options.Draw?.Invoke(epoch, index) ?? random, views))
                return index;
            if (options.Broken == BrokenImages.LeaveOut)
                return -1;
        }
        throw new VertebraException($"{dataset.Identity}: not one image can be read; the first says: {_broken[order[position]]}");
    }

    public long Label(int index) => dataset.Label(index);

    /// <summary>A 1 for every class of each image, [images, classes] row by row; null for a set of one class an image.</summary>
    public float[]? Targets(int[] indices)
    {
        if (!dataset.IsMultiLabel)
            return null;
        var classes = dataset.ClassNames.Count;
        var targets = new float[indices.Length * classes];
        for (var i = 0; i < indices.Length; i++)
        {
            foreach (var label in dataset.LabelsOf(indices[i]))
                targets[(i * classes) + label] = 1;
        }
        return targets;
    }

    /// <summary>Passes on what was found broken since the last call.</summary>
    public void DrainWarnings()
    {
        while (_warnings.TryDequeue(out var warning))
            options.Warn?.Invoke(warning);
    }

    private bool TryMake(int index, SampleRandom random, SampleViews views)
    {
        var kept = Volatile.Read(ref _prepared[index]);
        if (kept is null && _broken.ContainsKey(index))
            return false;
        try
        {
            if (kept is not null || !IsMadeAtOnce || !TryMakeAtOnce(index, random, views))
                transform.Finish(kept ?? Prepare(index), random, views, options.Clock);
            return true;
        }
        catch (VertebraException e)
        {
            if (_broken.TryAdd(index, e.Message))
                _warnings.Enqueue(e.Message);
            return false;
        }
    }

    // Nothing more is kept, or what would be kept is in memory as it is.
    private bool IsMadeAtOnce => transform.CanMake && (IsCacheFull || (dataset.IsInMemory && transform.PreparesNothing));

    /// <summary>Decodes what the sample shows, and the rest only once, to find damage whatever part is drawn first.</summary>
    /// <returns>False when the image has no stored form.</returns>
    private bool TryMakeAtOnce(int index, SampleRandom random, SampleViews views)
    {
        var start = Stopwatch.GetTimestamp();
        using var stored = dataset.Borrow(index);
        if (stored is null)
            return false;
        options.Clock?.Add(LoaderStage.Read, start);
        using var picture = stored.Open();
        transform.Make(picture, checksRest: !Volatile.Read(ref _isChecked[index]), random, views, options.Clock);
        Volatile.Write(ref _isChecked[index], true);
        return true;
    }

    private RgbImage Prepare(int index)
    {
        var start = Stopwatch.GetTimestamp();
        var loaded = dataset.Load(index);
        start = options.Clock?.Add(LoaderStage.Decode, start) ?? start;
        var prepared = transform.Prepare(loaded);
        options.Clock?.Add(LoaderStage.Resize, start);
        Volatile.Write(ref _isChecked[index], true);
        if (!dataset.IsInMemory || !ReferenceEquals(loaded, prepared))
            Keep(index, prepared);
        return prepared;
    }

    /// <summary>True once an image did not fit: no more is kept then, so that images need not be decoded whole.</summary>
    private bool IsCacheFull => options.CacheBytes == 0 || Volatile.Read(ref _isCacheFull);

    private void Keep(int index, RgbImage image)
    {
        var bytes = image.Pixels.Length;
        var fits = Interlocked.Add(ref _cachedBytes, bytes) <= options.CacheBytes;
        if (!fits)
            Volatile.Write(ref _isCacheFull, true);
        if (!fits || Interlocked.CompareExchange(ref _prepared[index], image, null) is not null)
            Interlocked.Add(ref _cachedBytes, -bytes);
    }
}
