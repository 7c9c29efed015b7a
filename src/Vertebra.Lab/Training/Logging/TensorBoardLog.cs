using System.Globalization;

namespace Vertebra.Lab.Training.Logging;

/// <summary>
/// An event file in the run's folder, for <c>tensorboard --logdir runs</c>. The step is the number of batches trained. A resumed
/// run adds a file, whose first event takes back what the earlier ones say of batches that are trained again.
/// </summary>
internal sealed class TensorBoardLog(string folder, int batchesPerEpoch, TimeProvider time) : IMetricLog
{
    private const string Prefix = "events.out.tfevents.";

    private string _path = "";

    public void Begin(LogStart start)
    {
        _path = Path.Combine(folder, NextName());
        Append(TensorBoardEvents.FileVersion(Now));
        if (!start.IsResumed)
            return;
        // Readers drop this step and later ones; of an epoch that only wants its evaluation every batch stays.
        var step = start.Batch is { } batch ? StepOf(start.Epoch, batch) : StepOf(start.Epoch, batchesPerEpoch - 1) + 1;
        Append(TensorBoardEvents.SessionStart(Now, step));
        // The last process may have been killed after it saved an epoch and before it noted it; twice the same does no harm.
        if (start.Rows.Count > 0)
            EpochFinished(start.Rows[^1]);
    }

    public void Trained(in TrainStep step) => Append(TensorBoardEvents.Scalars(Now, StepOf(step.Epoch, step.Batch),
    [
        ("loss/batch", step.Loss), ("lr", step.LearningRate), ("throughput/images_per_second", step.Images / step.MeanSeconds),
        ("throughput/data_share", step.MeanDataSeconds / step.MeanSeconds),
    ]));

    public void EpochFinished(EpochRow row)
    {
        var values = new List<(string, double)> { ("loss/train", row.TrainLoss), ("top1/train", row.TrainTop1) };
        foreach (var (name, scores) in new[] { ("eval", row.Eval), ("ema", row.Ema) })
        {
            if (scores is { } s)
                values.AddRange([($"loss/{name}", s.Loss), ($"top1/{name}", s.Top1), ($"top5/{name}", s.Top5)]);
        }
        Append(TensorBoardEvents.Scalars(Now, StepOf(row.Epoch, batchesPerEpoch - 1), values));
    }

    private double Now => time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;

    private long StepOf(int epoch, int batch) => ((long)epoch * batchesPerEpoch) + batch + 1;

    private void Append(byte[] data) => LogFile.Append(_path, TensorBoardEvents.Frame(data));

    // TensorBoard reads a folder's files in the order of their names, and a later one must never stand before an earlier.
    private string NextName()
    {
        var latest = Directory.EnumerateFiles(folder, Prefix + "*").Select(SecondsOf).DefaultIfEmpty(0).Max();
        return string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Math.Max(time.GetUtcNow().ToUnixTimeSeconds(), latest + 1):D10}.vertebra");
    }

    private static long SecondsOf(string path) =>
        long.TryParse(Path.GetFileName(path)[Prefix.Length..].Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? seconds : 0;
}
