using System.Text.Json;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Cli;

public sealed class PackVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_becomes_a_pack_that_trains_and_is_judged_and_probed()
    {
        foreach (var name in (string[])["train/a/1", "train/a/2", "train/b/1", "train/b/2", "val/a/1", "val/b/1"])
            Write(name);
        Assert.Contains("4 training and 2 validation images, 2 classes; 6 as pixels", Run("pack", ".", "-o", "set.vpk").Succeeded(), StringComparison.Ordinal);
        Assert.Contains("all 6 records are whole", Run("pack", "--verify", "set.vpk").Succeeded(), StringComparison.Ordinal);
        var trained = Run("train", "--model", "resnet20_cifar", "--img-size", "32", "--data-dir", "set.vpk", "--batch-size", "2", "--epochs", "1", "--experiment", "run").Succeeded();
        Assert.Contains("vpk train in set.vpk: 4 images", trained, StringComparison.Ordinal);
        Assert.Contains("dataset: vpk", File.ReadAllText(_folder["runs/run/args.yaml"]), StringComparison.Ordinal);
        Assert.Contains("of 2 right", Run("validate", "runs/run", "--data-dir", "set.vpk").Succeeded(), StringComparison.Ordinal);
        Assert.Contains("on 2 images", Run("probe", "runs/run", "--data-dir", "set.vpk", "--method", "knn", "--k", "2").Succeeded(), StringComparison.Ordinal);
        Assert.Contains("64 features of 4 images", Run("probe", "runs/run", "--data-dir", "set.vpk", "--l2", "0.1").Succeeded(), StringComparison.Ordinal);
        Assert.Contains("--k is 5", Run("probe", "runs/run", "--data-dir", "set.vpk", "--method", "knn", "--k", "5").Refused(), StringComparison.Ordinal);
        Assert.Contains("run  resnet20_cifar", Run("compare", "runs/run").Succeeded(), StringComparison.Ordinal);
        Assert.True(File.Exists(_folder["compare.html"]));
        var json = JsonDocument.Parse(Run("bench-loader", "set.vpk", "--mode", "eval", "--epochs", "1", "--json").Succeeded()).RootElement;
        Assert.Equal(4, json.GetProperty("images").GetInt32());
        var bytes = File.ReadAllBytes(_folder["set.vpk"]);
        bytes[80] ^= 1;
        File.WriteAllBytes(_folder["set.vpk"], bytes);
        var check = Run("pack", "--verify", "set.vpk");
        Assert.Equal(1, check.ExitCode);
        Assert.Contains("damaged: record 0, a/1.png", check.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_what_makes_no_pack()
    {
        Write("a/1");
        Write("b/1");
        Assert.Contains("-o is missing", Run("pack", ".").Refused(), StringComparison.Ordinal);
        Assert.Contains("ends with .vpk", Run("pack", ".", "-o", "set.bin").Refused(), StringComparison.Ordinal);
        Assert.Contains("--max-side is 0", Run("pack", ".", "-o", "set.vpk", "--max-side", "0").Refused(), StringComparison.Ordinal);
        Assert.Contains("no such file", Run("validate", "resnet20_cifar", "--data-dir", "nowhere.vpk").Refused(), StringComparison.Ordinal);
        File.WriteAllText(_folder["text.vpk"], "no pack");
        Assert.Contains("not a packed data set", Run("pack", "--verify", "text.vpk").Refused(), StringComparison.Ordinal);
    }

    private CommandResult Run(params string[] arguments) => CommandLine.Run(_folder.Path, arguments);

    private void Write(string name)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        var image = new RgbImage(40, 36);
        for (var i = 0; i < image.Pixels.Length; i++)
            image.Pixels[i] = (byte)((i * name.Length) + (i / 7));
        PngWriter.Save(_folder[name + ".png"], image);
    }
}
