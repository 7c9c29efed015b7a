using System.Globalization;
using System.Text;
using Vertebra.Lab.Reports;
using Vertebra.Lab.Training;

namespace Vertebra.Lab.Studies;

/// <summary>What the finished runs of a study have shown: means and spreads over the seeds, and answers to its questions.</summary>
/// <param name="Grid">What was asked.</param>
/// <param name="Runs">The finished runs, with what their folders tell.</param>
public sealed record StudyResult(StudyGrid Grid, IReadOnlyList<(StudyRun Run, RunRecord Record)> Runs)
{
    private static readonly string[] RowNames = ["variant", "network", "runs", "final top-1", "best top-1", "final loss", "seconds", "images/s"];
    private static readonly string[] AnswerNames = ["question", "network", "difference", "standard error", "answer"];

    /// <summary>Runs that ended because a number was no longer finite; they count in no mean.</summary>
    public IReadOnlyList<StudyRun> Diverged { get; init; } = [];

    /// <summary>Headings of <see cref="Rows"/>.</summary>
    public static IReadOnlyList<string> Headings => RowNames;

    /// <summary>Headings of <see cref="Answers"/>.</summary>
    public static IReadOnlyList<string> AnswerHeadings => AnswerNames;

    /// <summary>The values of one variant with one network, one for each finished seed.</summary>
    public IReadOnlyList<double> Values(string variant, string network, Func<RunRecord, double> of) =>
        [.. RecordsOf(variant, network).Select(of).Where(double.IsFinite)];

    /// <summary>Mean and spread of a metric over the seeds.</summary>
    public Spread SpreadOf(string variant, string network, StudyMetric metric) => Spread.Of(Values(variant, network, r => ValueOf(r, metric)));

    /// <summary>The value that a metric names.</summary>
    public static double ValueOf(RunRecord record, StudyMetric metric) => metric switch
    {
        StudyMetric.Best => record.Evaluated.Select(e => e.Scores.Top1).DefaultIfEmpty(double.NaN).Max(),
        StudyMetric.Seconds => record.Seconds,
        StudyMetric.Epochs => record.Rows.Count,
        _ => record.Last?.Scores.Top1 ?? double.NaN,
    };

    private IEnumerable<RunRecord> RecordsOf(string variant, string network) =>
        Runs.Where(r => r.Run.Variant.Name == variant && r.Run.Network == network).Select(r => r.Record);

    /// <summary>A row for every network and variant, as text under <see cref="Headings"/>.</summary>
    public IReadOnlyList<string[]> Rows() =>
    [
        .. from network in Grid.Networks
           from variant in Grid.Variants.Select(v => v.Name)
           let losses = Spread.Of(Values(variant, network, r => r.Last?.Scores.Loss ?? double.NaN))
           let speeds = Spread.Of(Values(variant, network, r => r.ImagesPerSecond))
           select (string[])
           [
               variant, network, CountOf(variant, network), SpreadOf(variant, network, StudyMetric.Final).Text("0.00"), SpreadOf(variant, network, StudyMetric.Best).Text("0.00"),
               losses.Text("0.000"), SpreadOf(variant, network, StudyMetric.Seconds).Text("0.0"), speeds.Text("0"),
           ],
    ];

    private string CountOf(string variant, string network) =>
        $"{RecordsOf(variant, network).Count()}" + (Diverged.Count(r => r.Variant.Name == variant && r.Network == network) is > 0 and var lost ? $" ({lost} diverged)" : "");

    /// <summary>The study's comparisons, network by network, as text under <see cref="AnswerHeadings"/>; those without a run on either side are left out.</summary>
    public IReadOnlyList<string[]> Answers() =>
    [
        .. from comparison in Grid.Comparisons
           from network in Grid.Networks
           let left = SpreadOf(comparison.Left, network, comparison.Metric)
           let right = SpreadOf(comparison.Right, network, comparison.Metric)
           where left.Count > 0 && right.Count > 0
           select Answer(comparison, network, left, right),
    ];

    private static string[] Answer(StudyComparison comparison, string network, Spread left, Spread right)
    {
        var (difference, error) = StudyComparison.Between(left, right);
        var answer = comparison.Judge(left, right) switch
        {
            StudyVerdict.Holds => "yes",
            StudyVerdict.Fails => "no, the opposite",
            _ when double.IsNaN(error) => "open: two seeds of each are the least",
            _ => "open: within two standard errors",
        };
        return [comparison.ToString(), network, difference.ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture), double.IsNaN(error) ? "-" : error.ToString("0.00", CultureInfo.InvariantCulture), answer];
    }

    // ---------------------------------------------------------------- output

    /// <summary>A line for every finished run.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("variant,network,seed,final_top1,best_top1,final_loss,epochs,train_seconds,images_per_second,waiting_percent\n");
        foreach (var (run, record) in Runs)
        {
            double[] values =
            [
                ValueOf(record, StudyMetric.Final), ValueOf(record, StudyMetric.Best), record.Last?.Scores.Loss ?? double.NaN,
                record.Rows.Count, record.Seconds, record.ImagesPerSecond, record.WaitingPercent,
            ];
            text.Append(CultureInfo.InvariantCulture, $"{run.Variant.Name},{run.Network},{run.Seed},").AppendJoin(',', values.Select(v => v.ToString("R", CultureInfo.InvariantCulture))).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>The tables as Markdown.</summary>
    public string ToMarkdown() =>
        $"# {Grid.Title}\n\n{Table(RowNames, Rows())}\nTop-1 in percent, mean ± sample standard deviation over the seeds. *best* is chosen by the images that it is counted on.\n"
        + (Answers() is { Count: > 0 } answers ? $"\n{Table(AnswerNames, answers)}" : "");

    private static string Table(string[] names, IReadOnlyList<string[]> rows) =>
        string.Concat(((string[][])[names, [.. names.Select(_ => "---")], .. rows]).Select(cells => $"| {string.Join(" | ", cells)} |\n"));

    /// <summary>The page: tables, mean curves, and links to the reports of the runs.</summary>
    public string ToHtml() => ReportPage.Write(Grid.Title, Markup.Of($"<p class=\"faint\">{Runs.Count} runs. Mean ± sample standard deviation over the seeds.</p>"), Markup.Join(
    [
        ReportPage.Section("Results", HtmlTable(RowNames, Rows(), texts: 2)),
        Grid.Comparisons.Count == 0 ? Markup.None : ReportPage.Section("Questions", Markup.Of(
            $"{HtmlTable(AnswerNames, Answers(), texts: 2)}<p class=\"faint\">A difference counts where it is more than two standard errors: the root of the sum of the variances of both means.</p>")),
        ReportPage.Section("Curves", Markup.Of($"<div class=\"row\">\n{Grid.Networks.Select(Curves)}</div>")),
        ReportPage.Section("Runs", Markup.Of($"<ul>{Runs.Select(r => Markup.Of($"<li><a href=\"{r.Run.Name}/report.html\">{r.Run.Name}</a></li>\n"))}</ul>")),
    ]));

    private static Markup HtmlTable(string[] names, IReadOnlyList<string[]> rows, int texts) => Markup.Of($"""
        <div class="scroll"><table>
        <tr>{names.Select((n, i) => Markup.Of($"<th class=\"{(i < texts ? "" : "n")}\">{n}</th>"))}</tr>
        {rows.Select(cells => Markup.Of($"<tr>{cells.Select((c, i) => Markup.Of($"<td class=\"{(i < texts ? "" : "n")}\">{c}</td>"))}</tr>\n"))}</table></div>
        """);

    private Markup Curves(string network) => LineChart.Draw($"Validation top-1 of {network}, mean over the seeds", "epoch", "percent",
        [.. Grid.Variants.Select(v => new ChartSeries(v.Name, MeanCurve(v.Name, network)))]);

    private IReadOnlyList<(double, double)> MeanCurve(string variant, string network) =>
        [.. RecordsOf(variant, network).SelectMany(r => r.Evaluated).GroupBy(e => e.Row.Epoch, e => e.Scores.Top1).OrderBy(g => g.Key).Select(g => ((double)g.Key, g.Average()))];
}
