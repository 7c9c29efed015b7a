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
        var path = place["killed"];
        var kills = 0;
        foreach (var (lines, delay) in new[] { (1, 30), (3, 3), (4, 11), (3, 7), (2, 41), (3, 16), (4, 5), (3, 24) })
            kills += await KillAfter(path, lines, delay) ? 1 : 0;
        using var last = TrainingProcess.Start("--train", path);
        var output = await last.StandardOutput.ReadToEndAsync();
        await last.WaitForExitAsync();
        Assert.EndsWith("complete", output.TrimEnd());
        Assert.True(kills >= 4, $"only {kills} kills met a running process");
        Assert.Equal(SmallRun.Fingerprint(whole), SmallRun.Fingerprint(RunFolder.Open(path)));
        Assert.Empty(Directory.GetFiles(path, "*.tmp"));
    }

    private static async Task<bool> KillAfter(string path, int lines, int delay)
    {
        using var process = TrainingProcess.Start("--train", path);
        for (var i = 0; i < lines; i++)
        {
            if (await process.StandardOutput.ReadLineAsync() is null)
                break;
        }
        await Task.Delay(delay);
        var isRunning = !process.HasExited;
        process.Kill();
        await process.WaitForExitAsync();
        return isRunning && process.ExitCode != 0;
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
