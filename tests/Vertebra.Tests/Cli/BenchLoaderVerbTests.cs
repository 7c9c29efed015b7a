using System.Text.Json;
using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Cli;

public sealed class BenchLoaderVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Prints_the_speed_of_a_folder()
    {
        Write("a/1.png", "b/1.png", "b/2.png");
        var json = JsonDocument.Parse(CommandLine.Run(_folder.Path, "bench-loader", ".", "--mode", "eval", "--epochs", "2", "--img-size", "16", "--json").Succeeded()).RootElement;
        Assert.Equal(3, json.GetProperty("images").GetInt32());
        foreach (var name in (string[])["images_per_second", "mb_per_second", "read_ms", "decode_ms", "resize_ms", "finish_ms"])
            Assert.True(json.GetProperty(name).GetDouble() >= 0, name);
        Assert.Contains("images/s", CommandLine.Run(_folder.Path, "bench-loader", ".", "--batch-size", "2", "--threads", "1").Succeeded(), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_what_cannot_be_timed()
    {
        Write("a/1.png", "b/1.png");
        Assert.Contains("batch of 64", CommandLine.Run(_folder.Path, "bench-loader", ".").Refused(), StringComparison.Ordinal);
        Assert.Contains("--threads is 0", CommandLine.Run(_folder.Path, "bench-loader", ".", "--threads", "0").Refused(), StringComparison.Ordinal);
        Assert.Contains("nowhere", CommandLine.Run(_folder.Path, "bench-loader", "nowhere").Refused(), StringComparison.Ordinal);
        File.WriteAllText(_folder["a/2.jpg"], "no picture");
        Assert.Contains("2.jpg", CommandLine.Run(_folder.Path, "bench-loader", ".", "--mode", "eval").Refused(), StringComparison.Ordinal);
    }

    private void Write(params string[] names)
    {
        foreach (var name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
            PngWriter.Save(_folder[name], new RgbImage(40, 30));
        }
    }
}
