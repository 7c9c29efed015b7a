using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Vertebra.Tests.Cli;

public class ProfileVerbTests
{
    [Fact]
    public void Tells_the_costs_of_modules_and_nodes_in_120_columns()
    {
        using var place = new TemporaryFolder();
        var tree = CommandLine.Run(place.Path, "profile", "resnet50", "--no-time", "--depth", "3").Succeeded();
        Assert.Contains("total: 25.56 M parameters, 4.09 GMACs, 11.11 M activations", tree);
        Assert.Matches(@"(?m)^  layer4 +\d+ +1x7x7x2048 .* 427 +32$", tree);
        var nodes = CommandLine.Run(place.Path, "profile", "resnet50", "--no-time", "--sort", "params", "--top", "3").Succeeded().Split('\n');
        Assert.Equal(["layer4.0.conv2", "layer4.1.conv2", "layer4.2.conv2"], nodes[2..5].Select(l => l.Split(' ')[0]));
        Assert.All(tree.Split('\n').Concat(nodes), line => Assert.True(line.Length <= 120, line));
    }

    [Fact]
    public void Measures_and_writes_json_and_a_page()
    {
        using var place = new TemporaryFolder();
        var output = CommandLine.Run(place.Path, "profile", "resnet20_cifar", "--batch", "2", "--threads", "1", "--json", "--html", "p.html").Succeeded();
        using var json = JsonDocument.Parse(output);
        var root = json.RootElement;
        Assert.Equal("[2, 3, 32, 32]", root.GetProperty("input").GetString());
        var nodes = root.GetProperty("nodes").EnumerateArray().ToArray();
        Assert.Equal(root.GetProperty("total").GetProperty("macs").GetInt64(), nodes.Sum(n => n.GetProperty("macs").GetInt64()));
        Assert.All(nodes, n => Assert.True(n.GetProperty("ms").GetDouble() >= 0 && n.GetProperty("bound_by").GetString() is "arithmetic" or "memory"));
        Assert.True(root.GetProperty("roofline").GetProperty("gmacs_per_s").GetDouble() > 0);
        Assert.Equal(3, nodes[0].GetProperty("receptive_field").GetProperty("height").GetProperty("size").GetInt32());

        var html = File.ReadAllText(place["p.html"]);
        var page = XDocument.Parse(Regex.Replace(Regex.Replace(html["<!DOCTYPE html>".Length..], "<(meta|input)([^>]*)>", "<$1$2/>"), "(?s)<script>.*?</script>", ""));
        Assert.DoesNotContain(page.Descendants().Attributes(), a => a.Name.LocalName is "src" or "href");
        Assert.Equal(nodes.Length, page.Descendants("table").Single(t => (string?)t.Attribute("id") == "nodes").Element("tbody")!.Elements().Count());
        Assert.Equal(nodes.Count(n => n.GetProperty("macs").GetInt64() > 0), page.Descendants("circle").Count());
        Assert.DoesNotMatch("(?i)NaN|Infinity", html);
    }

    [Fact]
    public void A_compiled_graph_has_fewer_nodes_and_the_same_multiply_accumulates()
    {
        using var place = new TemporaryFolder();
        string[] arguments = ["profile", "resnet20_cifar", "--no-time", "--json"];
        using var traced = JsonDocument.Parse(CommandLine.Run(place.Path, arguments).Succeeded());
        using var compiled = JsonDocument.Parse(CommandLine.Run(place.Path, [.. arguments, "--compiled"]).Succeeded());
        static (int Nodes, long Macs) Of(JsonDocument json) => (json.RootElement.GetProperty("nodes").GetArrayLength(), json.RootElement.GetProperty("total").GetProperty("macs").GetInt64());
        Assert.True(Of(compiled).Nodes < Of(traced).Nodes / 2);
        Assert.Equal(Of(traced).Macs, Of(compiled).Macs);
        Assert.Contains(compiled.RootElement.GetProperty("nodes").EnumerateArray(), n => n.GetProperty("op").GetString() == "FusedConv2d");
    }

    [Fact]
    public void Takes_checkpoints_and_other_input_sizes()
    {
        using var place = new TemporaryFolder();
        var output = CommandLine.Run(place.Path, "profile", "resnet18", "--no-time", "--input-size", "1,64,96", "--depth", "0").Succeeded();
        Assert.Contains("input [1, 1, 64, 96]", output);
        Assert.Contains("11.68 M parameters", output);
    }

    [Fact]
    public void An_exported_file_costs_what_its_network_does()
    {
        using var place = new TemporaryFolder();
        CommandLine.Run(place.Path, "export", "resnet20_cifar", "-o", "net.onnx").Succeeded();
        string[] arguments = ["--no-time", "--json", "--batch", "2"];
        using var file = JsonDocument.Parse(CommandLine.Run(place.Path, ["profile", "net.onnx", .. arguments]).Succeeded());
        using var network = JsonDocument.Parse(CommandLine.Run(place.Path, ["profile", "resnet20_cifar", .. arguments]).Succeeded());
        foreach (var cost in (string[])["params", "macs", "activations"])
            Assert.Equal(network.RootElement.GetProperty("total").GetProperty(cost).GetInt64(), file.RootElement.GetProperty("total").GetProperty(cost).GetInt64());
        Assert.Equal("[2, 3, 32, 32]", file.RootElement.GetProperty("input").GetString());
    }

    [Theory]
    [InlineData("--input-size is '3,224'", "profile", "resnet18", "--input-size", "3,224")]
    [InlineData("--input-size is '3,0,224'", "profile", "resnet18", "--input-size", "3,0,224")]
    [InlineData("--batch is 0", "profile", "resnet18", "--batch", "0")]
    [InlineData("no file or folder", "profile", "absent/model.safetensors")]
    [InlineData("--depth and --top", "profile", "resnet18", "--depth", "-1")]
    public void Refuses_what_makes_no_sense(string reason, params string[] arguments)
    {
        using var place = new TemporaryFolder();
        Assert.Contains(reason, CommandLine.Run(place.Path, arguments).Refused());
    }
}
