namespace Vertebra.Lab.Training;

/// <summary>Progress as the lines that timm prints: one every so many batches, one for each evaluation, one for the best epoch.</summary>
/// <param name="output">Receives the lines.</param>
/// <param name="interval">Batches between lines; the last batch of an epoch always has one.</param>
/// <param name="metric">Name of the metric that makes an epoch the best.</param>
public sealed class LineProgress(TextWriter output, int interval, string metric) : ITrainingProgress
{
    public void Trained(in TrainStep step)
    {
        if (step.Batch % interval == 0 || step.Batch == step.Batches - 1)
            output.WriteLine(Line(step));
    }

    public void Evaluated(in EvaluationStep step)
    {
        if (step.Batch % interval == 0 || step.Batch == step.Batches - 1)
            output.WriteLine(Line(step));
    }

    public void EvaluationFinished(EvaluationResult result, bool isEma) => output.WriteLine(Line(result) + (isEma ? " (EMA)" : ""));

    public void EpochFinished(EpochRow row, BestEpoch? best)
    {
        if (best is { } b && row.Eval is not null)
            output.WriteLine(FormattableString.Invariant($"*** Best {metric}: {(metric == "loss" ? -b.Metric : b.Metric):0.###} (epoch {b.Epoch})"));
    }

    public void Note(string message) => output.WriteLine(message);

    /// <summary><c>Train: 3 [  50/312 ( 16%)]  Loss: 2.31 (2.45)  Acc@1: 18.2  Time: 0.210s, 609.52/s (...)  LR: 1.000e-03  Data: 0.001 (0.002)  ETA: 0:12:07</c>.</summary>
    public static string Line(in TrainStep step)
    {
        var share = 100.0 * (step.Batch + 1) / step.Batches;
        return string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"Train: {step.Epoch} [{step.Batch,4}/{step.Batches} ({share,3:0}%)]  Loss: {step.Loss:0.000} ({step.MeanLoss:0.000})  Acc@1: {step.Top1:0.0}  "
            + $"Time: {step.Seconds:0.000}s, {step.Images / step.Seconds,7:0.00}/s  ({step.MeanSeconds:0.000}s, {step.Images / step.MeanSeconds,7:0.00}/s)  "
            + $"LR: {step.LearningRate:0.000e+00}  Data: {step.DataSeconds:0.000} ({step.MeanDataSeconds:0.000})  ETA: {Time(step.TimeLeft)}");
    }

    /// <summary><c>Test: [  10/78]  Time: 0.101 (0.110)  Loss:   1.234 ( 1.301)  Acc@1:  61.328  Acc@5:  95.312</c>.</summary>
    public static string Line(in EvaluationStep step) => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"Test{(step.IsEma ? " (EMA)" : "")}: [{step.Batch,4}/{step.Batches}]  Time: {step.Seconds:0.000} ({step.MeanSeconds:0.000})  Loss: {step.Loss,7:0.000}  Acc@1: {step.Top1,7:0.000}  Acc@5: {step.Top5,7:0.000}");

    /// <summary><c> * Acc@1 76.100 (23.900) Acc@5 92.900 (7.100)</c>.</summary>
    public static string Line(EvaluationResult result) => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $" * Acc@1 {result.Top1:0.000} ({100 - result.Top1:0.000}) Acc@5 {result.Top5:0.000} ({100 - result.Top5:0.000})  Loss {result.Loss:0.0000}  on {result.Count} images") + Line(result.MultiLabel);

    /// <summary><c>, mAP 71.300 F1 65.100 (micro 68.200)</c>; nothing for images of one class.</summary>
    public static string Line(MultiLabelScores? scores) => scores is null ? ""
        : string.Create(System.Globalization.CultureInfo.InvariantCulture, $", mAP {scores.MeanAveragePrecision:0.000} F1 {scores.MacroF1:0.000} (micro {scores.MicroF1:0.000})");

    /// <summary><c>0:12:07</c>; with days where there are any.</summary>
    public static string Time(TimeSpan time) =>
        time.TotalDays >= 1 ? FormattableString.Invariant($"{(int)time.TotalDays}d {time:h\\:mm\\:ss}") : time.ToString(@"h\:mm\:ss", System.Globalization.CultureInfo.InvariantCulture);
}
