using System.Globalization;
using System.Text;
using Vertebra.Lab.Data;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Reports;

namespace Vertebra.Lab.Studies;

/// <summary>Groups with opposing signals, as a page with their pictures and as CSV.</summary>
/// <param name="result">What was found.</param>
/// <param name="images">The images that it was found in.</param>
/// <param name="title">Heading of the page.</param>
public sealed class OpposingPage(OpposingResult result, IImageDataset images, string title)
{
    private const int PicturesOfGroup = 12;

    /// <summary>Headings of <see cref="Table"/>.</summary>
    public static IReadOnlyList<string> Headings { get; } = ["loss falls", "loss rises", "images", "change", "cosine", "correlation"];

    /// <summary>A row of text for each pair.</summary>
    public IReadOnlyList<string[]> Table() =>
    [
        .. result.Pairs.Select(p => (string[])
        [
            NameOf(p.Falling), NameOf(p.Rising), $"{p.Falling.Images.Count} and {p.Rising.Images.Count}",
            $"{Signed(p.Falling.Change)} and {Signed(p.Rising.Change)}", Signed(p.Cosine), Signed(p.Correlation),
        ]),
    ];

    private string NameOf(SignalGroup group) => images.ClassNames[group.Label];

    private static string Signed(double value) => double.IsFinite(value) ? value.ToString("+0.00;-0.00;0.00", CultureInfo.InvariantCulture) : "-";

    /// <summary>The members of the groups, an image a line.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("pair,group,class,image,name\n");
        foreach (var (pair, number) in result.Pairs.Select((p, i) => (p, i)))
        {
            foreach (var (group, name) in new[] { (pair.Falling, "falling"), (pair.Rising, "rising") })
            {
                foreach (var image in group.Images)
                    text.Append(CultureInfo.InvariantCulture, $"{number},{name},{Quoted(NameOf(group))},{image},{Quoted(images.NameOf(image))}\n");
            }
        }
        return text.ToString();
    }

    private static string Quoted(string text) => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var lead = Markup.Of($"""
            <p>Steps of gradient descent on {images.Count} images together, at a learning rate of {result.LearningRate:0.###e+0}. In step {result.Step} the loss of an image changed by {result.MeanChange:0.000} on the average; these are groups among the images whose loss changed most, in which one step helped the one and harmed the other.</p>
            """);
        var rows = Table().Select(cells => Markup.Of($"<tr>{cells.Select(c => Markup.Of($"<td>{c}</td>"))}</tr>\n"));
        var table = result.Pairs.Count == 0 ? Markup.Of($"<p>No two groups were found whose losses moved in opposite directions: the steps may be too short (--lr).</p>") : Markup.Of($"""
            <div class="scroll"><table>
            <tr>{Headings.Select(h => Markup.Of($"<th>{h}</th>"))}</tr>
            {rows}</table></div>
            <p class="faint">Change: of the mean loss of each group in the step. Cosine: of the gradients of both groups' losses before it; -1 where they pull in opposite directions. Correlation: of the changes of both losses from step to step.</p>
            """);
        var all = LineChart.Draw("Mean loss of all images", "step", "cross-entropy", [new("all images", Points(result.Losses))]);
        return ReportPage.Write(title, lead, Markup.Join([ReportPage.Section("Groups", Markup.Of($"{table}\n{all}")), .. result.Pairs.Select(Section)]));
    }

    private Markup Section(OpposingPair pair, int number) => ReportPage.Section($"{number + 1}. {NameOf(pair.Falling)} against {NameOf(pair.Rising)}", Markup.Of($"""
        {LineChart.Draw("Mean loss of the groups", "step", "cross-entropy", [new($"{NameOf(pair.Falling)}, falling in step {result.Step}", Points(pair.Falling.Losses)), new($"{NameOf(pair.Rising)}, rising", Points(pair.Rising.Losses)), new("all images", Points(result.Losses))])}
        {Gallery(pair.Falling, $"Loss falls by {-pair.Falling.Change:0.00}")}{Gallery(pair.Rising, $"Loss rises by {pair.Rising.Change:0.00}")}
        """));

    private static IReadOnlyList<(double, double)> Points(IReadOnlyList<double> losses) => [.. losses.Select((l, i) => ((double)i, l))];

    private Markup Gallery(SignalGroup group, FormattableString change) => Markup.Of($"""
        <h3>{NameOf(group)}: {change.ToString(CultureInfo.InvariantCulture)}, {group.Images.Count} images, mean colour {MeanColour(group)}</h3>
        <div class="gallery">
        {group.Images.Take(PicturesOfGroup).Select(Figure)}</div>

        """);

    private Markup Figure(int image) => Markup.Of($"<figure>{(TryLoad(image) is { } loaded ? ReportPage.Picture(loaded, images.NameOf(image)) : Markup.None)}<span class=\"faint\">{images.NameOf(image)}</span></figure>\n");

    // Often the signal is a colour that fills the picture.
    private Markup MeanColour(SignalGroup group)
    {
        var sums = new double[3];
        var pixels = 0L;
        foreach (var image in group.Images.Take(PicturesOfGroup).Select(TryLoad).OfType<RgbImage>())
        {
            for (var i = 0; i < image.Pixels.Length; i++)
                sums[i % 3] += image.Pixels[i];
            pixels += image.Pixels.Length / 3;
        }
        var colour = $"rgb({string.Join(", ", sums.Select(s => Math.Round(s / Math.Max(1, pixels)).ToString(CultureInfo.InvariantCulture)))})";
        return Markup.Of($"<span style=\"display:inline-block;width:1em;height:1em;vertical-align:middle;border:1px solid var(--line);background:{colour}\"></span> {colour}");
    }

    private RgbImage? TryLoad(int index)
    {
        try
        {
            return images.Load(index);
        }
        catch (VertebraException)
        {
            return null; // it was readable a moment ago; a page is not the place to fail
        }
    }
}
