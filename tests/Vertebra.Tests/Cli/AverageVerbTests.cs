using Vertebra.Nn;

namespace Vertebra.Tests.Cli;

public sealed class AverageVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_mean_of_two_checkpoints_is_written_with_the_description()
    {
        Directory.CreateDirectory(_folder["a"]);
        Directory.CreateDirectory(_folder["out"]);
        Safetensors.Write(_folder["a/last.safetensors"], [("w", Tensor.From(1f, 2f))], new Dictionary<string, string>());
        File.WriteAllText(_folder["a/config.json"], "{\"architecture\": \"resnet20_cifar\"}");
        Safetensors.Write(_folder["b.safetensors"], [("w", Tensor.From(3f, 6f))], new Dictionary<string, string>());
        Assert.Contains("the mean of 2 checkpoints, 1 tensors, 2 numbers", Run("average", "a", "b.safetensors", "-o", "out/mean.safetensors").Succeeded(), StringComparison.Ordinal);
        Assert.Equal([2f, 4f], Safetensors.Read(_folder["out/mean.safetensors"]).Tensors["w"].ToArray<float>());
        Assert.Contains("resnet20_cifar", File.ReadAllText(_folder["out/config.json"]), StringComparison.Ordinal);
        Assert.Contains("must end with .safetensors", Run("average", "a", "-o", "mean.pth").Refused(), StringComparison.Ordinal);
        Assert.Contains("there is no file or folder c", Run("average", "a", "c", "-o", "mean.safetensors").Refused(), StringComparison.Ordinal);
    }

    private CommandResult Run(params string[] arguments) => CommandLine.Run(_folder.Path, arguments);
}
