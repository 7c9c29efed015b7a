using System.Text.Json;

namespace Vertebra.Tests.Cli;

public class BenchVerbTests
{
    [Fact]
    public void Explains_every_node_of_the_compiled_graph()
    {
        using var place = new TemporaryFolder();
        var output = CommandLine.Run(place.Path, "bench", "resnet18", "--img-size", "64", "--batch", "2", "--threads", "1", "--explain", "--json", "--sort", "time").Succeeded();
        Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        using var json = JsonDocument.Parse(output);
        var root = json.RootElement;
        Assert.Equal(("resnet18", "infer", 2, 1), (root.GetProperty("model").GetString(), root.GetProperty("mode").GetString(), root.GetProperty("batch").GetInt32(), root.GetProperty("threads").GetInt32()));
        Assert.True(root.GetProperty("median_ms").GetDouble() >= root.GetProperty("min_ms").GetDouble());
        var nodes = root.GetProperty("nodes").EnumerateArray().ToArray();
        var times = nodes.Select(n => n.GetProperty("ms").GetDouble()).ToArray();
        Assert.Equal(times.OrderDescending(), times);
        Assert.True(times.Sum() > 0 && root.GetProperty("nodes_ms").GetDouble() > 0);
        var first = nodes.Single(n => n.GetProperty("module").GetString() == "act1");
        Assert.Equal(("conv 7x7/2 3>64 + Relu", "first layer"), (first.GetProperty("text").GetString(), first.GetProperty("method").GetString()));
        Assert.Equal(2 * 32 * 32 * 64 * 147, first.GetProperty("macs").GetInt64());
        Assert.Contains(nodes, n => n.GetProperty("method").GetString()!.StartsWith("Winograd", StringComparison.Ordinal) && n.GetProperty("text").GetString()!.Contains("+ res"));
        Assert.Contains(nodes, n => n.GetProperty("text").GetString() == "linear 512>1000" && n.GetProperty("method").GetString() == "dot products");
        Assert.All(nodes, n => Assert.True(n.GetProperty("parts").GetInt32() >= 1 && n.GetProperty("share_of_limit").GetDouble() >= 0 && n.GetProperty("bound_by").GetString() is "arithmetic" or "memory"));
        Assert.InRange(root.GetProperty("roofline_fraction").GetDouble(), 0.001, 10);
        Assert.Equal(root.GetProperty("roofline").GetProperty("least_ms").GetDouble() / root.GetProperty("nodes_ms").GetDouble(), root.GetProperty("roofline_fraction").GetDouble(), 0.01);
    }

    [Fact]
    public void Explains_in_lines_of_120_columns_in_the_order_of_the_nodes()
    {
        using var place = new TemporaryFolder();
        var lines = CommandLine.Run(place.Path, "bench", "resnet20_cifar", "--batch", "1", "--explain").Succeeded().Split('\n');
        Assert.StartsWith("resnet20_cifar infer batch 1, 32x32, ", lines[0]);
        Assert.Matches("^node +op +output +method +by +bits +parts +ms +% +speed +% limit$", lines[1]);
        Assert.Matches(@"^act1 +conv 3x3 3>16 \+ Relu +1x32x32x16 +", lines[2]);
        Assert.All(lines[1..^3], line => Assert.True(line.Length <= 120, line));
        Assert.Contains("% of the multiply-add peak", lines[^3]);
        Assert.Contains("% of its roofline", lines[^2]);
    }

    [Fact]
    public void Explains_a_training_step_by_kind_of_op()
    {
        using var place = new TemporaryFolder();
        string[] arguments = ["bench", "resnet20_cifar", "--batch", "4", "--mode", "train", "--explain"];
        using var json = JsonDocument.Parse(CommandLine.Run(place.Path, [.. arguments, "--json"]).Succeeded());
        var root = json.RootElement;
        double Time(string name) => root.GetProperty(name).GetDouble();
        Assert.True(Time("forward_ms") > 0 && Time("backward_ms") > 0 && Time("optimizer_ms") > 0);
        var ops = root.GetProperty("ops").EnumerateArray().ToDictionary(o => o.GetProperty("op").GetString()!);
        var convolutions = ops["Conv2d"];
        Assert.Equal(19, convolutions.GetProperty("calls").GetInt32());
        // The first layer needs no gradient of its input; every other one multiplies twice as much backwards.
        var (forward, first) = (convolutions.GetProperty("forward_macs").GetInt64(), 4L * 32 * 32 * 16 * 27);
        Assert.Equal((2 * forward) - first, convolutions.GetProperty("backward_macs").GetInt64());
        Assert.Equal(Time("forward_ms") + Time("backward_ms"), Time("rest_ms") + ops.Values.Sum(o => o.GetProperty("forward_ms").GetDouble() + o.GetProperty("backward_ms").GetDouble()), 0.01);
        Assert.Matches(@"(?m)^Conv2d +19 +[0-9.]+ +[0-9.]+ ", CommandLine.Run(place.Path, arguments).Succeeded());
    }

    [Fact]
    public void Tells_the_time_from_the_start_of_the_process_to_the_first_logits_by_phase()
    {
        using var place = new TemporaryFolder();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        using var json = JsonDocument.Parse(CommandLine.Run(place.Path, "bench", "resnet20_cifar", "--cold", "--json").Succeeded());
        var (total, phases) = (json.RootElement.GetProperty("first_logits_ms").GetDouble(), json.RootElement.GetProperty("phases_ms").EnumerateObject().ToArray());
        Assert.InRange(total, 10, watch.Elapsed.TotalMilliseconds + 20);
        Assert.Equal(["runtime", "command", "registry", "build", "weights", "trace", "compile", "run"], phases.Select(p => p.Name));
        Assert.Equal(total, phases.Sum(p => p.Value.GetDouble()), 0.5);
        Assert.Contains("first logits", CommandLine.Run(place.Path, "bench", "resnet20_cifar", "--cold").Succeeded());
    }

    [Theory]
    [InlineData("--cold", "--cold", "--batch", "8")]
    [InlineData("--cold", "--cold", "--mode", "train")]
    [InlineData("--batch is 0", "--batch", "0")]
    [InlineData("--threads is 0", "--threads", "0")]
    [InlineData("'speed'", "--explain", "--sort", "speed")]
    public void Refuses_what_makes_no_sense(string reason, params string[] arguments)
    {
        using var place = new TemporaryFolder();
        Assert.Contains(reason, CommandLine.Run(place.Path, ["bench", "resnet20_cifar", .. arguments]).Refused());
    }

    [Fact]
    public void Compares_steps_on_one_thread_and_on_all()
    {
        using var place = new TemporaryFolder();
        using var json = JsonDocument.Parse(CommandLine.Run(place.Path, "bench", "resnet20_cifar", "--batch", "4", "--threads", "2", "--scaling", "--json").Succeeded());
        var root = json.RootElement;
        Assert.Equal(2, root.GetProperty("threads").GetInt32());
        Assert.True(root.GetProperty("min_ms_one_thread").GetDouble() > 0);
        Assert.InRange(root.GetProperty("scaling").GetDouble(), 0.1, 4);
        Assert.Contains("leave --explain out", CommandLine.Run(place.Path, "bench", "resnet20_cifar", "--scaling", "--explain").Errors);
        Assert.Equal(2, CommandLine.Run(place.Path, "bench", "resnet20_cifar", "--scaling", "--threads", "1").ExitCode);
    }
}
