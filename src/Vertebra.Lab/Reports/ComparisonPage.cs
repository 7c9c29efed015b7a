using Vertebra.Graphs;
using Vertebra.Graphs.Comparing;

namespace Vertebra.Lab.Reports;

/// <summary>Two networks side by side, as a page.</summary>
public sealed class ComparisonPage
{
    public required string NameA { get; init; }

    public required string NameB { get; init; }

    public required GraphComparison Comparison { get; init; }

    /// <summary>Relative difference up to which numbers count as equal.</summary>
    public required double Tolerance { get; init; }

    /// <summary>What both were run on; empty when they were not.</summary>
    public required string Inputs { get; init; }

    /// <summary>The result in a sentence.</summary>
    public required string Verdict { get; init; }

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var changes = Comparison.Nodes.CountBy(p => p.Change).ToDictionary();
        var cards = ReportPage.Cards(
        [
            ($"{Comparison.Nodes.Count - changes.GetValueOrDefault(NodeChange.Same)}", $"of {Comparison.Nodes.Count} nodes differ"),
            ($"{Comparison.Weights.Count(IsFar)}", $"of {Comparison.Weights.Count} weights differ"),
            ($"{Comparison.Activations.Count(a => !(a.Difference.Relative <= Tolerance))}", $"of {Comparison.Activations.Count} results differ"),
        ]);
        return ReportPage.Write($"{NameA} and {NameB}", Markup.Of($"<p>{Verdict}</p>\n{cards}"), Markup.Join([Structure(), Activations(), Weights()]), "table.js");
    }

    private bool IsFar(WeightPair weight) => weight.Difference is { } d ? !(d.Relative <= Tolerance) : !weight.IsEqual;

    private Markup Structure()
    {
        var rows = Comparison.Nodes.Where(p => p.Change != NodeChange.Same).Select(p => Markup.Of(
            $"<tr><td>{p.Change.ToString().ToLowerInvariant()}</td><td>{(p.A ?? p.B)!.ModulePath}</td><td>{Describe(p.A)}</td><td>{Describe(p.B)}</td></tr>\n")).ToList();
        return ReportPage.Section("Structure", rows.Count == 0 ? Markup.Of($"<p>Both have the same nodes.</p>")
            : Markup.Of($"<div class=\"scroll\"><table>\n<tr><th></th><th>module</th><th>{NameA}</th><th>{NameB}</th></tr>\n{rows}</table></div>"));
    }

    private static string Describe(Node? node) => node is null ? "–" : $"{node.Op} → {node.Outputs[0].Shape}";

    private Markup Activations()
    {
        if (Comparison.Activations.Count == 0)
            return Markup.None;
        var first = Comparison.FirstDivergence(Tolerance);
        var points = Comparison.Activations.Select((a, i) => ((double)i, a.Difference.Relative > 0 ? Math.Log10(a.Difference.Relative) : double.NaN)).ToArray();
        var chart = LineChart.Draw("Relative difference from node to node", "node", "log10 of the relative L2 difference", [new ChartSeries("difference", points)]);
        var rows = Comparison.Activations.Select((a, i) => Markup.Of(
            $"<tr><td class=\"n\" data-value=\"{i}\">{i}</td><td>{a.Pair.A!.ModulePath}{(a == first ? Markup.Of($" <b>first to diverge</b>") : Markup.None)}</td><td>{a.Pair.A.Op.Name}</td>{Cells(a.Difference)}</tr>\n"));
        return ReportPage.Section("Results", Markup.Of($"<p class=\"faint\">Run on {Inputs}.</p>\n{chart}{Table("results", ["node", "module", "op"], rows)}"));
    }

    private Markup Weights()
    {
        var rows = Comparison.Weights.Select(w => Markup.Of($"<tr><td>{w.Name}</td><td>{Shapes(w)}</td>{(w.Difference is { } d ? Cells(d) : Markup.Of($"<td colspan=\"5\">{(w.IsEqual ? "equal" : w.ShapeA is null ? $"only in {NameB}" : w.ShapeB is null ? $"only in {NameA}" : "other shape, type or numbers")}</td>"))}</tr>\n"));
        return ReportPage.Section("Weights", Table("weights", ["name", "shape"], rows));
    }

    private static string Shapes(WeightPair weight) => weight.ShapeA is { } a && weight.ShapeB is { } b && a != b ? $"{a} / {b}" : (weight.ShapeA ?? weight.ShapeB)!.Value.ToString();

    private static Markup Table(string id, IEnumerable<string> names, IEnumerable<Markup> rows) => Markup.Of($"""
        <p><label>Show only <input data-filter="{id}"></label></p>
        <div class="scroll"><table class="sortable" id="{id}">
        <thead><tr>{names.Concat(["relative", "cosine", "largest", "norm A", "norm B"]).Select(n => Markup.Of($"<th><button type=\"button\">{n}</button></th>"))}</tr></thead>
        <tbody>
        {rows}</tbody>
        </table></div>
        """);

    private static Markup Cells(TensorDifference d) =>
        Markup.Of($"{Cell(d.Relative, "0.0e0")}{Cell(d.Cosine, "0.000000")}{Cell(d.Largest, "0.0e0")}{Cell(d.NormA, "0.####")}{Cell(d.NormB, "0.####")}");

    // What is not a number sorts last.
    private static Markup Cell(double value, string format) => Markup.Of(
        $"<td class=\"n\" data-value=\"{(double.IsNaN(value) ? 1e300 : value):R}\">{value.ToString(format, System.Globalization.CultureInfo.InvariantCulture)}</td>");
}
