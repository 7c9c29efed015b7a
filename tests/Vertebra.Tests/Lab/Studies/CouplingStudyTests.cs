using System.Text.RegularExpressions;
using System.Xml.Linq;
using Vertebra.Lab.Studies;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Studies;

public class CouplingStudyTests
{
    private static readonly CouplingStudy Study = new(["resnet20_cifar", "convnext_atto", "vgg11"], ["sgd", "adamw", "lamb"], [0.3, 1, 3], [1, 2]);

    /// <summary>Top-1 by network, optimiser and rate; the second seed is one point better, and -1 diverges.</summary>
    private static CouplingResult Result(Func<string, string, int, double> top1)
    {
        var grid = Study.Grid();
        var runs = new List<(StudyRun, RunRecord)>();
        var diverged = new List<StudyRun>();
        foreach (var run in grid.Runs)
        {
            var (optimizer, factor) = (run.Variant.Name.Split("-x")[0], run.Variant.Name.Split("-x")[1]);
            var value = top1(run.Network!, optimizer, Array.IndexOf(["0.3", "1", "3"], factor));
            if (value < 0)
                diverged.Add(run);
            else
                runs.Add((run, new(run.Name, new(), [new(0, 1, 1, new(1, value + run.Seed - 1.5, 100), null, 0.1, 100, 10, 1)])));
        }
        return Study.Sum(new(grid, runs) { Diverged = diverged });
    }

    [Fact]
    public void The_grid_trains_every_optimiser_at_multiples_of_its_usual_rate()
    {
        var grid = Study.Grid();
        Assert.Equal(3 * 3 * 3 * 2, grid.Runs.Count);
        var options = grid.OptionsOf(grid.Runs.Single(r => r.Name == "adamw-x3-vgg11-2"), "/at");
        Assert.Equal(("adamw", 0.003, "vgg11", 2L), (options.Opt, options.LrBase!.Value, options.Model, options.Seed));
        Assert.Contains("--optimizers sdg is unknown", Assert.Throws<VertebraException>(() => (Study with { Optimizers = ["sdg"] }).Grid()).Message, StringComparison.Ordinal);
        Assert.Contains("--rates has 0", Assert.Throws<VertebraException>(() => (Study with { Factors = [0] }).Grid()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_best_rate_counts_and_robustness_is_over_the_optimisers_but_the_worst()
    {
        var result = Result((network, optimizer, rate) => (network, optimizer, rate) switch
        {
            ("resnet20_cifar", "sgd", 1) => 80,
            ("resnet20_cifar", "adamw", 0) => 76,
            ("resnet20_cifar", "lamb", 1) => 78,
            ("convnext_atto", "sgd", 0) => 50,
            ("convnext_atto", "sgd", _) => -1,
            ("convnext_atto", "adamw", 2) => 70,
            ("convnext_atto", "lamb", 1) => 71,
            ("vgg11", "sgd", 1) => 60,
            ("vgg11", "adamw", 0) => 59,
            ("vgg11", "lamb", 1) => 58,
            _ => 20,
        });
        Assert.Equal((1, 80.0), (result["resnet20_cifar", "sgd"].Rate!.Value, result["resnet20_cifar", "sgd"].Top1.Mean));
        Assert.Equal(Math.Sqrt(0.5), result["resnet20_cifar", "sgd"].Top1.Deviation, 1e-12);
        Assert.Equal((0, 50.0), (result["convnext_atto", "sgd"].Rate!.Value, result["convnext_atto", "sgd"].Top1.Mean));
        Assert.Equal(21, result.Shortfall(result["convnext_atto", "sgd"]), 1e-12);
        var rows = result.Rows;
        Assert.Equal(("sgd", 79.0, 2.0), (rows[0].Best, rows[0].Top1.Mean, rows[0].Range));
        Assert.Equal(Math.Sqrt(2), rows[0].Top1.Deviation, 1e-12);
        Assert.Equal(("lamb", 70.5, 1.0), (rows[1].Best, rows[1].Top1.Mean, rows[1].Range));
        // Most networks take sgd at its usual rate, adamw at the lowest, lamb at its usual one: convnext is 1, 2 and 0 steps away.
        Assert.Equal([0.0, 1.0, 0.0], rows.Select(r => r.RateDistance));
    }

    [Fact]
    public void The_heat_map_is_a_page_and_what_never_finished_is_told()
    {
        var result = Result((network, optimizer, _) => optimizer == "sgd" && network == "vgg11" ? -1 : 50);
        Assert.Null(result["vgg11", "sgd"].Rate);
        var html = result.ToHtml();
        var page = XDocument.Parse(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|img|br)([^>]*)>", "<$1$2/>"));
        Assert.Equal(9, page.Descendants("table").First().Descendants("td").Count());
        Assert.Contains("no run came to its end", html, StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.Equal(1 + 9, result.ToCsv().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("vgg11,sgd,,0,,,", result.ToCsv(), StringComparison.Ordinal);
        Assert.Equal(result.Headings.Count, result.Table()[0].Length);
    }
}
