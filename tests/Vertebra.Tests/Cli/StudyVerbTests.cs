using Vertebra.Tests.Lab.Data;

namespace Vertebra.Tests.Cli;

public sealed class StudyVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public StudyVerbTests()
    {
        TinyCifar.Write(_folder["data"], training: 32, test: 20);
        File.WriteAllText(_folder["two.yaml"], """
            options: { dataset: cifar10, batch_size: 16, epochs: 3, opt: adamw }
            variants: { plain: , smooth: { smoothing: 0.3 } }
            networks: [resnet20_cifar]
            seeds: [1]
            comparisons: [plain > smooth]
            """);
    }

    public void Dispose() => _folder.Dispose();

    private CommandResult Run(params string[] arguments) => CommandLine.Run(_folder.Path, arguments);

    [Fact]
    public void A_grid_is_trained_once_and_opposing_signals_are_looked_for_in_a_run_of_it()
    {
        string[] command = ["study", "grid", "two.yaml", "--data-dir", "data", "--epochs", "1"];
        var first = Run(command);
        var output = first.Succeeded();
        Assert.Contains("[2/2, about ", output, StringComparison.Ordinal);
        Assert.Contains("open: two seeds of each are the least", output, StringComparison.Ordinal);
        Assert.Contains("fits classical convolutional networks such as resnet20_cifar badly", Assert.Single(first.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.All((string[])["study.html", "study.md", "study.csv", "plain-resnet20_cifar-1/report.html"], file => Assert.True(File.Exists(_folder[$"runs/study-two/{file}"]), file));
        Assert.DoesNotContain("[1/2", Run(command).Succeeded(), StringComparison.Ordinal);
        Assert.Contains("was trained with epochs 1, and the study now asks for 2", Run([.. command[..^1], "2"]).Refused(), StringComparison.Ordinal);

        Assert.Contains("in step 0 an image's changed", Run("study", "opposing", "runs/study-two/plain-resnet20_cifar-1", "--images", "30", "--steps", "1", "-o", "opposing.html").Succeeded(), StringComparison.Ordinal);
        Assert.True(File.Exists(_folder["opposing.html"]) && File.Exists(_folder["opposing.csv"]));
        Assert.Contains("--dataset must say", Run("study", "opposing", "resnet20_cifar").Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void Networks_and_optimisers_are_measured()
    {
        var output = Run("study", "coupling", "--networks", "resnet20_cifar", "--optimizers", "sgd", "adamw", "--rates", "1", "--dataset", "cifar10", "--data-dir", "data", "--batch-size", "16", "--epochs", "1", "-o", "measured").Succeeded();
        Assert.Contains("rate distance", output, StringComparison.Ordinal);
        Assert.All((string[])["coupling.html", "coupling.csv"], file => Assert.True(File.Exists(_folder[$"measured/{file}"]), file));
        Assert.Contains("no model is named", Run("study", "coupling", "--networks", "nothing").Refused(), StringComparison.Ordinal);
        Assert.Contains("cannot read nothing.yaml", Run("study", "grid", "nothing.yaml").Refused(), StringComparison.Ordinal);
    }
}
