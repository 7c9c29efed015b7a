using Vertebra.Graphs.Profiling;

namespace Vertebra.Lab.Reports;

/// <summary>A profile as a page: totals, roofline, the tree of modules, and every node in a table that sorts.</summary>
public sealed class ProfilePage
{
    private const int DepthAtFirst = 2;

    /// <summary>Name of the network.</summary>
    public required string Title { get; init; }

    /// <summary>Input and machine, in one line.</summary>
    public required string Setting { get; init; }

    public required GraphProfile Profile { get; init; }

    /// <summary>Null when no times were measured.</summary>
    public required Roofline? Roofline { get; init; }

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var total = Profile.Root.Cost;
        var cards = new List<(string, string)>
        {
            (FormattableString.Invariant($"{total.Parameters / 1e6:0.00} M"), "parameters"),
            (FormattableString.Invariant($"{total.Macs / 1e9:0.00} G"), "multiply-accumulates"),
            (FormattableString.Invariant($"{total.Activations / 1e6:0.00} M"), "activations"),
            (FormattableString.Invariant($"{total.Bytes / 1e6:0.0} MB"), "read and written"),
        };
        if (Profile.TotalMilliseconds is { } time)
        {
            cards.Add((FormattableString.Invariant($"{time:0.0} ms"), "median of a run, node by node"));
            cards.Add((FormattableString.Invariant($"{total.Macs / time / 1e6:0} G/s"), "multiply-accumulates"));
        }
        var lead = Markup.Of($"<p class=\"faint\">{Setting}</p>\n{ReportPage.Cards(cards)}");
        return ReportPage.Write(Title, lead, Markup.Join([RooflineSection(), Modules(), Nodes()]), "table.js");
    }

    private Markup RooflineSection() => Roofline is not { } roofline ? Markup.None
        : ReportPage.Section("What it waits for", Markup.Of($"""
            <p>{roofline.Verdict}. The ceilings alone would take {roofline.LeastMilliseconds:0.0} ms of the {Profile.TotalMilliseconds ?? 0:0.0} ms.</p>
            {RooflineChart.Draw(roofline)}<p class="faint">Ceilings are measured: fused multiply-adds in registers, and memory that no cache holds. A dot may lie above them: operands in the cache come faster than from memory, and Winograd convolutions multiply less than is counted.</p>
            """));

    private Markup Modules() => ReportPage.Section("Modules", Markup.Of($"<div class=\"scroll\"><table>\n<tr><th>module</th>{Headings()}</tr>\n{Profile.Root.All().Where(m => m.Depth <= DepthAtFirst).Select(ModuleRow)}</table></div>"));

    private Markup ModuleRow(ModuleProfile module) => Markup.Of(
        $"<tr><td style=\"padding-left:{1.2 * module.Depth:0.#}em\">{(module.Path.Length == 0 ? "(network)" : module.Name)}</td>{Cells(module.Last, module.Cost)}</tr>\n");

    private Markup Nodes() => ReportPage.Section("Nodes", Markup.Of($"""
        <p><label>Show only <input data-filter="nodes" placeholder="layer1, Conv2d ..."></label></p>
        <div class="scroll"><table class="sortable" id="nodes">
        <thead><tr>{SortButton("#", true)}{SortButton("module", false)}{SortButton("op", false)}{Names().Select(n => SortButton(n, true))}</tr></thead>
        <tbody>
        {Profile.Nodes.Select((n, i) => NodeRow(n, i))}</tbody>
        </table></div>
        """));

    private static Markup SortButton(string name, bool isNumber) => Markup.Of($"<th class=\"{(isNumber ? "n" : "")}\"><button type=\"button\">{name}</button></th>");

    private Markup NodeRow(NodeProfile node, int index) => Markup.Of(
        $"<tr><td class=\"n\" data-value=\"{index}\">{index}</td><td>{node.Node.ModulePath}</td><td>{node.Node.Op.Name}</td>{Cells(node, node.Cost)}</tr>\n");

    private Markup Headings() => Markup.Join(Names().Select(n => Markup.Of($"<th class=\"n\">{n}</th>")));

    private IEnumerable<string> Names() => ((string[])["output", "parameters", "M MACs", "M activations", "MB", "MAC/B", "field", "stride", "ms", "%"]).Take(Profile.TotalMilliseconds is null ? 8 : 10);

    private Markup Cells(NodeProfile node, Cost cost)
    {
        var (h, w) = (node.Field?.Height, node.Field?.Width);
        var stride = h is { IsWhole: false } a && w is { IsWhole: false } b ? a.Stride == b.Stride ? FormattableString.Invariant($"{a.Stride:0.##}") : FormattableString.Invariant($"{a.Stride:0.##}x{b.Stride:0.##}") : "–";
        var cells = new List<Markup>
        {
            Markup.Of($"<td class=\"n\" data-value=\"{node.OutputShape.ElementCount}\">{string.Join('×', node.OutputShape)}</td>"),
            Cell(cost.Parameters, cost.Parameters.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture)),
            Cell(cost.Macs, FormattableString.Invariant($"{cost.Macs / 1e6:0.00}")),
            Cell(cost.Activations, FormattableString.Invariant($"{cost.Activations / 1e6:0.000}")),
            Cell(cost.Bytes, FormattableString.Invariant($"{cost.Bytes / 1e6:0.00}")),
            Cell(cost.Intensity, FormattableString.Invariant($"{cost.Intensity:0.0}")),
            Cell(h is { IsWhole: false } f ? f.Size : h is null ? -1 : 1e9, node.Field?.ToString() ?? "–"),
            Cell(h is { IsWhole: false } s ? s.Stride : h is null ? -1 : 1e9, stride),
        };
        if (Profile.TotalMilliseconds is { } total)
        {
            var time = cost.Milliseconds ?? 0;
            cells.Add(Cell(time, FormattableString.Invariant($"{time:0.000}")));
            cells.Add(Cell(time, FormattableString.Invariant($"{100 * time / total:0.0}")));
        }
        return Markup.Join(cells);
    }

    private static Markup Cell(double value, string text) => Markup.Of($"<td class=\"n\" data-value=\"{value:0.######}\">{text}</td>");
}
