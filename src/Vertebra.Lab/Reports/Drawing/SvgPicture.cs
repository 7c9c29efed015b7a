using Vertebra.Graphs.Drawing;
using Vertebra.Graphs.Profiling;

namespace Vertebra.Lab.Reports.Drawing;

/// <summary>A placed network as one SVG file without scripts, in light or dark as its reader prefers.</summary>
internal sealed class SvgPicture(string title, Placement root, GraphProfile profile)
{
    private const double Margin = 16;
    private const double Legend = 44;

    public override string ToString()
    {
        var (width, height) = (Math.Max(root.Width, 420) + (2 * Margin), root.Height + (2 * Margin) + Legend);
        return Markup.Of($"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:0.#} {height:0.#}" width="{width:0.#}" height="{height:0.#}" role="img" class="drawing" aria-label="{title}">
            <title>{title}</title>
            <style>{ReportPage.Asset("drawing.css")}</style>
            <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="arrow" d="M0 0L8 4L0 8z"/></marker></defs>
            <rect class="ground" width="100%" height="100%"/>
            {LegendAt(Margin, Margin)}<g transform="translate({Margin} {Margin + Legend})">
            {Inside(root, 0)}</g>
            </svg>

            """).ToString();
    }

    private Markup LegendAt(double x, double y) => Markup.Of($"""
        <g transform="translate({x} {y})"><text class="detail" x="0" y="11">{title}: share of the {(IsTimed ? "time" : "multiply-accumulates")}</text>
        {((double[])[0, 0.01, 0.05, 0.2, 0.5, 1]).Select((s, i) => Markup.Of($"<rect class=\"box\" x=\"{i * 56}\" y=\"18\" width=\"52\" height=\"16\" rx=\"3\"/><rect class=\"heat\" x=\"{i * 56}\" y=\"18\" width=\"52\" height=\"16\" rx=\"3\" fill-opacity=\"{Heat(s):0.##}\"/><text class=\"detail\" x=\"{(i * 56) + 26}\" y=\"30\" text-anchor=\"middle\">{100 * s:0} %</text>"))}</g>

        """);

    private bool IsTimed => profile.TotalMilliseconds is not null;

    private double ShareOf(Cost cost) => IsTimed ? Ratio(cost.Milliseconds ?? 0, profile.Root.Cost.Milliseconds ?? 0) : Ratio(cost.Macs, profile.Root.Cost.Macs);

    private static double Ratio(double part, double whole) => whole > 0 ? part / whole : 0;

    // The eye should tell 1 % from nothing and 20 % from 50 %: the root does that.
    private static double Heat(double share) => 0.85 * Math.Sqrt(share);

    private Markup Inside(Placement box, int level)
    {
        var wires = box.Part.Layout!.Wires.SelectMany(w => w.To.Select(b => WireOf(box, w, b)));
        var labels = box.Part.Layout.Wires.Select(w => LabelOf(box, w));
        var children = box.Children.Select(c => Box(c, level + 1));
        return Markup.Of($"{wires}{children}{(level == 0 ? Ends(box) : Markup.None)}{labels}");
    }

    private static Markup WireOf(Placement box, Wire wire, WireBranch branch)
    {
        var endsAtBox = branch.To < box.Part.Inputs.Count + box.Part.Parts.Count || box.Part.Path.Length == 0;
        var skips = branch.Lane >= 0 ? " skip" : "";
        return Markup.Of($"<path class=\"wire{skips}\" d=\"{box.Trace(wire, branch).Path}\"{(endsAtBox ? Markup.Of($" marker-end=\"url(#arrow)\"") : Markup.None)}/>\n");
    }

    private static Markup LabelOf(Placement box, Wire wire)
    {
        var inputs = box.Part.Inputs.Count;
        if (wire.From < inputs || wire.To.All(b => b.To >= inputs + box.Part.Parts.Count))
            return Markup.None;
        var (_, x, y) = box.Trace(wire, wire.To[0]);
        return Markup.Of($"<text class=\"shape\" x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"end\">{BoxText.Sizes(wire.Value.Shape)}</text>\n");
    }

    private static Markup Ends(Placement root)
    {
        var (inputs, parts) = (root.Part.Inputs.Count, root.Part.Parts.Count);
        var items = Enumerable.Range(0, inputs).Concat(Enumerable.Range(inputs + parts, root.Part.Outputs.Count));
        return Markup.Join(items.Select(i =>
        {
            var ((x, y), text) = (root.ItemPlace(i), root.ValueText(i));
            var width = Measures.BoxWidth("", text);
            return Markup.Of($"<rect class=\"end\" x=\"{x - (width / 2):0.#}\" y=\"{y:0.#}\" width=\"{width:0.#}\" height=\"{Measures.InputHeight}\" rx=\"13\"/><text class=\"detail\" x=\"{x:0.#}\" y=\"{y + 17:0.#}\" text-anchor=\"middle\">{text}</text>\n");
        }));
    }

    private Markup Box(Placement box, int level)
    {
        var content = box.IsOpen
            ? Markup.Of($"<rect class=\"module level{level % 2}\" width=\"{box.Width:0.#}\" height=\"{box.Height:0.#}\" rx=\"8\"/>\n{Inside(box, level)}<text x=\"{box.Axis + 12:0.#}\" y=\"15\"><tspan class=\"name\">{box.Name}</tspan><tspan class=\"detail\" dx=\"8\">{box.Detail}</tspan></text>\n")
            : Markup.Of($"<rect class=\"box\" width=\"{box.Width:0.#}\" height=\"{box.Height:0.#}\" rx=\"6\"/><rect class=\"heat\" width=\"{box.Width:0.#}\" height=\"{box.Height:0.#}\" rx=\"6\" fill-opacity=\"{Heat(ShareOf(box.Part.Cost)):0.##}\"/><text class=\"name\" x=\"{box.Axis:0.#}\" y=\"{(box.Detail.Length > 0 ? 17 : 24)}\" text-anchor=\"middle\">{Fit(box.Name, box.Width, 7.6)}{(box.Part.Parts.Count > 0 ? " ⊞" : "")}</text><text class=\"detail\" x=\"{box.Axis:0.#}\" y=\"32\" text-anchor=\"middle\">{Fit(box.Detail, box.Width, 6.3)}</text>\n");
        return Markup.Of($"<g class=\"part\" transform=\"translate({box.X:0.#} {box.Y:0.#})\"><title>{box.Part.Path}: {box.Part.Cost.Parameters / 1e6:0.###} M parameters, {box.Part.Cost.Macs / 1e6:0.#} M multiply-accumulates ({100 * ShareOf(box.Part.Cost):0.#} %)</title>{content}</g>\n");
    }

    internal static string Fit(string text, double width, double perCharacter)
    {
        var most = (int)((width - 12) / perCharacter);
        return text.Length <= most ? text : text[..Math.Max(1, most - 1)] + "…";
    }
}
