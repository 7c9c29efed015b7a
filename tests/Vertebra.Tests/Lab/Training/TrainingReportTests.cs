using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public class TrainingReportTests
{
    [Theory]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(100)]
    [InlineData(300)]
    public void The_page_is_well_formed_and_needs_nothing_from_outside(int classes)
    {
        var html = Make(classes).ToHtml();
        if (Environment.GetEnvironmentVariable("VERTEBRA_KEEP_REPORT") is { Length: > 0 } folder)
            File.WriteAllText(Path.Combine(folder, $"report{classes}.html"), html);
        Assert.StartsWith("<!DOCTYPE html>", html);
        // Void elements aside, the page is XML: every tag is closed, every attribute quoted, every special character escaped.
        var body = XDocument.Parse(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|img|br)([^>]*)>", "<$1$2/>"));
        Assert.DoesNotContain(body.Descendants(), e => e.Name.LocalName is "script" or "link" or "iframe");
        var sources = body.Descendants().Attributes().Where(a => a.Name.LocalName is "src" or "href").Select(a => a.Value);
        Assert.All(sources, s => Assert.StartsWith("data:image/png;base64,", s));
        Assert.DoesNotContain("url(", html);
        Assert.DoesNotContain("@import", html);
        Assert.DoesNotMatch("(?i)NaN|Infinity", Regex.Replace(html, "base64,[^\"]*", ""));
    }

    [Fact]
    public void Names_from_outside_are_escaped_everywhere()
    {
        var html = Make(10).ToHtml();
        Assert.DoesNotContain("<script", html);
        Assert.DoesNotContain("onload=\"", html);
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;", html);
        Assert.Contains("&quot; onload=&quot;x", html);
    }

    [Fact]
    public void Numbers_and_pictures_of_the_evaluation_stand_in_the_page()
    {
        var report = Make(10);
        var html = report.ToHtml();
        var pair = report.Evaluation!.Confusions().First();
        Assert.Contains($"class 3 taken for class 4: {report.Evaluation.Confusion[(3, 4)]} of {report.Evaluation.CountOf(3)}", html);
        Assert.Contains($"<td class=\"n\">{pair.Count}</td>", html);
        Assert.Equal(report.Evaluation.Mistakes.Take(24).Count(m => report.LoadImage(m.Index) is not null), Regex.Count(html, "<img "));
        var png = Convert.FromBase64String(Regex.Match(html, "base64,([^\"]*)").Groups[1].Value);
        var first = report.Evaluation.Mistakes.First(m => report.LoadImage(m.Index) is not null);
        Assert.Equal(report.LoadImage(first.Index)!.Pixels, ImageDecoder.Decode(png).Pixels);
        Assert.Contains("./vertebra train --resume runs/x", html);
    }

    [Fact]
    public void A_run_that_ended_before_its_first_epoch_has_a_page_too()
    {
        var html = new TrainingReport { Title = "t", Outcome = "Interrupted.", Highlights = [], Rows = [], ClassNames = ["a"] }.ToHtml();
        Assert.Contains("Interrupted.", html);
    }

    [BrowserFact]
    public async Task A_browser_draws_the_page_in_light_and_dark()
    {
        using var place = new TemporaryFolder();
        File.WriteAllText(place["report.html"], Make(10).ToHtml());
        var light = await Chromium.Screenshot(place["report.html"], 1200, 1800, isDark: false);
        var dark = await Chromium.Screenshot(place["report.html"], 1200, 1800, isDark: true);
        Assert.Equal((1200, 1800), (light.Width, light.Height));
        Assert.Equal([255, 255, 255], light.Row(5)[..3].ToArray());
        Assert.Equal([0x14, 0x17, 0x1b], dark.Row(5)[..3].ToArray());
        // The first curve's colour, and cells of the matrix in theirs: the SVG was understood, not only the text.
        Assert.True(CountOf(light, 0x1f, 0x6f, 0xeb) > 500, "no curve in the light page");
        Assert.True(CountOf(dark, 0x6c, 0xb0, 0xff) > 500, "no curve in the dark page");
        Assert.True(CountNear(light, 0x49, 0x89, 0xee, 30) > 8000, "no diagonal in the matrix");
    }

    private static int CountOf(RgbImage image, byte red, byte green, byte blue) => CountNear(image, red, green, blue, 0);

    private static int CountNear(RgbImage image, byte red, byte green, byte blue, int distance)
    {
        var count = 0;
        for (var i = 0; i < image.Pixels.Length; i += 3)
        {
            if (Math.Abs(image.Pixels[i] - red) <= distance && Math.Abs(image.Pixels[i + 1] - green) <= distance && Math.Abs(image.Pixels[i + 2] - blue) <= distance)
                count++;
        }
        return count;
    }

    private static TrainingReport Make(int classes)
    {
        var random = new Philox(5, 6);
        var names = Enumerable.Range(0, classes).Select(i => i switch
        {
            0 => "<script>alert(1)</script>",
            1 => "\" onload=\"x",
            2 => "a very long name of a class \u0001 & more",
            _ => $"class {i}",
        }).ToArray();
        var evaluation = new Evaluation(classes);
        for (var i = 0; i < 2000; i++)
        {
            var label = i % classes;
            var predicted = random.Uniform((ulong)i) < 0.8 ? label : (label + 1 + random.Below(3, (ulong)i + 5000)) % classes;
            var logits = new float[classes];
            logits[predicted] = 1 + (4 * random.Uniform((ulong)i + 10_000));
            evaluation.Add(Tensor.From(logits, [1, classes]), Tensor.From([(long)label], [1]), [i]);
        }
        var rows = Enumerable.Range(0, 40).Select(e => new EpochRow(
            e, 2.3 * Math.Exp(-e / 10.0), 90 - (60 * Math.Exp(-e / 8.0)), e % 2 == 0 ? new(2.3 * Math.Exp(-e / 12.0) + 0.2, 85 - (50 * Math.Exp(-e / 8.0)), 98) : null,
            new(e == 0 ? double.NaN : 0.4, 80, 99), 0.05 * (1 + Math.Cos(Math.PI * e / 40)), 1500 + (30 * Math.Sin(e)), 6.5, 0.1));
        return new TrainingReport
        {
            Title = "resnet20_cifar on cifar10",
            Outcome = "Finished: 40 epochs in 5 min 12 s.",
            Highlights = [("91.73 %", "best top-1"), ("99.66 %", "top-5 of that epoch"), ("38 of 40", "best epoch"), ("0.27 M", "parameters"), ("0.041 G", "MACs"), ("1520 /s", "images per second")],
            Rows = [.. rows],
            Evaluation = evaluation.Finish(),
            EvaluationNote = "Weights of epoch 38 on 2000 validation images.",
            ClassNames = names,
            LoadImage = i => i % 7 == 3 ? null : Checker(i),
            Facts = [("Data", [("training images", "10000"), ("skipped files", "2")]), ("Options", [("lr", "0.1")])],
            Commands = [("Go on with this run:", "./vertebra train --resume runs/x")],
        };
    }

    private static RgbImage Checker(int seed)
    {
        var image = new RgbImage(32, 32);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)(((i / 12) + (i / 384) + seed) % 2 == 0 ? 40 + (seed % 200) : 220);
        return image;
    }
}
