using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Graphs;
using Vertebra.Graphs.Profiling;
using Vertebra.Lab.Reports.Drawing;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Tests.Lab.Reports;

public class NetworkDrawingTests
{
    // All boxes that show, with where they are on the page: [id, open, x, y, width, height, parent's id].
    private const string ShownBoxes = """
        [...document.querySelectorAll('.part')].map(g => { const r = g.querySelector(':scope > rect').getBoundingClientRect();
          return [Number(g.dataset.id), g.getAttribute('aria-expanded') === 'true' ? 1 : 0, r.x, r.y, r.width, r.height, Number(g.parentNode.closest('.part')?.dataset.id ?? 0)]; })
        """;

    [Theory]
    [InlineData("resnet18", null)]
    [InlineData("resnet152", 2)]
    [InlineData("seresnet50", 3)]
    [InlineData("resnetv2_50x1_bit", 9)]
    public void A_picture_is_xml_without_scripts_whose_boxes_do_not_overlap(string name, int? depth)
    {
        var svg = XDocument.Parse(Draw(name, depth).ToSvg());
        XNamespace ns = "http://www.w3.org/2000/svg";
        Assert.DoesNotContain(svg.Descendants(), e => e.Name.LocalName is "script" or "image" or "foreignObject");
        var place = Draw(name, depth).Place();
        AssertApart(place, 0);
        Assert.Equal(Count(place), svg.Descendants(ns + "g").Count(g => (string?)g.Attribute("class") == "part"));
        Assert.DoesNotMatch("(?i)NaN|Infinity", svg.ToString());
    }

    [Theory]
    [InlineData("resnet18")]
    [InlineData("seresnet50")]
    [InlineData("resnet152")]
    [InlineData("resnetv2_50x1_bit")]
    [InlineData("dense")]
    [InlineData("attention")]
    public void Wires_do_not_run_through_boxes(string name)
    {
        foreach (var box in All(Draw(name, 9).Place()).Where(b => b.IsOpen))
        {
            foreach (var wire in box.Part.Layout!.Wires)
            {
                foreach (var branch in wire.To)
                {
                    var corners = Corners(box.Trace(wire, branch).Path);
                    foreach (var child in box.Children)
                    {
                        var touches = corners.Zip(corners.Skip(1)).Any(s =>
                            Math.Max(s.First.X, s.Second.X) > child.X + 1 && Math.Min(s.First.X, s.Second.X) < child.X + child.Width - 1 &&
                            Math.Max(s.First.Y, s.Second.Y) > child.Y + 1 && Math.Min(s.First.Y, s.Second.Y) < child.Y + child.Height - 1);
                        Assert.False(touches, $"{name} {box.Part.Path}: {wire.Value} runs through {child.Part.Path} {child.Name}");
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData("seresnet50")]
    [InlineData("resnetv2_50x1_bit")]
    [InlineData("dense")]
    [InlineData("attention")]
    public void Horizontal_parts_of_different_wires_do_not_lie_on_each_other(string name)
    {
        foreach (var box in All(Draw(name, 9).Place()).Where(b => b.IsOpen))
        {
            var lines = box.Part.Layout!.Wires.SelectMany(w => w.To.SelectMany(b =>
            {
                var corners = Corners(box.Trace(w, b).Path);
                return corners.Zip(corners.Skip(1)).Where(s => s.First.Y == s.Second.Y && s.First.X != s.Second.X)
                    .Select(s => (Wire: w, s.First.Y, From: Math.Min(s.First.X, s.Second.X), To: Math.Max(s.First.X, s.Second.X)));
            })).ToList();
            foreach (var (a, i) in lines.Select((l, i) => (l, i)))
                Assert.DoesNotContain(lines.Skip(i + 1), b => b.Wire != a.Wire && b.Y == a.Y && b.From < a.To && a.From < b.To);
        }
    }

    [BrowserFact]
    public async Task Boxes_fold_and_unfold_by_click_and_by_key_without_complaint_or_network()
    {
        using var place = new TemporaryFolder();
        File.WriteAllText(place["net.html"], Draw("resnet18", null).ToHtml());
        await using var page = await BrowserPage.Open(place["net.html"], 1300, 1000);
        var before = await Boxes(page);
        Assert.Equal(Count(Draw("resnet18", null).Place()), before.Count);

        var block = before.First(b => b.Parent != 0 && !b.IsOpen);
        await page.Click($"[data-id='{block.Id}']");
        var unfolded = await Boxes(page);
        Assert.Equal(before.Count + 7, unfolded.Count); // conv, norm, act, conv, norm, add, act
        Assert.True(unfolded.Single(b => b.Id == block.Id).IsOpen);
        Assert.Equal(block.Id.ToString(CultureInfo.InvariantCulture), (string)(await page.Evaluate("document.activeElement.dataset.id"))!);

        await page.Press("ArrowRight"); // into the block, to its first convolution
        Assert.Contains("conv1", (string)(await page.Evaluate("document.activeElement.getAttribute('aria-label')"))!);
        Assert.Contains("layer1.0.conv1", (string)(await page.Evaluate("document.getElementById('facts').textContent"))!);
        Assert.True((int)(await page.Evaluate("document.querySelectorAll('.wire.lit').length"))! >= 2);
        await page.Press("ArrowLeft"); // out again
        await page.Press("Enter"); // and fold
        Assert.Equal(before.Count, (await Boxes(page)).Count);
        await page.Press(" ");
        Assert.Equal(unfolded.Count, (await Boxes(page)).Count);
        await page.Press("End");
        Assert.Contains("fc", (string)(await page.Evaluate("document.activeElement.getAttribute('aria-label')"))!);
        await page.Press("Home");
        await page.Press("ArrowDown");
        Assert.Contains("bn1", (string)(await page.Evaluate("document.activeElement.getAttribute('aria-label')"))!);

        await page.Click("#deeper");
        await page.Click("#deeper");
        var all = await Boxes(page);
        Assert.Equal(Count(Draw("resnet18", 9).Place()), all.Count);
        AssertApart(all);
        await page.Click("#fold");
        Assert.Equal(10, (await Boxes(page)).Count); // conv1 bn1 act1 maxpool layer1-4 global_pool fc
        Assert.Empty(page.Complaints);
        Assert.All(page.Requests, r => Assert.StartsWith("file:", r));
        Assert.Single(page.Requests);
        Assert.Equal(1, (int)(await page.Evaluate("document.querySelectorAll('.part[tabindex=\"0\"]').length"))!);
    }

    [BrowserFact]
    public async Task The_page_places_boxes_where_the_picture_does()
    {
        using var place = new TemporaryFolder();
        var drawing = Draw("seresnet50", 2);
        File.WriteAllText(place["net.html"], drawing.ToHtml());
        await using var page = await BrowserPage.Open(place["net.html"], 1300, 1000);
        var found = (await page.Evaluate("[...document.querySelectorAll('.part')].map(g => g.getAttribute('transform'))"))!.AsArray().Select(t => (string)t!);
        var expected = All(drawing.Place()).Skip(1).Select(b => FormattableString.Invariant($"translate({Math.Round(b.X, 1, MidpointRounding.AwayFromZero)} {Math.Round(b.Y, 1, MidpointRounding.AwayFromZero)})"));
        Assert.Equal(expected, found);
        var wires = (await page.Evaluate("document.querySelectorAll('.wire').length"))!.GetValue<int>();
        Assert.Equal(All(drawing.Place()).Where(b => b.IsOpen).Sum(b => b.Part.Layout!.Wires.Sum(w => w.To.Count)), wires);
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public void Names_from_outside_cannot_become_markup()
    {
        var html = new NetworkDrawing("</script><script>alert(1)</script>", Profile("resnet18"), new Dictionary<string, string> { ["layer1"] = "</script><img src=x>" }).ToHtml();
        Assert.DoesNotContain("alert(1)</script>", html);
        Assert.DoesNotContain("<img", html);
    }

    private static NetworkDrawing Draw(string name, int? depth) => new(name, Profile(name), depth: depth);

    private static GraphProfile Profile(string name)
    {
        using var meta = Construction.Meta();
        return GraphProfile.Of(name switch
        {
            "dense" => Graph.Trace(new Lambda(Dense), [1, 8, 8, 4]),
            "attention" => Graph.Trace(new Lambda(SelfAttention), [1, 16, 8]),
            _ => Graph.Trace(Models.Create(name), [1, 224, 224, 3]),
        });
    }

    // Every step reads all results before it, as in DenseNet.
    private static Tensor Dense(Tensor x)
    {
        var all = new List<Tensor> { x };
        for (var i = 0; i < 6; i++)
            all.Add((all.Count == 1 ? all[0] : new Concat(-1).Apply([.. all])).Relu().Slice(-1, 0, 4));
        return new Concat(-1).Apply([.. all]);
    }

    private static Tensor SelfAttention(Tensor x)
    {
        var parts = new Split([4, 4, 4], -1).ApplyAll(new Concat(-1).Apply(x, x).Slice(-1, 0, 12));
        var heads = parts.Select(p => p.Reshape([1, 16, 2, 2]).Permute([0, 2, 1, 3])).ToArray();
        return new Concat(-1).Apply(x, new Attention(1).Apply(heads).Permute([0, 2, 1, 3]).Reshape([1, 16, 4]).Relu());
    }

    private sealed class Lambda(Func<Tensor, Tensor> forward) : Module
    {
        protected override Tensor OnForward(Tensor x) => forward(x);
    }

    private static IEnumerable<Placement> All(Placement box) => box.Children.SelectMany(All).Prepend(box);

    private static int Count(Placement box) => All(box).Count() - 1;

    private static void AssertApart(Placement box, int depth)
    {
        Assert.True(depth < 50);
        foreach (var (a, i) in box.Children.Select((c, i) => (c, i)))
        {
            Assert.True(a.X >= 0 && a.Y >= 0 && a.X + a.Width <= box.Width && a.Y + a.Height <= box.Height, $"{a.Part.Path} leaves {box.Part.Path}");
            foreach (var b in box.Children.Skip(i + 1))
                Assert.True(a.X + a.Width <= b.X || b.X + b.Width <= a.X || a.Y + a.Height <= b.Y || b.Y + b.Height <= a.Y, $"{a.Part.Path} lies on {b.Part.Path}");
            AssertApart(a, depth + 1);
        }
    }

    private static void AssertApart(List<ShownBox> boxes)
    {
        foreach (var (a, i) in boxes.Select((b, i) => (b, i)))
        {
            foreach (var b in boxes.Skip(i + 1).Where(b => b.Parent == a.Parent))
                Assert.True(a.X + a.Width <= b.X + 0.5 || b.X + b.Width <= a.X + 0.5 || a.Y + a.Height <= b.Y + 0.5 || b.Y + b.Height <= a.Y + 0.5, $"{a} lies on {b}");
        }
    }

    private static async Task<List<ShownBox>> Boxes(BrowserPage page) => [.. (await page.Evaluate(ShownBoxes))!.AsArray().Select(b =>
    {
        var n = b!.AsArray().Select(v => v!.GetValue<double>()).ToArray();
        return new ShownBox((int)n[0], n[1] == 1, n[2], n[3], n[4], n[5], (int)n[6]);
    })];

    private static List<(double X, double Y)> Corners(string path)
    {
        var corners = new List<(double X, double Y)>();
        foreach (System.Text.RegularExpressions.Match step in Regex.Matches(path, "([MVH])([-0-9.]+)(?: ([-0-9.]+))?"))
        {
            var number = double.Parse(step.Groups[2].Value, CultureInfo.InvariantCulture);
            corners.Add(step.Groups[1].Value switch
            {
                "M" => (number, double.Parse(step.Groups[3].Value, CultureInfo.InvariantCulture)),
                "V" => (corners[^1].X, number),
                _ => (number, corners[^1].Y),
            });
        }
        return corners;
    }

    private sealed record ShownBox(int Id, bool IsOpen, double X, double Y, double Width, double Height, int Parent);
}
