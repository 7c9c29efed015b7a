using System.Text.Json;
using Vertebra.Kernels;
using Vertebra.Tests.Ops;

namespace Vertebra.Tests.Cli;

/// <summary>Alone: what is measured here is compared with each other.</summary>
[Collection(Alone.Name)]
public class MachineVerbTests
{
    [Fact]
    public void Speeds_are_there_and_in_an_order_that_a_machine_can_have()
    {
        using var place = new TemporaryFolder();
        using var json = JsonDocument.Parse(CommandLine.Run(place.Path, "machine", "--threads", "2", "--json").Succeeded());
        var root = json.RootElement;
        Assert.NotEqual("", root.GetProperty("processor").GetString());
        Assert.Equal(Environment.ProcessorCount, root.GetProperty("processors").GetInt32());
        Assert.True(Enum.TryParse<SimdLevel>(root.GetProperty("instruction_level").GetString(), out _));
        var caches = root.GetProperty("cache_bytes");
        Assert.InRange(caches.GetProperty("l1").GetInt64(), 1, caches.GetProperty("l2").GetInt64() - 1);
        Assert.InRange(root.GetProperty("clock_ghz").GetDouble(), 0.1, 10);
        Assert.InRange(root.GetProperty("fma_per_cycle").GetDouble(), 0.1, 64);
        Assert.InRange(root.GetProperty("fma_scaling").GetDouble(), 0.3, 2.5);
        foreach (var (name, threads) in (ReadOnlySpan<(string, int)>)[("one_thread", 1), ("all_threads", 2)])
        {
            var speeds = root.GetProperty(name);
            Assert.Equal(threads, speeds.GetProperty("threads").GetInt32());
            Assert.InRange(speeds.GetProperty("matmul_gflops").GetDouble(), 0.01, speeds.GetProperty("fma_gflops").GetDouble() / 0.95);
            Assert.Equal(speeds.GetProperty("matmul_gflops").GetDouble() / speeds.GetProperty("fma_gflops").GetDouble(), speeds.GetProperty("matmul_share").GetDouble(), 0.01);
            var levels = speeds.GetProperty("bandwidth").EnumerateArray().ToArray();
            Assert.Equal(("L1", "L2", "memory"), (levels[0].GetProperty("level").GetString(), levels[1].GetProperty("level").GetString(), levels[^1].GetProperty("level").GetString()));
            Assert.True(levels[0].GetProperty("read_gb_per_s").GetDouble() >= levels[^1].GetProperty("read_gb_per_s").GetDouble());
            Assert.All((string[])["read", "write", "copy", "triad"], kind => Assert.True(levels[^1].GetProperty($"{kind}_gb_per_s").GetDouble() > 0));
        }
    }

    [Fact]
    public void The_table_has_a_column_for_each_number_of_threads()
    {
        using var place = new TemporaryFolder();
        var table = CommandLine.Run(place.Path, "machine", "--threads", "2").Succeeded();
        Assert.Matches(@"(?m)^ +unit +1 thread +2 threads +scaling$", table);
        Assert.Matches(@"(?m)^fused multiply-add peak +GFLOP/s +[0-9.]+ +[0-9.]+ +[0-9.]+$", table);
        Assert.Matches(@"(?m)^memory, .* triad .* GB/s +[0-9.]+ +[0-9.]+ +[0-9.]+$", table);
        Assert.All(table.Split('\n'), line => Assert.True(line.Length <= 120, line));
    }

    [Fact]
    public void A_number_of_threads_that_makes_no_sense_is_refused()
    {
        using var place = new TemporaryFolder();
        Assert.Contains("--threads is 0", CommandLine.Run(place.Path, "machine", "--threads", "0").Refused());
    }
}
