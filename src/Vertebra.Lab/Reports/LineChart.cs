using System.Globalization;

namespace Vertebra.Lab.Reports;

/// <summary>A curve of a chart; a point whose value is not finite leaves a gap.</summary>
public sealed record ChartSeries(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Line charts as inline SVG, with axes, round tick values, a legend and the value of every point under the pointer.</summary>
public static class LineChart
{
    private const double Width = 520, Height = 260, Left = 66, Right = 12, Top = 10, Bottom = 40;
    private const int MostMarkers = 80;

    // Colours --s1 and on of the page; further curves have them again, dashed.
    private const int Colours = 8;

    /// <summary>Draws a chart.</summary>
    /// <param name="title">Caption.</param>
    /// <param name="xLabel">What the horizontal axis measures.</param>
    /// <param name="yLabel">What the vertical axis measures.</param>
    /// <param name="series">The curves, each with the colour of its place in the list; those without points are left out. More than sixteen cannot be told apart.</param>
    public static Markup Draw(string title, string xLabel, string yLabel, IReadOnlyList<ChartSeries> series)
    {
        var shown = series.Select((s, i) => (Series: s, Number: i)).Where(s => s.Series.Points.Any(IsFinite)).ToArray();
        if (shown.Length == 0)
            return Markup.Of($"<figure><figcaption>{title}</figcaption><p class=\"faint\">nothing to show</p></figure>\n");
        var points = shown.SelectMany(s => s.Series.Points).Where(IsFinite).ToArray();
        var x = Axis.Over(points.Min(p => p.X), points.Max(p => p.X), 8, wholeNumbers: true);
        var y = Axis.Over(points.Min(p => p.Y), points.Max(p => p.Y), 6, wholeNumbers: false);
        return Markup.Of($"""
            <figure>
            <figcaption>{title}</figcaption>
            {Legend(shown)}
            <svg viewBox="0 0 {Width} {Height}" width="{Width}" height="{Height}" role="img" aria-label="{title}">
            {y.Ticks.Select(t => YTick(y, t))}{x.Ticks.Select(t => XTick(x, t))}<text x="{(Left + Width - Right) / 2}" y="{Height - 6}" text-anchor="middle">{xLabel}</text>
            <text x="12" y="{(Top + Height - Bottom) / 2}" text-anchor="middle" transform="rotate(-90 12 {(Top + Height - Bottom) / 2})">{yLabel}</text>
            {shown.Select(s => Curve(s.Series, s.Number, x, y))}</svg>
            </figure>

            """);
    }

    private static bool IsFinite((double X, double Y) point) => double.IsFinite(point.X) && double.IsFinite(point.Y);

    private static Markup Legend((ChartSeries Series, int Number)[] series) => Markup.Of(
        $"<ul class=\"legend\">{series.Select(s => Markup.Of($"<li><i style=\"{(s.Number < Colours ? "" : "opacity:0.5;")}background:{Colour(s.Number)}\"></i>{s.Series.Name}</li>"))}</ul>");

    private static string Colour(int number) => $"var(--s{(number % Colours) + 1})";

    private static double MapX(Axis axis, double value) => Left + (axis.Share(value) * (Width - Left - Right));

    private static double MapY(Axis axis, double value) => Height - Bottom - (axis.Share(value) * (Height - Top - Bottom));

    private static Markup YTick(Axis axis, double value) => Markup.Of(
        $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{MapY(axis, value):0.#}\" y2=\"{MapY(axis, value):0.#}\"/><text x=\"{Left - 6}\" y=\"{MapY(axis, value) + 4:0.#}\" text-anchor=\"end\">{axis.Text(value)}</text>\n");

    private static Markup XTick(Axis axis, double value) => Markup.Of(
        $"<text x=\"{MapX(axis, value):0.#}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{axis.Text(value)}</text>\n");

    private static Markup Curve(ChartSeries series, int number, Axis x, Axis y)
    {
        var path = new System.Text.StringBuilder();
        var isOpen = false;
        foreach (var point in series.Points)
        {
            if (!IsFinite(point))
            {
                isOpen = false;
                continue;
            }
            path.Append(CultureInfo.InvariantCulture, $"{(isOpen ? 'L' : 'M')}{MapX(x, point.X):0.#} {MapY(y, point.Y):0.#}");
            isOpen = true;
        }
        var markers = series.Points.Count <= MostMarkers ? series.Points.Where(IsFinite) : [];
        return Markup.Of($"<path class=\"curve\" style=\"stroke:{Colour(number)}{(number < Colours ? "" : ";stroke-dasharray:6 4")}\" d=\"{path.ToString()}\"/>\n{markers.Select(p => Marker(series, number, x, y, p))}");
    }

    private static Markup Marker(ChartSeries series, int number, Axis x, Axis y, (double X, double Y) point) => Markup.Of(
        $"<circle cx=\"{MapX(x, point.X):0.#}\" cy=\"{MapY(y, point.Y):0.#}\" r=\"{(series.Points.Count < 3 ? 4 : 2.5)}\" style=\"fill:{Colour(number)}\"><title>{series.Name}, {point.X:0.##}: {point.Y:0.######}</title></circle>\n");

    /// <summary>A range with round ticks: steps of 1, 2 or 5 times a power of ten.</summary>
    internal sealed record Axis(double From, double To, double Step)
    {
        public IEnumerable<double> Ticks
        {
            get
            {
                var first = (long)Math.Ceiling((From / Step) - 1e-9);
                var last = (long)Math.Floor((To / Step) + 1e-9);
                for (var i = first; i <= last; i++)
                    yield return i * Step;
            }
        }

        public static Axis Over(double least, double most, int ticks, bool wholeNumbers)
        {
            if (most - least < 1e-12 * Math.Max(1, Math.Abs(most)))
                (least, most) = (least - (least == 0 ? 0.5 : Math.Abs(least) / 2), most + (most == 0 ? 0.5 : Math.Abs(most) / 2));
            var raw = (most - least) / ticks;
            var power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
            var step = power * (raw / power <= 1 ? 1 : raw / power <= 2 ? 2 : raw / power <= 5 ? 5 : 10);
            if (wholeNumbers)
                return new(least, most, Math.Max(1, Math.Round(step)));
            return new(Math.Floor((least / step) + 1e-9) * step, Math.Ceiling((most / step) - 1e-9) * step, step);
        }

        public double Share(double value) => (value - From) / (To - From);

        public string Text(double value)
        {
            if (Math.Abs(value) is > 0 and < 1e-3 || Math.Abs(value) >= 1e6)
                return value.ToString("0.#e0", CultureInfo.InvariantCulture);
            var digits = Math.Clamp(-(int)Math.Floor(Math.Log10(Step) + 1e-9), 0, 6);
            return value.ToString($"F{digits}", CultureInfo.InvariantCulture);
        }
    }
}
