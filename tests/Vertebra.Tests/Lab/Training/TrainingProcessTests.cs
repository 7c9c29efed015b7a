using System.Globalization;
using Vertebra.Lab.Training;

namespace Vertebra.Tests.Lab.Training;

/// <summary>Training in a process of its own: killed without warning, and watched for its memory.</summary>
public class TrainingProcessTests
{
    /// <summary>SIGKILL after so many lines of output and so many milliseconds more, so that it falls into arithmetic, evaluation and saving alike.</summary>
    [Fact]
    public async Task A_process_killed_again_and_again_ends_with_the_same_bits()
    {
        using var place = new TemporaryFolder();
        var whole = RunFolder.Create(place.Path, "whole");
        new Trainer(SmallRun.Setup(whole)).Run();
        await KillAgainAndAgain(["--train", place["killed"]], [(1, 30), (2, 3), (3, 11), (2, 7), (1, 41), (2, 16), (3, 5), (2, 24)]);
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(RunFolder.Open(place["killed"])));
        Assert.Empty(Directory.GetFiles(place["killed"], "*.tmp"));
    }

    /// <summary>The same with every kind of state that a recipe can have at once.</summary>
    [Fact]
    public async Task A_process_killed_under_the_full_recipe_ends_with_the_same_bits()
    {
        using var place = new TemporaryFolder();
        var data = Data.TinyCifar.Write(place["data"], training: 100, test: 40);
        var whole = FullRecipe.Begin(place["whole"], data);
        Assert.True(whole.Run(NoProgress.Instance, default).IsComplete);
        Assert.True(File.Exists(whole.Folder.LastSwa) && File.Exists(whole.Folder.LastEma));
        await KillAgainAndAgain(["--train-full", place["killed"], data], [(2, 20), (8, 60), (6, 40), (13, 5), (9, 90), (9, 10), (7, 30)]);
        Assert.Equal(SmallRun.Fingerprint(whole.Folder), SmallRun.Fingerprint(RunFolder.Open(place["killed"])));
    }

    private static async Task KillAgainAndAgain(string[] command, IReadOnlyList<(int Lines, int Delay)> deaths)
    {
        var kills = 0;
        foreach (var (lines, delay) in deaths)
        {
            var (code, output) = await Run([.. command, $"{lines}", $"{delay}"]);
            Assert.True(code != 0 || IsComplete(output), output);
            kills += code != 0 && !IsComplete(output) ? 1 : 0;
        }
        var (last, end) = await Run(command);
        Assert.True(last == 0 && IsComplete(end), end);
        Assert.True(kills >= 4, $"only {kills} kills met a running process");
    }

    private static bool IsComplete(string output) => output.TrimEnd().EndsWith("complete", StringComparison.Ordinal);

    private static async Task<(int Code, string Output)> Run(string[] arguments)
    {
        using var process = TrainingProcess.Start(arguments);
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output);
    }

    /// <summary>2,000 steps written without any disposal hold steady: the peak of the last 500 is within 3 % of that of the first 500 after the warm-up.</summary>
    [Fact]
    public async Task Memory_holds_steady_without_disposal()
    {
        // The runtime itself still grows for some hundred steps, while methods are compiled again; from 1,000 to 6,000 it was level.
        const int WarmUp = 1000, Steps = 2000, Window = 500;
        using var process = TrainingProcess.Start("--train-memory", $"{WarmUp + Steps}");
        var resident = new List<long>();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
            resident.Add(long.Parse(line, CultureInfo.InvariantCulture));
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        Assert.Equal(WarmUp + Steps, resident.Count);
        var first = resident.Skip(WarmUp).Take(Window).Max();
        var last = resident.TakeLast(Window).Max();
        Assert.True(last <= 1.03 * first, $"peak resident memory grew from {first >> 20} to {last >> 20} MiB");
    }
}
