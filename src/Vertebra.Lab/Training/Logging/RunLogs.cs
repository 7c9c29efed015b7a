namespace Vertebra.Lab.Training.Logging;

/// <summary>Passes a run's progress on, and writes it into logs: one batch of every <paramref name="interval"/>, the last of an epoch, and every epoch.</summary>
/// <param name="inner">Who watches.</param>
/// <param name="logs">The logs.</param>
/// <param name="interval">Batches between entries.</param>
/// <param name="earlierRows">The epochs that the saved state knows, asked for when the first thing happens; null in a fresh run.</param>
internal sealed class RunLogs(ITrainingProgress inner, IReadOnlyList<IMetricLog> logs, int interval, Func<IReadOnlyList<EpochRow>>? earlierRows) : ITrainingProgress
{
    private bool _hasBegun;

    /// <summary>The logs that the options ask for around a watcher; the watcher itself where they ask for none.</summary>
    public static ITrainingProgress Around(ITrainingProgress inner, TrainingOptions options, RunFolder folder, int batchesPerEpoch, bool isResumed)
    {
        var logs = new List<IMetricLog>();
        if (options.LogJson)
            logs.Add(new JsonLinesLog(folder.Metrics, batchesPerEpoch));
        if (options.Tensorboard)
            logs.Add(new TensorBoardLog(folder.Path, batchesPerEpoch, TimeProvider.System));
        return logs.Count == 0 ? inner
            : new RunLogs(inner, logs, options.LogInterval, isResumed ? () => RunSummary.Read(File.ReadAllText(folder.Summary), folder.Summary) : null);
    }

    public void Trained(in TrainStep step)
    {
        inner.Trained(step);
        Begin(step.Epoch, step.Batch);
        if (step.Batch % interval != 0 && step.Batch != step.Batches - 1)
            return;
        foreach (var log in logs)
            log.Trained(step);
    }

    public void Evaluated(in EvaluationStep step) => inner.Evaluated(step);

    public void EvaluationFinished(EvaluationResult result, bool isEma) => inner.EvaluationFinished(result, isEma);

    public void EpochFinished(EpochRow row, BestEpoch? best)
    {
        inner.EpochFinished(row, best);
        Begin(row.Epoch, batch: null);
        foreach (var log in logs)
            log.EpochFinished(row);
    }

    public void Note(string message) => inner.Note(message);

    private void Begin(int epoch, int? batch)
    {
        if (_hasBegun)
            return;
        _hasBegun = true;
        // This epoch's own row, where it is there already, is about to come.
        var start = new LogStart(epoch, batch, [.. (earlierRows?.Invoke() ?? []).Where(r => r.Epoch < epoch)], earlierRows is not null);
        foreach (var log in logs)
            log.Begin(start);
    }
}
