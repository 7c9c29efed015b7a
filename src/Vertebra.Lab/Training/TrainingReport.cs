using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Reports;

namespace Vertebra.Lab.Training;

/// <summary>What <c>report.html</c> tells of a run.</summary>
public sealed class TrainingReport
{
    private const int MistakesShown = 24;
    private const int ConfusionsShown = 10;

    /// <summary>Heading: the network and its data.</summary>
    public required string Title { get; init; }

    /// <summary>One sentence: how the run ended.</summary>
    public required string Outcome { get; init; }

    /// <summary>Numbers for the top of the page.</summary>
    public required IReadOnlyList<(string Value, string Label)> Highlights { get; init; }

    /// <summary>Epochs so far.</summary>
    public required IReadOnlyList<EpochRow> Rows { get; init; }

    /// <summary>The evaluation that the matrix, the bars and the pictures are of; null when there was none.</summary>
    public EvaluationResult? Evaluation { get; init; }

    /// <summary>Which weights that was.</summary>
    public string EvaluationNote { get; init; } = "";

    public required IReadOnlyList<string> ClassNames { get; init; }

    /// <summary>The picture of a validation image; null when it cannot be read.</summary>
    public Func<int, RgbImage?> LoadImage { get; init; } = _ => null;

    /// <summary>What to call a validation image.</summary>
    public Func<int, string> NameOf { get; init; } = index => $"image {index}";

    /// <summary>Tables of facts under their headings.</summary>
    public IReadOnlyList<(string Title, IReadOnlyList<(string Name, string Value)> Facts)> Facts { get; init; } = [];

    /// <summary>Commands to copy, with what they do.</summary>
    public IReadOnlyList<(string Purpose, string Command)> Commands { get; init; } = [];

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var lead = Markup.Of($"<p>{Outcome}</p>\n{ReportPage.Cards(Highlights)}");
        return ReportPage.Write(Title, lead, Markup.Join([Curves(), Judgement(), Mistakes(), Tables(), CommandList()]));
    }

    private Markup Curves()
    {
        if (Rows.Count == 0)
            return Markup.None;
        ChartSeries Series(string name, Func<EpochRow, double?> value) =>
            new(name, [.. Rows.Where(r => value(r) is not null).Select(r => ((double)r.Epoch, value(r)!.Value))]);
        var loss = LineChart.Draw("Loss", "epoch", "cross-entropy",
            [Series("training", r => r.TrainLoss), Series("validation", r => r.Eval?.Loss), Series("validation, weight average", r => r.Ema?.Loss)]);
        var accuracy = LineChart.Draw("Accuracy", "epoch", "percent",
            [Series("training (augmented)", r => r.TrainTop1), Series("validation top-1", r => r.Eval?.Top1),
                Series("validation top-1, weight average", r => r.Ema?.Top1), Series("validation top-5", r => ClassNames.Count > 5 ? r.Eval?.Top5 : null),
                Series("mean average precision", r => r.Eval?.Map), Series("mean average precision, weight average", r => r.Ema?.Map)]);
        var rate = LineChart.Draw("Learning rate", "epoch", "rate at the end of the epoch", [Series("learning rate", r => r.LearningRate)]);
        var speed = LineChart.Draw("Throughput", "epoch", "images per second", [Series("training", r => r.ImagesPerSecond)]);
        var waiting = LineChart.Draw("Waiting for images", "epoch", "percent of the training time", [Series("waiting", r => 100 * r.DataSeconds / Math.Max(1e-9, r.Seconds))]);
        return ReportPage.Section("How it went", Markup.Of($"<div class=\"row\">\n{loss}{accuracy}{rate}{speed}{waiting}</div>"));
    }

    private Markup Judgement()
    {
        if (Evaluation is not { } evaluation)
            return Markup.None;
        if (evaluation.MultiLabel is { } scores)
            return Precisions(scores);
        var matrix = HeatMap.CanShow(ClassNames.Count)
            ? HeatMap.Draw("Rows: true class. Columns: predicted class. Blue: right, orange: wrong.", ClassNames, evaluation.Confusion)
            : Markup.Of($"<p class=\"faint\">{ClassNames.Count} classes are too many for a matrix; the table shows what was confused most.</p>");
        var bars = Enumerable.Range(0, ClassNames.Count).Select(c => (Label: c, Accuracy: evaluation.AccuracyOf(c))).OrderBy(c => c.Accuracy ?? 101)
            .Select(c => (ClassNames[c.Label], c.Accuracy, $"{evaluation.Confusion.GetValueOrDefault((c.Label, c.Label))} of {evaluation.CountOf(c.Label)}"));
        var confusions = evaluation.Confusions().Take(ConfusionsShown).Select(c => Markup.Of(
            $"<tr><td>{ClassNames[c.Actual]}</td><td>{ClassNames[c.Predicted]}</td><td class=\"n\">{c.Count}</td><td class=\"n\">{100.0 * c.Count / evaluation.CountOf(c.Actual):0.0} %</td></tr>\n"));
        return Markup.Join(
        [
            ReportPage.Section("What is taken for what", Markup.Of($"""
                <p class="faint">{EvaluationNote}</p>
                {matrix}
                <h3>Most frequent confusions</h3>
                <table>
                <tr><th>is</th><th>taken for</th><th class="n">images</th><th class="n">of the class</th></tr>
                {confusions}</table>
                """)),
            ReportPage.Section("Accuracy by class, the weakest first", ReportPage.Bars([.. bars])),
        ]);
    }

    private Markup Precisions(MultiLabelScores scores)
    {
        var bars = Enumerable.Range(0, ClassNames.Count).OrderBy(c => scores.AveragePrecision[c] ?? 101)
            .Select(c => (ClassNames[c], scores.AveragePrecision[c], FormattableString.Invariant($"F1 {scores.F1[c] ?? 0:0.0} %, {scores.Counts[c]} images")));
        return ReportPage.Section("Average precision by class, the weakest first", Markup.Of($"""
            <p class="faint">{EvaluationNote}</p>
            {ReportPage.Bars([.. bars])}
            """));
    }

    private Markup Mistakes()
    {
        if (Evaluation is not { Mistakes.Count: > 0 } evaluation)
            return Markup.None;
        var figures = evaluation.Mistakes.Take(MistakesShown).Select(Picture);
        return ReportPage.Section("Worst mistakes", Markup.Of(
            $"<p class=\"faint\">Wrong answers given with the most confidence. Some may be wrong labels.</p>\n<div class=\"gallery\">\n{figures}</div>"));
    }

    private Markup Picture(Mistake mistake)
    {
        var picture = LoadImage(mistake.Index) is { } image ? ReportPage.Picture(image, NameOf(mistake.Index)) : Markup.Of($"<p class=\"faint\">(no picture)</p>");
        return Markup.Of($"""
            <figure>
            {picture}
            <b>{ClassNames[mistake.Predicted]}</b> {100 * mistake.Confidence:0} %<br>is {ClassNames[mistake.Actual]} ({100 * mistake.ActualConfidence:0.0} %)<br><span class="faint">{NameOf(mistake.Index)}</span>
            </figure>

            """);
    }

    private Markup Tables() => Markup.Join(Facts.Where(f => f.Facts.Count > 0).Select(f => ReportPage.Section(f.Title, ReportPage.Facts(f.Facts))));

    private Markup CommandList() => Commands.Count == 0 ? Markup.None
        : ReportPage.Section("Commands", Markup.Join(Commands.Select(c => ReportPage.Command(c.Purpose, c.Command))));
}
