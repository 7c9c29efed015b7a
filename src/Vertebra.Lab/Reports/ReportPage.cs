using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Lab.Reports;

/// <summary>The frame of every report: one HTML file that needs nothing from the network, readable in light and dark.</summary>
public static class ReportPage
{
    private const int MostBars = 24;
    private const int LargestPicture = 160;
    private const int SmallPicture = 96;

    private const string Style = """
        :root { color-scheme: light dark;
          --ground: #ffffff; --panel: #f5f6f8; --ink: #1b1f24; --faint: #5c6570; --line: #d5dae1; --accent: #1f6feb;
          --s1: #1f6feb; --s2: #d1570f; --s3: #1a7f4b; --s4: #8a4fd3;
          --s5: #c2255c; --s6: #0b7285; --s7: #7a6100; --s8: #5c6570; --good: #1f6feb; --bad: #d1570f; }
        @media (prefers-color-scheme: dark) { :root {
          --ground: #14171b; --panel: #1d2127; --ink: #e6e9ed; --faint: #9aa4b0; --line: #363d47; --accent: #6cb0ff;
          --s1: #6cb0ff; --s2: #ffa05c; --s3: #5fd08f; --s4: #c69bff;
          --s5: #ff8fb3; --s6: #55cfe0; --s7: #d9c04a; --s8: #9aa4b0; --good: #4d94f0; --bad: #f08a45; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
        main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 64px; }
        header { border-bottom: 1px solid var(--line); padding-bottom: 16px; }
        h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
        h2 { font-size: 19px; margin: 40px 0 12px; }
        h3 { font-size: 15px; margin: 20px 0 8px; }
        p { margin: 8px 0; max-width: 75ch; }
        .faint { color: var(--faint); }
        .cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0 0; }
        .card { background: var(--panel); border-radius: 8px; padding: 10px 14px; }
        .card b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
        .card span { color: var(--faint); font-size: 13px; }
        .row { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 20px; }
        @media (max-width: 520px) { .row { grid-template-columns: 1fr; } }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
        th { font-weight: 600; color: var(--faint); font-size: 13px; }
        td.n, th.n { text-align: right; }
        pre { background: var(--panel); border-radius: 8px; padding: 10px 14px; overflow-x: auto; font: 13px/1.5 ui-monospace, Consolas, monospace; margin: 4px 0 12px; }
        figure { margin: 0; }
        figcaption { font-weight: 600; font-size: 14px; margin-bottom: 4px; }
        svg { display: block; max-width: 100%; height: auto; font: 12px system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
        svg text { fill: var(--faint); }
        svg .grid { stroke: var(--line); stroke-width: 1; }
        svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
        th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--accent); }
        th[aria-sort="descending"] button::after { content: " ▾"; } th[aria-sort="ascending"] button::after { content: " ▴"; }
        input { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 3px 8px; }
        .legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; color: var(--faint); margin: 0; padding: 0; list-style: none; }
        .legend i { display: inline-block; width: 18px; height: 3px; vertical-align: middle; margin-right: 6px; border-radius: 2px; }
        .bars td.bar { width: 55%; min-width: 160px; }
        .bars .track { background: var(--panel); border-radius: 3px; height: 14px; margin-top: 4px; }
        .bars .fill { background: var(--accent); border-radius: 3px; height: 14px; }
        details { margin-top: 8px; } summary { cursor: pointer; color: var(--faint); }
        .gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 14px; }
        .gallery figure { background: var(--panel); border-radius: 8px; padding: 10px; font-size: 13px; overflow-wrap: anywhere; }
        .gallery img { display: block; width: 100%; height: 130px; object-fit: contain; margin-bottom: 6px; }
        img.tiny { image-rendering: pixelated; }
        @media print { main { max-width: none; } pre { white-space: pre-wrap; } }
        """;

    /// <summary>A whole document.</summary>
    /// <param name="title">Title of the window and first heading.</param>
    /// <param name="lead">What stands under the heading.</param>
    /// <param name="body">The sections.</param>
    /// <param name="scripts">Names of script assets (see <see cref="Asset"/>) that run when the page has been read.</param>
    public static string Write(string title, Markup lead, Markup body, params IReadOnlyList<string> scripts) => Markup.Of($"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{title}</title>
        <style>
        {Plain(Style)}
        </style>
        </head>
        <body>
        <main>
        <header>
        <h1>{title}</h1>
        {lead}
        </header>
        {body}
        </main>
        {scripts.Select(name => Markup.Of($"<script>\n{Asset(name)}</script>\n"))}</body>
        </html>

        """).ToString();

    /// <summary>A script or style sheet of this library, as it is.</summary>
    public static Markup Asset(string name)
    {
        using var stream = typeof(ReportPage).Assembly.GetManifestResourceStream($"Vertebra.Lab.Reports.Assets.{name}")
            ?? throw new ArgumentException($"there is no asset {name}");
        using var reader = new StreamReader(stream);
        return Plain(reader.ReadToEnd());
    }

    /// <summary>A heading with what belongs to it.</summary>
    public static Markup Section(string title, Markup content) => Markup.Of($"""
        <section>
        <h2>{title}</h2>
        {content}
        </section>

        """);

    /// <summary>Numbers that catch the eye.</summary>
    public static Markup Cards(IEnumerable<(string Value, string Label)> cards) => Markup.Of(
        $"<div class=\"cards\">{cards.Select(c => Markup.Of($"<div class=\"card\"><b>{c.Value}</b><span>{c.Label}</span></div>"))}</div>\n");

    /// <summary>Facts in two columns.</summary>
    public static Markup Facts(IEnumerable<(string Name, string Value)> facts) => Markup.Of(
        $"<table>\n{facts.Select(f => Markup.Of($"<tr><th scope=\"row\">{f.Name}</th><td>{f.Value}</td></tr>\n"))}</table>\n");

    /// <summary>Percentages by name, as bars; a long list is folded after its first ones.</summary>
    /// <param name="bars">Name, percentage from 0 to 100 (null: nothing to show), and what stands behind the bar.</param>
    public static Markup Bars(IReadOnlyCollection<(string Name, double? Percent, string Note)> bars)
    {
        if (bars.Count <= MostBars)
            return Table(bars);
        return Markup.Of($"{Table(bars.Take(MostBars))}<details><summary>the other {bars.Count - MostBars}</summary>\n{Table(bars.Skip(MostBars))}</details>\n");

        static Markup Table(IEnumerable<(string, double?, string)> bars) => Markup.Of($"<div class=\"scroll\"><table class=\"bars\">\n{bars.Select(Bar)}</table></div>\n");
    }

    private static Markup Bar((string Name, double? Percent, string Note) bar) => Markup.Of(
        $"<tr><td>{bar.Name}</td><td class=\"bar\"><div class=\"track\"><div class=\"fill\" style=\"width:{bar.Percent ?? 0:0.##}%\"></div></div></td><td class=\"n\">{Percent(bar.Percent)}</td><td class=\"faint\">{bar.Note}</td></tr>\n");

    /// <summary>A picture, made smaller where it is large; small ones show their pixels.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="name">What it is called.</param>
    public static Markup Picture(RgbImage image, string name)
    {
        var longest = Math.Max(image.Width, image.Height);
        if (longest > LargestPicture)
            image = Resampler.Resize(image, Math.Max(1, image.Width * LargestPicture / longest), Math.Max(1, image.Height * LargestPicture / longest), ResampleFilter.Bilinear);
        return Markup.Of($"<img class=\"{(longest < SmallPicture ? "tiny" : "")}\" width=\"{image.Width}\" height=\"{image.Height}\" alt=\"{name}\" src=\"data:image/png;base64,{Convert.ToBase64String(PngWriter.Encode(image))}\">");
    }

    /// <summary>A command to copy, with what it does.</summary>
    public static Markup Command(string purpose, string command) => Markup.Of($"<p>{purpose}</p>\n<pre>{command}</pre>\n");

    private static Markup Percent(double? value) => value is { } v ? Markup.Of($"{v:0.0} %") : Markup.Of($"–");

    // The style sheet and the assets are part of the program, and the only text that goes out unescaped.
    private static Markup Plain(string constant)
    {
        var builder = new Markup.Builder(constant.Length, 0);
        builder.AppendLiteral(constant);
        return Markup.Of(ref builder);
    }
}
