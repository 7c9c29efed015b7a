using System.Diagnostics;

namespace Vertebra.Lab.Training;

/// <summary>The times of a run: of batches and evaluations, for progress and for when to save.</summary>
internal sealed class TrainingClock(TrainingOptions options)
{
    private long _sinceTaken = Stopwatch.GetTimestamp();
    private long _sinceSave = Stopwatch.GetTimestamp();
    private long _batchStart;
    private double _epochSeconds;
    private double _epochDataSeconds;
    private int _epochBatches;
    private double _lastEvaluationSeconds;

    /// <summary>Time of the last batch, waiting for data included.</summary>
    public double BatchSeconds { get; private set; }

    public double MeanBatchSeconds => _epochSeconds / Math.Max(1, _epochBatches);

    public double MeanDataSeconds => _epochDataSeconds / Math.Max(1, _epochBatches);

    /// <summary>An epoch, or the rest of one, begins.</summary>
    public void BeginEpoch()
    {
        (_epochSeconds, _epochDataSeconds, _epochBatches) = (0, 0, 0);
        _batchStart = Stopwatch.GetTimestamp();
    }

    /// <summary>A batch is done.</summary>
    /// <param name="wait">How long its data were waited for.</param>
    public void BatchDone(TimeSpan wait)
    {
        var now = Stopwatch.GetTimestamp();
        BatchSeconds = Math.Max(1e-9, Stopwatch.GetElapsedTime(_batchStart, now).TotalSeconds);
        _batchStart = now;
        _epochSeconds += BatchSeconds;
        _epochDataSeconds += wait.TotalSeconds;
        _epochBatches++;
    }

    /// <summary>The evaluations of an epoch are done.</summary>
    public void EvaluationDone(TimeSpan time) => _lastEvaluationSeconds = time.TotalSeconds;

    /// <summary>How long the rest takes, if it goes on as now.</summary>
    public TimeSpan Estimate(long batches, long evaluations) =>
        TimeSpan.FromSeconds(Math.Min(1e9, (batches * MeanBatchSeconds) + (evaluations * _lastEvaluationSeconds)));

    /// <summary>Whether the state is to be saved inside an epoch.</summary>
    public bool IsSaveDue(long updates) =>
        (options.RecoveryInterval > 0 && updates % options.RecoveryInterval == 0)
        || (options.RecoveryMinutes > 0 && Stopwatch.GetElapsedTime(_sinceSave).TotalMinutes >= options.RecoveryMinutes);

    /// <summary>Seconds since the last call, or since the run began; the state is being saved.</summary>
    public double TakeElapsed()
    {
        var now = Stopwatch.GetTimestamp();
        var seconds = Stopwatch.GetElapsedTime(_sinceTaken, now).TotalSeconds;
        (_sinceTaken, _sinceSave) = (now, now);
        return seconds;
    }
}
