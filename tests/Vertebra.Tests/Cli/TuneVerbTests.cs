using System.Text.Json;

namespace Vertebra.Tests.Cli;

public sealed class TuneVerbTests : IDisposable
{
    private readonly TemporaryFolder _place = new();

    public void Dispose() => _place.Dispose();

    [Fact]
    public void What_was_tuned_is_kept_used_and_not_measured_again()
    {
        string[] arguments = ["tune", "resnet20_cifar", "--batch", "1", "--mode", "infer", "--threads", "1"];
        using var first = JsonDocument.Parse(Run("on", [.. arguments, "--json"]).Succeeded());
        Assert.Equal(4, first.RootElement.GetProperty("problems").GetInt32());
        var measured = first.RootElement.GetProperty("measured").EnumerateArray().ToDictionary(m => m.GetProperty("problem").GetString()!, m => m.GetProperty("choice").GetString());
        Assert.Contains("conv forward packed 1x32x32x16 16x3x3 pad 1,1,1,1", measured.Keys);
        var file = first.RootElement.GetProperty("file").GetString()!;
        Assert.StartsWith(_place["vertebra"], file);
        Assert.Contains("4 choices, 0 measured now", Run("on", arguments).Succeeded());
        Assert.Contains("4 choices, 4 measured now", Run("on", [.. arguments, "--again"]).Succeeded());

        File.WriteAllText(file, File.ReadAllText(file).Replace("\"choice\": \"Winograd4\"", "\"choice\": \"Direct\"").Replace("\"choice\": \"Winograd2\"", "\"choice\": \"Direct\""));
        string[] bench = ["bench", "resnet20_cifar", "--batch", "1", "--explain", "--json"];
        Assert.Equal([("first layer", "tuned"), ("direct", "tuned")], Choices(Run("on", bench)));
        Assert.DoesNotContain(Choices(Run("off", bench)), c => c.Choice == "tuned");
        File.WriteAllText(file, "{");
        var ignored = Run("on", bench);
        Assert.DoesNotContain(Choices(ignored), c => c.Choice == "tuned");
        Assert.Contains(file, Assert.Single(ignored.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public void Gradients_are_measured_for_training_and_a_note_says_when_nothing_will_be_used()
    {
        var result = Run("off", "tune", "resnet20_cifar", "--batch", "2", "--mode", "train");
        Assert.Contains("conv input-gradient packing 2x16x16x32 32x3x3 pad 1,1,1,1: ", result.Succeeded());
        Assert.Contains("VERTEBRA_TUNE is off", result.Errors);
    }

    [Theory]
    [InlineData("--all-shapes", "tune")]
    [InlineData("--all-shapes", "tune", "resnet18", "--all-shapes")]
    [InlineData("--batch is 0", "tune", "resnet18", "--batch", "0")]
    [InlineData("--batch is 257", "tune", "resnet18", "--batch", "1", "257")]
    [InlineData("--threads is 0", "tune", "resnet18", "--threads", "0")]
    [InlineData("resnet18", "tune", "resnet1x8")]
    public void Refuses_what_makes_no_sense(string reason, params string[] arguments) => Assert.Contains(reason, Run("on", arguments).Refused());

    // Method and choice of the nodes that have one, each pair once.
    private static (string? Method, string? Choice)[] Choices(CommandResult result)
    {
        using var json = JsonDocument.Parse(result.Succeeded());
        return [.. json.RootElement.GetProperty("nodes").EnumerateArray().Where(n => n.TryGetProperty("choice", out _)).Select(n => (n.GetProperty("method").GetString(), n.GetProperty("choice").GetString())).Distinct()];
    }

    private CommandResult Run(string tuning, params string[] arguments) =>
        CommandLine.Run(_place.Path, new Dictionary<string, string> { ["XDG_CACHE_HOME"] = _place.Path, ["VERTEBRA_TUNE"] = tuning }, arguments);
}
