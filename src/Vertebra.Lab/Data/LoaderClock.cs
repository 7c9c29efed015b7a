using System.Diagnostics;

namespace Vertebra.Lab.Data;

/// <summary>What a loader does with an image, step by step.</summary>
public enum LoaderStage
{
    /// <summary>Reading the file.</summary>
    Read,

    /// <summary>From the file's bytes to pixels.</summary>
    Decode,

    /// <summary>From pixels to pixels of the network's size.</summary>
    Resize,

    /// <summary>Mirroring, normalising, writing into the batch.</summary>
    Finish,
}

/// <summary>Adds up, over all threads of a loader, where its time goes; about a tenth of a microsecond an image.</summary>
public sealed class LoaderClock
{
    private readonly long[] _ticks = new long[Enum.GetValues<LoaderStage>().Length];

    /// <summary>Seconds spent in a stage, all threads together.</summary>
    public double Seconds(LoaderStage stage) => (double)Interlocked.Read(ref _ticks[(int)stage]) / Stopwatch.Frequency;

    /// <summary>Sets every stage to zero.</summary>
    public void Reset()
    {
        for (var i = 0; i < _ticks.Length; i++)
            Interlocked.Exchange(ref _ticks[i], 0);
    }

    /// <summary>Counts the time since a timestamp for a stage.</summary>
    /// <returns>The time now: where the next stage begins.</returns>
    internal long Add(LoaderStage stage, long since)
    {
        var now = Stopwatch.GetTimestamp();
        Interlocked.Add(ref _ticks[(int)stage], now - since);
        return now;
    }
}
