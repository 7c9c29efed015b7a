using Vertebra.Graphs.Profiling;

namespace Vertebra.Lab.Reports;

/// <summary>
/// A roofline as inline SVG: arithmetic intensity against speed, both logarithmic, under the ceilings of arithmetic and of
/// memory. A node is a dot whose area is its share of the time and whose name shows under the pointer.
/// </summary>
public static class RooflineChart
{
    private const double Width = 1000, Height = 460, Left = 64, Right = 16, Top = 14, Bottom = 46;

    /// <summary>Draws all nodes that multiply and accumulate.</summary>
    public static Markup Draw(Roofline roofline)
    {
        var nodes = roofline.Profile.Nodes.Where(n => n.Cost is { Macs: > 0, Milliseconds: > 0 }).OrderByDescending(n => n.Cost.Milliseconds).ToArray();
        if (nodes.Length == 0)
            return Markup.Of($"<p class=\"faint\">no node multiplies and accumulates: there is nothing to place under the roofline</p>\n");
        var machine = roofline.Machine;
        var x = LogAxis.Around([.. nodes.Select(n => n.Cost.Intensity), machine.Ridge / 4, machine.Ridge * 4], Left, Width - Right);
        var y = LogAxis.Around([.. nodes.Select(SpeedOf), machine.GigaMacsPerSecond * 1.5], Height - Bottom, Top);
        var longest = nodes[0].Cost.Milliseconds!.Value;
        return Markup.Of($"""
            <figure>
            <figcaption>Every dot is a node: its area is the time it takes. Under the slope memory is the limit, under the level part arithmetic.</figcaption>
            <ul class="legend"><li><i style="background:var(--s1)"></i>bound by arithmetic</li><li><i style="background:var(--s2)"></i>bound by memory</li><li><i style="background:var(--ink)"></i>ceilings of this machine</li></ul>
            <svg id="roofline" viewBox="0 0 {Width} {Height}" width="{Width}" height="{Height}" role="img" aria-label="Roofline: {roofline.Verdict}">
            {x.Decades.Select(d => VerticalLine(x, d))}{y.Decades.Select(d => HorizontalLine(y, d))}<text x="{(Left + Width - Right) / 2}" y="{Height - 6}" text-anchor="middle">multiply-accumulates per byte</text>
            <text x="14" y="{(Top + Height - Bottom) / 2}" text-anchor="middle" transform="rotate(-90 14 {(Top + Height - Bottom) / 2})">GMAC/s</text>
            {Ceilings(machine, x, y)}{nodes.Select(n => Dot(roofline, n, x, y, longest))}</svg>
            </figure>

            """);
    }

    private static double SpeedOf(NodeProfile node) => node.Cost.Macs / node.Cost.Milliseconds!.Value / 1e6;

    private static Markup VerticalLine(LogAxis axis, double value) => Markup.Of(
        $"<line class=\"grid\" x1=\"{axis.Map(value):0.#}\" x2=\"{axis.Map(value):0.#}\" y1=\"{Top}\" y2=\"{Height - Bottom}\"/><text x=\"{axis.Map(value):0.#}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{value:0.#####}</text>\n");

    private static Markup HorizontalLine(LogAxis axis, double value) => Markup.Of(
        $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{axis.Map(value):0.#}\" y2=\"{axis.Map(value):0.#}\"/><text x=\"{Left - 6}\" y=\"{axis.Map(value) + 4:0.#}\" text-anchor=\"end\">{value:0.#####}</text>\n");

    private static Markup Ceilings(MachineSpeed machine, LogAxis x, LogAxis y)
    {
        // The slope begins where it meets the left or the lower border.
        var start = Math.Max(x.From, y.From / machine.GigaBytesPerSecond);
        var end = Math.Min(machine.Ridge, x.To);
        var middle = Math.Sqrt(start * end);
        return Markup.Of($"""
            <path class="curve" style="stroke:var(--ink)" d="M{x.Map(start):0.#} {y.Map(start * machine.GigaBytesPerSecond):0.#}L{x.Map(end):0.#} {y.Map(end * machine.GigaBytesPerSecond):0.#}L{x.Map(x.To):0.#} {y.Map(machine.GigaMacsPerSecond):0.#}"/>
            <text x="{x.Map(end) - 8:0.#}" y="{y.Map(machine.GigaMacsPerSecond) - 8:0.#}" text-anchor="end">{machine.GigaMacsPerSecond:0} GMAC/s</text>
            <text x="{x.Map(middle) + 14:0.#}" y="{y.Map(middle * machine.GigaBytesPerSecond) + 14:0.#}">{machine.GigaBytesPerSecond:0.0} GB/s</text>

            """);
    }

    private static Markup Dot(Roofline roofline, NodeProfile node, LogAxis x, LogAxis y, double longest)
    {
        var color = roofline.IsBoundByArithmetic(node) ? "s1" : "s2";
        var radius = 2.5 + (11 * Math.Sqrt(node.Cost.Milliseconds!.Value / longest));
        return Markup.Of($"<circle cx=\"{x.Map(node.Cost.Intensity):0.#}\" cy=\"{y.Map(SpeedOf(node)):0.#}\" r=\"{radius:0.#}\" style=\"fill:var(--{color});fill-opacity:0.55;stroke:var(--{color})\"><title>{node.Node.ModulePath} {node.Node.Op.Name}: {node.Cost.Milliseconds ?? 0:0.000} ms, {SpeedOf(node):0.#} GMAC/s, {node.Cost.Intensity:0.##} MAC per byte</title></circle>\n");
    }

    private sealed record LogAxis(double From, double To, double Start, double End)
    {
        public IEnumerable<double> Decades
        {
            get
            {
                for (var exponent = (int)Math.Ceiling(Math.Log10(From) - 1e-9); exponent <= Math.Log10(To) + 1e-9; exponent++)
                    yield return Math.Pow(10, exponent);
            }
        }

        public static LogAxis Around(IReadOnlyCollection<double> values, double start, double end) => new(values.Min() / 1.6, values.Max() * 1.6, start, end);

        public double Map(double value) => Start + ((End - Start) * Math.Log(value / From) / Math.Log(To / From));
    }
}
