using System.Globalization;
using Vertebra.Lab.Reports;

namespace Vertebra.Lab.Training;

/// <summary>Several runs side by side: their figures, the options in which they differ, their curves.</summary>
/// <param name="Runs">The runs, in the order of columns and colours.</param>
public sealed record RunComparison(IReadOnlyList<RunRecord> Runs)
{
    // Where a run lies is no difference between runs.
    private static readonly string[] Places = ["output", "experiment"];

    /// <summary>Heading of <see cref="Figures"/>.</summary>
    public static IReadOnlyList<string> FigureNames { get; } = ["run", "network", "epochs", "best by", "epoch", "top-1", "top-5", "loss", "last top-1", "images/s", "waiting %", "time"];

    /// <summary>Reads runs from their folders; runs of the same name are told apart by numbers.</summary>
    /// <exception cref="VertebraException">A folder is none of a run, or has no finished epoch.</exception>
    public static RunComparison Load(IEnumerable<string> paths)
    {
        var runs = paths.Select(RunRecord.Load).ToList();
        var taken = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < runs.Count; i++)
        {
            var count = taken[runs[i].Name] = taken.GetValueOrDefault(runs[i].Name) + 1;
            if (count > 1)
                runs[i] = runs[i] with { Name = $"{runs[i].Name} ({count})" };
        }
        return new(runs);
    }

    /// <summary>The figures of each run, one for each of <see cref="FigureNames"/>: scores of the best epoch, accuracies in percent, time of training.</summary>
    public IReadOnlyList<RunFigure[]> Figures() => [.. Runs.Select(run => (RunFigure[])
    [
        new(run.Name), new(run.Options.Model), new($"{run.Rows.Count}/{run.Options.Epochs}", run.Rows.Count), new(run.Options.EvalMetric),
        Of(run.Best, "0", b => b.Row.Epoch), Of(run.Best, "0.00", b => b.Scores.Top1), Of(run.Best, "0.00", b => b.Scores.Top5), Of(run.Best, "0.0000", b => b.Scores.Loss),
        Of(run.Last, "0.00", l => l.Scores.Top1), Of(run.ImagesPerSecond, "0"), Of(run.WaitingPercent, "0.0"), new(LineProgress.Time(TimeSpan.FromSeconds(run.Seconds)), run.Seconds),
    ])];

    /// <summary>The options in which the runs differ: the key, and each run's value.</summary>
    public IReadOnlyList<(string Key, IReadOnlyList<string> Values)> Differences() => [.. TrainingOption.All.Where(o => !Places.Contains(o.Name))
        .Select(o => (o.Key, Values: (IReadOnlyList<string>)[.. Runs.Select(r => o.Get(r.Options) is { } values ? string.Join(' ', values) : "-")]))
        .Where(o => o.Values.Distinct().Count() > 1)];

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var title = Runs.Count <= 3 ? string.Join(", ", Runs.Select(r => r.Name)) : $"{Runs.Count} runs";
        var figures = Figures().Select(cells => Markup.Of($"<tr>{cells.Select(Cell)}</tr>\n"));
        var table = Markup.Of($"""
            <div class="scroll"><table class="sortable">
            <thead><tr>{FigureNames.Select(n => Markup.Of($"<th><button type=\"button\">{n}</button></th>"))}</tr></thead>
            <tbody>
            {figures}</tbody>
            </table></div>
            """);
        return ReportPage.Write($"Runs: {title}", Markup.None, Markup.Join(
        [
            ReportPage.Section("Figures", Markup.Of($"{table}<p class=\"faint\">Scores are those of the best epoch by the run's own metric, of the weight average where there is one. Times are of training, evaluations not included.</p>")),
            ReportPage.Section("Curves", Curves()),
            ReportPage.Section("Options that differ", DifferenceTable()),
        ]), "table.js");
    }

    private Markup Curves()
    {
        var longest = Runs.Max(r => r.Seconds);
        var (unit, seconds) = longest > 7200 ? ("hours", 3600.0) : longest > 120 ? ("minutes", 60.0) : ("seconds", 1.0);
        IReadOnlyList<ChartSeries> Series(Func<RunRecord, IEnumerable<(double, double)>> points) => [.. Runs.Select(r => new ChartSeries(r.Name, [.. points(r)]))];
        return Markup.Of($"<div class=\"row\">\n{Markup.Join(
        [
            LineChart.Draw("Validation top-1", "epoch", "percent", Series(r => r.Evaluated.Select(e => ((double)e.Row.Epoch, e.Scores.Top1)))),
            LineChart.Draw("Validation loss", "epoch", "cross-entropy", Series(r => r.Evaluated.Select(e => ((double)e.Row.Epoch, e.Scores.Loss)))),
            LineChart.Draw("Validation top-1 over the time of training", unit, "percent", Series(r => OverTime(r).Select(p => (p.Seconds / seconds, p.Top1)))),
            LineChart.Draw("Training loss", "epoch", "loss", Series(r => r.Rows.Select(e => ((double)e.Epoch, e.TrainLoss)))),
            LineChart.Draw("Learning rate", "epoch", "rate at the end of the epoch", Series(r => r.Rows.Select(e => ((double)e.Epoch, e.LearningRate)))),
            LineChart.Draw("Throughput", "epoch", "images per second", Series(r => r.Rows.Select(e => ((double)e.Epoch, e.ImagesPerSecond)))),
        ])}</div>");
    }

    private static IEnumerable<(double Seconds, double Top1)> OverTime(RunRecord run)
    {
        var seconds = 0.0;
        foreach (var row in run.Rows)
        {
            seconds += row.Seconds;
            if ((row.Ema ?? row.Eval) is { } scores)
                yield return (seconds, scores.Top1);
        }
    }

    private Markup DifferenceTable()
    {
        var rows = Differences().Select(d => Markup.Of($"<tr><th scope=\"row\">{d.Key}</th>{d.Values.Select(v => Markup.Of($"<td>{v}</td>"))}</tr>\n")).ToList();
        return rows.Count == 0 ? Markup.Of($"<p>The runs were given the same options.</p>") : Markup.Of($"""
            <div class="scroll"><table>
            <tr><th>option</th>{Runs.Select(r => Markup.Of($"<th>{r.Name}</th>"))}</tr>
            {rows}</table></div>
            """);
    }

    // What is missing sorts last.
    private static Markup Cell(RunFigure figure) => figure.Value is { } value ? Markup.Of($"<td class=\"n\" data-value=\"{value:R}\">{figure.Text}</td>")
        : figure.IsMissing ? Markup.Of($"<td class=\"n\" data-value=\"1e300\">{figure.Text}</td>") : Markup.Of($"<td>{figure.Text}</td>");

    private static RunFigure Of((EpochRow Row, Scores Scores)? epoch, string format, Func<(EpochRow Row, Scores Scores), double> value) =>
        epoch is { } e ? Of(value(e), format) : RunFigure.Missing;

    private static RunFigure Of(double value, string format) => double.IsFinite(value) ? new(value.ToString(format, CultureInfo.InvariantCulture), value) : RunFigure.Missing;
}

/// <summary>A figure of a run.</summary>
/// <param name="Text">As it is shown.</param>
/// <param name="Value">By what it is sorted; null for a name.</param>
public readonly record struct RunFigure(string Text, double? Value = null)
{
    /// <summary>A figure that the run does not have.</summary>
    public static RunFigure Missing { get; } = new("-");

    /// <summary>True for <see cref="Missing"/>.</summary>
    public bool IsMissing => this == Missing;
}
