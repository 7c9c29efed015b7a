namespace Vertebra.Lab.Reports;

/// <summary>
/// A confusion matrix as inline SVG: one row per true class, one column per predicted one, colour by the row's share. Right
/// answers and wrong ones have a colour each, and wrong ones are drawn stronger than their share, since they are what one looks for.
/// Numbers stand in the cells while there is room; every cell that is not empty tells its own under the pointer.
/// </summary>
public static class HeatMap
{
    private const int MostClasses = 200;
    private const int NumbersUpTo = 20;
    private const int LongestLabel = 16;

    /// <summary>True when a matrix of so many classes can still be read.</summary>
    public static bool CanShow(int classCount) => classCount is >= 1 and <= MostClasses;

    /// <summary>Draws the matrix.</summary>
    /// <param name="title">Caption.</param>
    /// <param name="names">The classes.</param>
    /// <param name="counts">Number of images by true and predicted class; absent pairs are 0.</param>
    public static Markup Draw(string title, IReadOnlyList<string> names, IReadOnlyDictionary<(int Actual, int Predicted), int> counts)
    {
        var layout = Layout.For(names);
        var totals = new int[names.Count];
        foreach (var ((actual, _), count) in counts)
            totals[actual] += count;
        var cells = counts.Where(c => c.Value > 0).OrderBy(c => c.Key).Select(c => Cell(layout, names, c.Key, c.Value, totals[c.Key.Actual]));
        return Markup.Of($"""
            <figure>
            <figcaption>{title}</figcaption>
            <div class="scroll">
            <svg viewBox="0 0 {layout.Size} {layout.Size}" width="{layout.Size}" height="{layout.Size}" role="img" aria-label="{title}" style="max-width:none;font-size:{layout.FontSize}px">
            <rect x="{layout.Margin}" y="{layout.Margin}" width="{layout.Side}" height="{layout.Side}" style="fill:var(--panel)"/>
            {names.Select((n, i) => Labels(layout, n, i))}{cells}</svg>
            </div>
            </figure>

            """);
    }

    private static Markup Labels(Layout layout, string name, int i)
    {
        var middle = layout.Margin + ((i + 0.5) * layout.Cell);
        var text = name.Length <= LongestLabel ? name : name[..(LongestLabel - 1)] + "…";
        return Markup.Of($"""
            <text x="{layout.Margin - 5}" y="{middle + (layout.FontSize * 0.35):0.#}" text-anchor="end">{text}<title>{name}</title></text>
            <text x="{middle:0.#}" y="{layout.Margin - 5}" transform="rotate(-60 {middle:0.#} {layout.Margin - 5})">{text}<title>{name}</title></text>

            """);
    }

    private static Markup Cell(Layout layout, IReadOnlyList<string> names, (int Actual, int Predicted) at, int count, int total)
    {
        var share = (double)count / total;
        var isRight = at.Actual == at.Predicted;
        var opacity = isRight ? 0.15 + (0.85 * share) : 0.12 + (0.88 * Math.Sqrt(share));
        var (x, y) = (layout.Margin + (at.Predicted * layout.Cell), layout.Margin + (at.Actual * layout.Cell));
        var number = !layout.HasNumbers ? Markup.None : Markup.Of(
            $"<text x=\"{x + (layout.Cell / 2)}\" y=\"{y + (layout.Cell / 2) + 4}\" text-anchor=\"middle\" style=\"fill:{(opacity > 0.55 ? "#fff" : "var(--ink)")};pointer-events:none\">{count}</text>\n");
        return Markup.Of($"""
            <rect x="{x}" y="{y}" width="{layout.Cell - 1}" height="{layout.Cell - 1}" style="fill:var(--{(isRight ? "good" : "bad")});fill-opacity:{opacity:0.##}"><title>{names[at.Actual]} taken for {names[at.Predicted]}: {count} of {total} ({100 * share:0.#} %)</title></rect>
            {number}
            """);
    }

    private sealed record Layout(double Cell, double Margin, double FontSize, int Count)
    {
        public double Side => Cell * Count;

        // Slanted labels of the last columns reach beyond the matrix.
        public double Size => Margin + Side + (Margin / 2);

        public bool HasNumbers => Count <= NumbersUpTo;

        public static Layout For(IReadOnlyList<string> names)
        {
            var count = names.Count;
            var cell = count <= 10 ? 44 : count <= NumbersUpTo ? 36 : count <= 60 ? 14 : 9;
            var font = Math.Min(12, cell - 2);
            var longest = Math.Min(LongestLabel, names.Max(n => n.Length));
            return new(cell, 20 + (longest * font * 0.6), font, count);
        }
    }
}
