using System.Globalization;
using System.Text;

namespace Vertebra.Lab.Training;

/// <summary>Loss and accuracies (percent) of one evaluation.</summary>
public readonly record struct Scores(double Loss, double Top1, double Top5)
{
    /// <summary>Mean average precision, in percent, of images of several classes; null for others.</summary>
    public double? Map { get; init; }

    /// <summary>Mean F1 over classes, likewise.</summary>
    public double? F1 { get; init; }

    /// <summary>The value that <c>--eval-metric</c> names, such that more is better.</summary>
    public double Metric(string name) => name switch
    {
        "loss" => -Loss,
        "top5" => Top5,
        "map" => Map ?? double.NaN,
        "f1" => F1 ?? double.NaN,
        _ => Top1,
    };

    /// <inheritdoc cref="Scores"/>
    public static Scores Of(EvaluationResult result) => new(result.Loss, result.Top1, result.Top5) { Map = result.MultiLabel?.MeanAveragePrecision, F1 = result.MultiLabel?.MacroF1 };
}

/// <summary>One row of <c>summary.csv</c>.</summary>
/// <param name="Epoch">Number of the epoch, from 0.</param>
/// <param name="TrainLoss">Mean loss over the epoch's batches, label smoothing included.</param>
/// <param name="TrainTop1">Top-1 accuracy over the epoch's augmented batches, in percent.</param>
/// <param name="Eval">The network at the end of the epoch; null when it was not evaluated.</param>
/// <param name="Ema">Its weight average; null without one.</param>
/// <param name="LearningRate">Rate of the epoch's last update.</param>
/// <param name="ImagesPerSecond">Training throughput.</param>
/// <param name="Seconds">Time spent training the epoch, evaluation not included.</param>
/// <param name="DataSeconds">How much of it was waiting for images.</param>
public sealed record EpochRow(
    int Epoch, double TrainLoss, double TrainTop1, Scores? Eval, Scores? Ema, double LearningRate, double ImagesPerSecond, double Seconds, double DataSeconds);

/// <summary>The epochs of a run, and <c>summary.csv</c> as their text form.</summary>
public static class RunSummary
{
    private const string Header =
        "epoch,train_loss,train_top1,eval_loss,eval_top1,eval_top5,ema_loss,ema_top1,ema_top5,lr,images_per_second,train_seconds,data_seconds";

    // Runs on images of several classes have these as well.
    private const string MultiLabelColumns = ",eval_map,eval_f1,ema_map,ema_f1";

    private static readonly string[] Names = (Header + MultiLabelColumns).Split(',');

    private static readonly int PlainCount = Header.Split(',').Length;

    /// <summary>The rows as CSV; numbers are written so that reading gives the same bits.</summary>
    public static string Write(IEnumerable<EpochRow> rows)
    {
        var all = rows.ToList();
        var isMultiLabel = all.Exists(r => (r.Eval ?? r.Ema)?.Map is not null);
        var text = new StringBuilder(Header).Append(isMultiLabel ? MultiLabelColumns : "").Append('\n');
        foreach (var row in all)
        {
            text.AppendJoin(',', Values(row).Take(isMultiLabel ? Names.Length : PlainCount).Select(v => v.Value?.ToString("R", CultureInfo.InvariantCulture))).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>The numbers of a row by the names of the columns; null for one that it does not have.</summary>
    public static IEnumerable<(string Name, double? Value)> Values(EpochRow row)
    {
        double?[] values =
        [
            row.Epoch, row.TrainLoss, row.TrainTop1,
            row.Eval?.Loss, row.Eval?.Top1, row.Eval?.Top5, row.Ema?.Loss, row.Ema?.Top1, row.Ema?.Top5,
            row.LearningRate, row.ImagesPerSecond, row.Seconds, row.DataSeconds,
            row.Eval?.Map, row.Eval?.F1, row.Ema?.Map, row.Ema?.F1,
        ];
        return Names.Zip(values);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="source">What to call it in messages.</param>
    /// <exception cref="FileFormatException">The text is no such table.</exception>
    public static List<EpochRow> Read(string text, string source)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var header = lines.Length == 0 ? "" : lines[0].Trim();
        if (header is not (Header or Header + MultiLabelColumns))
            throw new FileFormatException($"{source}: not a summary of a training run: the first line must be {Header}");
        var columns = header == Header ? PlainCount : Names.Length;
        return [.. lines.Skip(1).Select((line, i) => ReadRow(line, columns, $"{source}, line {i + 2}"))];
    }

    private static EpochRow ReadRow(string line, int columns, string where)
    {
        var cells = line.Trim().Split(',');
        if (cells.Length != columns)
            throw new FileFormatException($"{where}: {cells.Length} columns where {columns} are expected");
        return new((int)Cell(0), Cell(1), Cell(2), ScoresAt(3, PlainCount), ScoresAt(6, PlainCount + 2), Cell(9), Cell(10), Cell(11), Cell(12));

        double Cell(int i) => double.TryParse(cells[i], NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value
            : throw new FileFormatException($"{where}: '{cells[i]}' is not a number");
        Scores? ScoresAt(int i, int more) => cells[i].Length == 0 ? null
            : new(Cell(i), Cell(i + 1), Cell(i + 2)) { Map = Optional(more), F1 = Optional(more + 1) };
        double? Optional(int i) => i >= cells.Length || cells[i].Length == 0 ? null : Cell(i);
    }
}
