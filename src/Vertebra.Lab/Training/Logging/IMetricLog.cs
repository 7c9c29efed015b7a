namespace Vertebra.Lab.Training.Logging;

/// <summary>Where a process takes a run up.</summary>
/// <param name="Epoch">Epoch of the first batch that it trains, or that it only evaluates.</param>
/// <param name="Batch">That batch; null when the epoch was trained before.</param>
/// <param name="Rows">The epochs before; empty in a fresh run.</param>
/// <param name="IsResumed">Another process worked on the run before, and may have got further than its saved state.</param>
internal readonly record struct LogStart(int Epoch, int? Batch, IReadOnlyList<EpochRow> Rows, bool IsResumed);

/// <summary>A file of a run's numbers, which grows while it goes on.</summary>
internal interface IMetricLog
{
    /// <summary>Called before anything else.</summary>
    void Begin(LogStart start);

    /// <summary>A batch whose numbers are to be kept.</summary>
    void Trained(in TrainStep step);

    /// <summary>An epoch is trained, evaluated and saved.</summary>
    void EpochFinished(EpochRow row);
}

/// <summary>Files that only grow: what was written before a crash stays.</summary>
internal static class LogFile
{
    /// <exception cref="VertebraException">The file cannot be written.</exception>
    public static void Append(string path, ReadOnlySpan<byte> bytes)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            file.Write(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VertebraException($"cannot write {path}: {e.Message}", e);
        }
    }
}
