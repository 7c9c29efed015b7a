using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;
using Vertebra.Zoo;
using Vertebra.Zoo.Weights;

namespace Vertebra.Tests.Cli;

/// <summary>Bad input gets one clear line and exit code 2, and leaves nothing half-written behind.</summary>
public sealed class RefusalTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Unknown_model_names_the_nearest()
    {
        Assert.Contains("resnet50", Run("bench", "resnet51"));
        Assert.Contains("resnet20_cifar", Run("train", "--model", "resnet20_cifr"));
        Assert.Contains("resnet18", Run("models", "resnt18"));
    }

    [Fact]
    public void Wrong_flags_and_values_are_named()
    {
        Assert.Contains("--no-such-flag", Run("train", "--no-such-flag"));
        Assert.Contains("--epochs: 'many' is not a whole number", Run("train", "--epochs", "many"));
        Assert.Contains("--lr is -1", Run("train", "--lr", "-1"));
        Assert.Contains("frobnicate", Run("frobnicate"));
        Assert.Contains("'fly'", Run("bench", "resnet18", "--mode", "fly"));
        Assert.Contains("opset 3", Run("export", "resnet20_cifar", "-o", _folder["n.onnx"], "--opset", "3"));
        AssertEmpty();
    }

    [Fact]
    public void Missing_and_unfit_data_are_named()
    {
        Assert.Contains("needs --data-dir", Run("train", "--dataset", "cifar10"));
        Assert.Contains("nowhere", Run("train", "--dataset", "folder", "--data-dir", "nowhere"));
        Assert.Contains("imagenet", Run("train", "--dataset", "imagenet", "--data-dir", "."));
        Assert.Contains("nowhere", Run("verify", "--fixtures", "nowhere"));
        AssertEmpty();
        Save("photos/train/cat/a.png", 8, 8);
        Save("photos/val/cat/a.png", 8, 8);
        Directory.CreateDirectory(_folder["photos/train/dog"]);
        Assert.Contains("dog", Run("train", "--dataset", "folder", "--data-dir", "photos"));
        Assert.False(Directory.Exists(_folder["runs"]));
    }

    [Fact]
    public void Images_that_cannot_be_read_are_an_error_in_predict()
    {
        Assert.Contains("nothing.jpg", Run("predict", "resnet20_cifar", "nothing.jpg"));
        File.WriteAllText(_folder["text.jpg"], "not a picture");
        Assert.Contains("text.jpg", Run("predict", "resnet20_cifar", "text.jpg"));
        Save("cut.png", 64, 64);
        File.WriteAllBytes(_folder["cut.png"], File.ReadAllBytes(_folder["cut.png"])[..60]);
        Assert.Contains("cut.png", Run("predict", "resnet20_cifar", "cut.png"));
        // A PNG header that promises 100,000 x 100,000 pixels.
        var huge = File.ReadAllBytes(Saved("huge.png", 8, 8));
        (huge[17], huge[18], huge[19], huge[21], huge[22], huge[23]) = (1, 0x86, 0xA0, 1, 0x86, 0xA0);
        File.WriteAllBytes(_folder["huge.png"], huge);
        Assert.Contains("huge.png", Run("predict", "resnet20_cifar", "huge.png"));
    }

    [Fact]
    public void Checkpoints_that_do_not_fit_or_would_run_code_are_refused()
    {
        var fixtures = Path.Combine(SharedData.RepositoryRoot, "tests", "Vertebra.Tests", "Nn", "Fixtures");
        Assert.Contains("posix.system", Run("validate", Path.Combine(fixtures, "hostile.pth"), "--model", "resnet20_cifar", "--data-dir", "."));
        var network = Models.Create("resnet20_cifar");
        Directory.CreateDirectory(_folder["run"]);
        NetworkFiles.Save(network, network.Description, _folder["run/model.safetensors"]);
        var error = Run("export", "run", "--model", "resnet18", "-o", "n.onnx");
        Assert.Contains("does not fit", error);
        Assert.Contains("mis-shaped: conv1.weight is [16, 3, 3, 3], not [64, 3, 7, 7]", error);
        File.WriteAllBytes(_folder["run/model.safetensors"], File.ReadAllBytes(_folder["run/model.safetensors"])[..5000]);
        Assert.Contains("truncated", Run("export", "run", "-o", "n.onnx"));
        File.Delete(_folder["run/config.json"]);
        Assert.Contains("--model", Run("export", "run", "-o", "n.onnx"));
        Assert.False(File.Exists(_folder["n.onnx"]));
    }

    [Fact]
    public void A_run_cannot_be_resumed_with_other_options_or_from_nothing()
    {
        Assert.Contains("nowhere", Run("train", "--resume", "nowhere"));
        Assert.Contains("own options", Run("train", "--resume", "nowhere", "--lr", "1"));
    }

    private string Run(params string[] arguments) => CommandLine.Run(_folder.Path, arguments).Refused();

    private void AssertEmpty() => Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));

    private string Saved(string name, int width, int height)
    {
        Save(name, width, height);
        return _folder[name];
    }

    private void Save(string name, int width, int height)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        File.WriteAllBytes(_folder[name], PngWriter.Encode(new RgbImage(width, height)));
    }
}
