using System.Globalization;
using System.Text;
using Vertebra.Lab.Reports;

namespace Vertebra.Lab.Studies;

/// <summary>What a <see cref="CouplingStudy"/> found.</summary>
/// <param name="Study">What was asked.</param>
/// <param name="Cells">Every network with every optimiser.</param>
public sealed record CouplingResult(CouplingStudy Study, IReadOnlyList<CouplingCell> Cells)
{
    /// <summary>The cell of a network and an optimiser.</summary>
    public CouplingCell this[string network, string optimizer] => Cells.Single(c => c.Network == network && c.Optimizer == optimizer);

    /// <summary>A row for each network.</summary>
    public IReadOnlyList<CouplingRow> Rows => [.. Study.Networks.Select(RowOf)];

    private CouplingRow RowOf(string network)
    {
        var cells = Cells.Where(c => c.Network == network && c.Rate is not null).OrderBy(c => c.Top1.Mean).ToArray();
        var distances = cells.Select(c => (double)Math.Abs(c.Rate!.Value - UsualRate(c.Optimizer))).ToArray();
        var counted = cells.Skip(cells.Length > 2 ? 1 : 0).Select(c => c.Top1.Mean).ToArray();
        return new(network, cells.LastOrDefault()?.Optimizer, Spread.Of(counted), counted.Length == 0 ? double.NaN : counted[^1] - counted[0], distances.DefaultIfEmpty(double.NaN).Average());
    }

    /// <summary>The rate that is the best one for most networks; the lowest of several.</summary>
    private int UsualRate(string optimizer) =>
        Cells.Where(c => c.Optimizer == optimizer && c.Rate is not null).GroupBy(c => c.Rate!.Value).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).First().Key;

    /// <summary>How far an optimiser stays behind the network's best one, in percentage points.</summary>
    public double Shortfall(CouplingCell cell) => Cells.Where(c => c.Network == cell.Network && c.Rate is not null).Select(c => c.Top1.Mean).DefaultIfEmpty(double.NaN).Max() - cell.Top1.Mean;

    // ---------------------------------------------------------------- output

    /// <summary>The cells as CSV.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("network,optimizer,rate_factor,seeds,top1,deviation,shortfall\n");
        foreach (var cell in Cells)
            text.Append(CultureInfo.InvariantCulture, $"{cell.Network},{cell.Optimizer},{Factor(cell)},{cell.Top1.Count},{Number(cell.Top1.Mean)},{Number(cell.Top1.Deviation)},{Number(Shortfall(cell))}\n");
        return text.ToString();
    }

    private static string Number(double value) => double.IsFinite(value) ? value.ToString("0.####", CultureInfo.InvariantCulture) : "";

    private string Factor(CouplingCell cell) => cell.Rate is { } rate ? Study.Factors[rate].ToString("R", CultureInfo.InvariantCulture) : "";

    /// <summary>Headings of <see cref="Table"/>.</summary>
    public IReadOnlyList<string> Headings => ["network", .. Study.Optimizers, "best", "mean", "deviation", "range", "rate distance"];

    /// <summary>Top-1 by network and optimiser, and how robust each network is.</summary>
    public IReadOnlyList<string[]> Table() =>
    [
        .. Rows.Select(row => (string[])
        [
            row.Network, .. Study.Optimizers.Select(o => this[row.Network, o].Top1.Text("0.0")), row.Best ?? "-", Show(row.Top1.Mean), Show(row.Top1.Deviation), Show(row.Range), Show(row.RateDistance),
        ]),
    ];

    private static string Show(double value) => double.IsFinite(value) ? value.ToString("0.00", CultureInfo.InvariantCulture) : "-";

    /// <summary>The page: the heat map and the robustness of the networks.</summary>
    public string ToHtml()
    {
        var worst = Cells.Select(Shortfall).Where(double.IsFinite).DefaultIfEmpty(0).Max();
        var heat = Markup.Of($"""
            <div class="scroll"><table>
            <tr><th>network</th>{Study.Optimizers.Select(o => Markup.Of($"<th class=\"n\">{o}</th>"))}</tr>
            {Study.Networks.Select(n => Markup.Of($"<tr><th scope=\"row\">{n}</th>{Study.Optimizers.Select(o => Heat(this[n, o], worst))}</tr>\n"))}</table></div>
            <p class="faint">Validation top-1 after the last epoch, in percent, at the best of the rates × {string.Join(", ", Study.Factors.Select(f => f.ToString("R", CultureInfo.InvariantCulture)))}. The darker a cell, the further its optimiser stays behind the network's best one.</p>
            """);
        var rows = Rows.Select(r => Markup.Of($"<tr><th scope=\"row\">{r.Network}</th><td>{r.Best ?? "-"}</td><td class=\"n\">{Show(r.Top1.Mean)}</td><td class=\"n\">{Show(r.Top1.Deviation)}</td><td class=\"n\">{Show(r.Range)}</td><td class=\"n\">{Show(r.RateDistance)}</td></tr>\n"));
        var robustness = Markup.Of($"""
            <table>
            <tr><th>network</th><th>best optimiser</th><th class="n">mean</th><th class="n">deviation</th><th class="n">range</th><th class="n">rate distance</th></tr>
            {rows}</table>
            <p class="faint">Over the optimisers but the worst one. A network with a large deviation and range is tightly coupled: it wants its own optimiser. The rate distance counts, in steps of the grid, how far its best rates lie from those that suit most networks.</p>
            """);
        return ReportPage.Write("Networks and optimisers", Markup.None, Markup.Join([ReportPage.Section("Top-1", heat), ReportPage.Section("Robustness of the networks", robustness)]));
    }

    private Markup Heat(CouplingCell cell, double worst)
    {
        var shortfall = Shortfall(cell);
        var share = cell.Rate is null ? 80 : worst <= 0 ? 0 : 80 * shortfall / worst;
        var title = cell.Rate is null ? "no run came to its end" : FormattableString.Invariant($"{cell.Network} with {cell.Optimizer}: {shortfall:0.00} points behind the best, at {Factor(cell)} of its usual rate");
        return Markup.Of($"<td class=\"n\" title=\"{title}\" style=\"background:color-mix(in srgb, var(--bad) {share:0}%, transparent)\">{cell.Top1.Text("0.0")}</td>");
    }
}
