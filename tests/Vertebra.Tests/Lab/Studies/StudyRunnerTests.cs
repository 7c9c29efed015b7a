using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;
using Vertebra.Tests.Lab.Data;
using Vertebra.Tests.Lab.Training;

namespace Vertebra.Tests.Lab.Studies;

/// <summary>Four runs of two epochs of two batches.</summary>
public sealed class StudyRunnerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _text;

    public StudyRunnerTests()
    {
        var data = TinyCifar.Write(_folder["data"], training: 32, test: 20);
        _text = $$"""
            title: Rates & <others>
            options: { dataset: cifar10, data_dir: "{{data}}", batch_size: 16, epochs: 2, warmup_epochs: 0, lr: 0.05 }
            variants:
              plain:
              slow: { lr: 0.001 }
            networks: [resnet20_cifar]
            seeds: [1, 2]
            comparisons: [plain > slow, slow <= plain by epochs]
            """;
    }

    public void Dispose() => _folder.Dispose();

    private StudyGrid Grid => StudyGridFile.Parse(_text, "rates.yaml");

    [Fact]
    public void A_stopped_study_goes_on_to_the_same_runs_and_does_none_twice()
    {
        Assert.True(new StudyRunner(Grid, _folder["whole"]).Run(default));
        using var source = new CancellationTokenSource();
        var names = new List<string>();
        // Stopped inside the second run.
        var stopped = new StudyRunner(Grid, _folder["pieces"]) { Next = (_, _, run) => names.Add(run.Name), Watch = _ => names.Count == 2 ? new StopAfter(1, source) : NoProgress.Instance };
        Assert.False(stopped.Run(source.Token));
        Assert.Single(stopped.Result().Runs);
        Assert.True(new StudyRunner(Grid, _folder["pieces"]) { Next = (_, _, run) => names.Add(run.Name) }.Run(default));
        Assert.Equal(["plain-resnet20_cifar-1", "slow-resnet20_cifar-1", "slow-resnet20_cifar-1", "plain-resnet20_cifar-2", "slow-resnet20_cifar-2"], names);
        foreach (var run in Grid.Runs)
            Assert.Equal(SmallRun.Fingerprint(RunFolder.Open(_folder[$"whole/{run.Name}"])), SmallRun.Fingerprint(RunFolder.Open(_folder[$"pieces/{run.Name}"])));
        Assert.True(new StudyRunner(Grid, _folder["pieces"]) { Next = (_, _, run) => Assert.Fail(run.Name) }.Run(default));
    }

    [Fact]
    public void Tables_and_page_tell_what_the_runs_did()
    {
        var runner = new StudyRunner(Grid, _folder["study"]);
        Assert.True(runner.Run(default));
        var result = runner.Result();
        var finals = Grid.Runs.Where(r => r.Variant.Name == "plain").Select(r => RunRecord.Load(_folder[$"study/{r.Name}"]).Rows[^1].Eval!.Value.Top1).ToArray();
        Assert.Equal(Spread.Of(finals), result.SpreadOf("plain", "resnet20_cifar", StudyMetric.Final));
        Assert.Equal(["plain", "slow"], result.Rows().Select(r => r[0]));
        Assert.Equal("yes", result.Answers()[1][^1]);
        Assert.Equal(1 + 4, File.ReadAllLines(_folder["study/study.csv"]).Length);
        Assert.Contains("| plain | resnet20_cifar | 2 |", File.ReadAllText(_folder["study/study.md"]), StringComparison.Ordinal);
        var html = File.ReadAllText(_folder["study/study.html"]);
        var page = XDocument.Parse(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|img|br)([^>]*)>", "<$1$2/>"));
        Assert.Equal(2, page.Descendants("svg").Single().Descendants("path").Count());
        Assert.DoesNotContain("<others>", html, StringComparison.Ordinal);
        Assert.All(page.Descendants("a"), a => Assert.True(File.Exists(_folder[$"study/{a.Attribute("href")!.Value}"])));
        Assert.Equal(4, RunComparison.Load(Grid.Runs.Select(r => _folder[$"study/{r.Name}"])).Runs.Count);
    }

    [Fact]
    public void Runs_that_were_told_something_else_are_not_taken_for_what_they_are_not()
    {
        Assert.True(new StudyRunner(Grid with { Seeds = [1] }, _folder["study"]).Run(default));
        var changed = StudyGridFile.Parse(_text.Replace("slow: { lr: 0.001 }", "slow: { lr: 0.002 }"), "rates.yaml");
        Assert.Contains("was trained with lr 0.001, and the study now asks for 0.002", Assert.Throws<VertebraException>(() => new StudyRunner(changed, _folder["study"]).Run(default)).Message, StringComparison.Ordinal);
    }
}
