using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Cli;

/// <summary>Teachers from the command line: a run teaches another, with unlabelled images, from stored answers, and after an interruption.</summary>
public sealed class DistillVerbTests : IDisposable
{
    private static readonly string[] Common = ["--student", "resnet20_cifar", "--dataset", "folder", "--data-dir", "photos", "--val-split", "0.25", "--img-size", "32", "--batch-size", "4", "--epochs", "2", "--log-interval", "1"];

    private readonly TemporaryFolder _folder = new();

    public DistillVerbTests()
    {
        for (var i = 0; i < 12; i++)
        {
            Save($"photos/red/{i}.png", (byte)(200 + i));
            Save($"photos/blue/{i}.png", (byte)(20 + i));
            Save($"more/deep/er/{i}.png", (byte)(i * 20));
        }
        Run(["train", "--model", "resnet20_cifar", .. Common[2..], "--experiment", "teacher"]).Succeeded();
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("KILL", 137)]
    public void A_run_teaches_another_and_a_stopped_one_goes_on_to_the_same_bits(string signal, int exitCode)
    {
        string[] arguments = ["distill", "--teacher", "runs/teacher,runs/teacher/last.safetensors", "--distill", "ssld", "--unlabeled", "more", "--recovery-interval", "1", .. Common];
        var whole = Run([.. arguments, "--experiment", "whole"]).Succeeded();
        Assert.Contains("and without labels images in", whole, StringComparison.Ordinal);
        var args = File.ReadAllText(_folder["runs/whole/args.yaml"]);
        Assert.Contains("teacher: ", args, StringComparison.Ordinal);
        Assert.Contains("task_loss_weight: 0\n", args, StringComparison.Ordinal);

        using (var process = CommandLine.Start(_folder.Path, [.. arguments, "--experiment", "stopped"]))
        {
            string? line;
            while ((line = process.StandardOutput.ReadLine()) is not null && !line.StartsWith("Train: 0 [   2", StringComparison.Ordinal))
            {
            }
            Assert.NotNull(line);
            using (System.Diagnostics.Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
                Assert.Equal(exitCode, CommandLine.Finish(process).ExitCode);
        }
        Run("train", "--resume", "runs/stopped").Succeeded();
        Run("train", "--config", "runs/whole/args.yaml", "--experiment", "again").Succeeded();
        foreach (var name in (string[])["stopped", "again"])
            Assert.Equal(File.ReadAllBytes(_folder["runs/whole/last.safetensors"]), File.ReadAllBytes(_folder[$"runs/{name}/last.safetensors"]));
    }

    [Fact]
    public void Stored_answers_teach_without_a_teacher()
    {
        var stored = Run("reinforce", "--teacher", "runs/teacher", "--dataset", "folder", "--data-dir", "photos", "--val-split", "0.25", "--views", "2", "--reprob", "0.5", "--batch-size", "4").Succeeded();
        Assert.Contains("answers of runs/teacher to 2 views of each of 18 images, 2 of 2 probabilities", stored, StringComparison.Ordinal);
        Directory.Move(_folder["runs/teacher"], _folder["gone"]);
        var run = Run(["distill", "--reinforced", "photos.reinforced", .. Common, "--experiment", "student"]);
        run.Succeeded();
        Assert.Contains("images are prepared and varied as they were", run.Errors, StringComparison.Ordinal);
        Assert.Contains("reprob: 0.5\n", File.ReadAllText(_folder["runs/student/args.yaml"]), StringComparison.Ordinal);
        Run("train", "--config", "runs/student/args.yaml", "--experiment", "again").Succeeded();
        Assert.Equal(File.ReadAllBytes(_folder["runs/student/last.safetensors"]), File.ReadAllBytes(_folder["runs/again/last.safetensors"]));
        Assert.Contains("was made for other images", Run(["train", "--reinforced", "photos.reinforced", "--model", "resnet20_cifar", .. Common[2..], "--seed", "5"]).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_fit_is_refused_in_one_line()
    {
        Assert.Contains("--teacher", Run(["distill", .. Common]).Refused(), StringComparison.Ordinal);
        Assert.Contains("there is no", Run(["distill", "--teacher", "runs/nobody", .. Common]).Refused(), StringComparison.Ordinal);
        Assert.Contains("--distill is osmosis", Run(["distill", "--teacher", "runs/teacher", "--distill", "osmosis", .. Common]).Refused(), StringComparison.Ordinal);
        Save("photos/green/0.png", 1);
        Save("photos/green/1.png", 2);
        Assert.Contains("knows 2 classes and the student 3", Run(["distill", "--teacher", "runs/teacher", .. Common]).Refused(), StringComparison.Ordinal);
        Assert.Equal(["teacher"], Directory.GetDirectories(_folder["runs"]).Select(Path.GetFileName));
    }

    private CommandResult Run(params string[] arguments) => CommandLine.Run(_folder.Path, arguments);

    private void Save(string name, byte red)
    {
        var image = new RgbImage(36, 40);
        for (var i = 0; i < image.Pixels.Length; i += 3)
            (image.Pixels[i], image.Pixels[i + 2]) = (red, (byte)(255 - red));
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllBytes(_folder[name], PngWriter.Encode(image));
    }
}
