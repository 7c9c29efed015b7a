using Vertebra.Lab.Data.Images;
using Vertebra.Lab.Data.Images.Png;

namespace Vertebra.Tests.Cli;

public class DiffVerbTests
{
    [Fact]
    public void An_exported_file_is_equal_to_its_network_node_by_node()
    {
        using var place = new TemporaryFolder();
        CommandLine.Run(place.Path, "export", "resnet20_cifar", "-o", "net.onnx").Succeeded();
        var pixels = Enumerable.Range(0, 40 * 40 * 3).Select(i => (byte)(i * 7919 % 251)).ToArray();
        Directory.CreateDirectory(place["photos"]);
        File.WriteAllBytes(place["photos/a.png"], PngWriter.Encode(new RgbImage(40, 40, pixels)));
        var output = CommandLine.Run(place.Path, "diff", "resnet20_cifar", "net.onnx", "--images", "photos", "--threads", "1").Succeeded();
        Assert.Contains("0 added, 0 removed, 0 changed, 0 in other modules", output);
        Assert.Contains("weights: 0 of", output);
        Assert.Contains("results on a.png: 0 of", output);
        Assert.Contains("are equal", output);
    }

    [Fact]
    public void Networks_that_differ_give_exit_code_1_and_a_page()
    {
        using var place = new TemporaryFolder();
        var result = CommandLine.Run(place.Path, "diff", "resnet20_cifar", "resnet32_cifar", "--threads", "1", "--rows", "2", "--html", "d.html");
        Assert.Equal(1, result.ExitCode);
        Assert.Matches(@"(?m)^  \+ layer1\.3\S* \w+ \[1, 32, 32, 16\]$", result.Output);
        Assert.Contains("only in resnet32_cifar", result.Output);
        Assert.Contains("the first node to diverge is", result.Output);
        Assert.Contains("resnet20_cifar and resnet32_cifar differ", File.ReadAllText(place["d.html"]));
        // Equal weights of equal names: one and the same network, judged by weights, is equal at every tolerance.
        Assert.Equal(0, CommandLine.Run(place.Path, "diff", "resnet20_cifar", "resnet20_cifar", "--judge", "weights", "--tolerance", "0").ExitCode);
    }

    [Theory]
    [InlineData("no image or folder absent.jpg", "diff", "resnet20_cifar", "resnet20_cifar", "--images", "absent.jpg")]
    [InlineData("cannot read absent.onnx", "diff", "resnet20_cifar", "absent.onnx")]
    [InlineData("--tolerance", "diff", "resnet20_cifar", "resnet20_cifar", "--tolerance", "-1")]
    [InlineData("argument", "diff", "resnet20_cifar")]
    public void Refuses_what_makes_no_sense(string reason, params string[] arguments)
    {
        using var place = new TemporaryFolder();
        Assert.Contains(reason, CommandLine.Run(place.Path, arguments).Refused());
    }
}
