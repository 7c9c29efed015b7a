namespace Vertebra.Tests.Cli;

public class DrawVerbTests
{
    [Fact]
    public void Writes_a_picture_and_a_page()
    {
        using var place = new TemporaryFolder();
        CommandLine.Run(place.Path, "draw", "resnet20_cifar", "-o", "net.svg", "--depth", "1").Succeeded();
        CommandLine.Run(place.Path, "draw", "resnet20_cifar", "-o", "net.html", "--time", "--threads", "1").Succeeded();
        Assert.StartsWith("<svg ", File.ReadAllText(place["net.svg"]));
        Assert.Contains(">layer1<", File.ReadAllText(place["net.svg"]));
        Assert.Contains("<option value=\"t\" selected>time</option>", File.ReadAllText(place["net.html"]));
    }

    [Theory]
    [InlineData("neither .svg nor .html", "draw", "resnet18", "-o", "net.png")]
    [InlineData("--depth is -1", "draw", "resnet18", "-o", "net.svg", "--depth", "-1")]
    [InlineData("--output", "draw", "resnet18")]
    public void Refuses_what_makes_no_sense(string reason, params string[] arguments)
    {
        using var place = new TemporaryFolder();
        Assert.Contains(reason, CommandLine.Run(place.Path, arguments).Refused());
    }
}
