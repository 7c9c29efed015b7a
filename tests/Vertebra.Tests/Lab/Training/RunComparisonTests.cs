using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

public sealed class RunComparisonTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Figures_are_those_of_the_best_epoch_and_options_only_where_they_differ()
    {
        Write("plain", new() { Model = "resnet20_cifar", Lr = 0.1, Epochs = 3 }, Row(0, 40), Row(1, 70), Row(2, 60));
        Write("average", new() { Model = "resnet20_cifar", Lr = 0.2, Epochs = 4, ModelEma = true, EvalMetric = "loss", Output = "elsewhere" },
            Row(0, 40) with { Ema = new(0.5, 55, 90) }, Row(1, 80) with { Ema = new(0.9, 65, 95) });
        var comparison = RunComparison.Load([_folder["plain"], _folder["average"] + "/"]);
        var figures = comparison.Figures().Select(f => string.Join(' ', f.Select(c => c.Text))).ToArray();
        Assert.Equal("plain resnet20_cifar 3/3 top1 1 70.00 90.00 1.0000 60.00 100 10.0 0:00:30", figures[0]);
        Assert.Equal("average resnet20_cifar 2/4 loss 0 55.00 90.00 0.5000 65.00 100 10.0 0:00:20", figures[1]);
        Assert.Equal(["lr 0.1 0.2", "epochs 3 4", "model_ema false true", "eval_metric top1 loss"],
            comparison.Differences().Select(d => $"{d.Key} {string.Join(' ', d.Values)}").OrderBy(d => Array.IndexOf(["lr", "epochs", "model_ema", "eval_metric"], d.Split(' ')[0])));
    }

    [Fact]
    public void The_page_is_well_formed_escaped_and_needs_nothing_from_outside()
    {
        for (var i = 0; i < 11; i++)
            Write($"run & {i}", new() { Model = "<script>alert(1)</script>", Seed = i }, [.. Enumerable.Range(0, 1 + i).Select(e => i == 4 ? Row(e, 0) with { Eval = null } : Row(e, 50 + e))]);
        var html = RunComparison.Load(Directory.GetDirectories(_folder.Path).Order()).ToHtml();
        var page = XDocument.Parse(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|img|br)([^>]*)>|(?s)<script>.*?</script>", m => m.Groups[1].Success ? $"<{m.Groups[1]}{m.Groups[2]}/>" : ""));
        Assert.Equal(6, page.Descendants("svg").Count());
        Assert.Equal(11, page.Descendants("svg").ElementAt(3).Descendants("path").Count());
        Assert.Equal(10, page.Descendants("svg").First().Descendants("path").Count());
        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)NaN|Infinity|https?://", html);
    }

    [Fact]
    public void Runs_of_one_name_are_told_apart_and_what_is_no_run_is_refused()
    {
        Write("a/run", new(), Row(0, 1));
        Write("b/run", new(), Row(0, 2));
        Assert.Equal(["run", "run (2)"], RunComparison.Load([_folder["a/run"], _folder["b/run"]]).Runs.Select(r => r.Name));
        Assert.Contains("not the folder of a run", Assert.Throws<VertebraException>(() => RunComparison.Load([_folder["a"]])).Message, StringComparison.Ordinal);
        Write("c", new());
        Assert.Contains("no epoch", Assert.Throws<VertebraException>(() => RunComparison.Load([_folder["c"]])).Message, StringComparison.Ordinal);
    }

    private static EpochRow Row(int epoch, double top1) => new(epoch, 2.0 / (epoch + 1), 30, new(1, top1, 90), null, 0.1, 100, 10, 1);

    private void Write(string name, TrainingOptions options, params EpochRow[] rows)
    {
        Directory.CreateDirectory(_folder[name]);
        File.WriteAllText(_folder[name + "/args.yaml"], ArgsFile.Write(options));
        File.WriteAllText(_folder[name + "/summary.csv"], RunSummary.Write(rows));
    }
}
