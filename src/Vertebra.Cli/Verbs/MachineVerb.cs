using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Vertebra.Graphs.Profiling;

namespace Vertebra.Cli.Verbs;

/// <summary><c>vertebra machine</c>: what this machine gives, which is what results are to be measured against.</summary>
internal static class MachineVerb
{
    public static Command Create()
    {
        var threads = new Option<int?>("--threads") { Description = "threads of the second column (default: all processors)" };
        var json = new Option<bool>("--json") { Description = "print everything as one JSON document" };
        var command = new Command("machine",
            "What this machine gives: fused multiply-add peak, bandwidth of caches and memory, with one thread and with all; how much of the peak a large matrix product reaches. Takes 2 to 5 seconds; best of many short runs.") { threads, json };
        command.SetAction(parsed =>
        {
            var count = parsed.GetValue(threads) ?? Environment.ProcessorCount;
            if (count is < 1 or > 1024)
                throw new VertebraException($"--threads is {count}; it must be 1 to 1024");
            var report = MachineProbe.Measure(count);
            if (parsed.GetValue(json))
                PrintJson(report);
            else
                Print(report);
            return Host.Success;
        });
        return command;
    }

    private static void Print(MachineReport report)
    {
        var (one, all, caches) = (report.One, report.All, report.Caches);
        Console.WriteLine($"{report.Processor}, {report.Processors} processors, {report.Level}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"caches {Bytes(caches.L1)}, {Bytes(caches.L2)}, {(caches.L3 == 0 ? "no third level" : Bytes(caches.L3))} ({caches.Source}); {report.ClockGigaHertz:0.00} GHz, {report.MultiplyAddsPerCycle:0.0} multiply-adds a cycle"));
        var rows = new List<string[]>
        {
            Row("fused multiply-add peak", "GFLOP/s", one.MultiplyAddGigaFlops, all.MultiplyAddGigaFlops),
            Row("matrix product 1024x1024x1024", "GFLOP/s", one.MatrixProductGigaFlops, all.MatrixProductGigaFlops),
            Row("  share of the peak", "%", 100 * one.MatrixProductGigaFlops / one.MultiplyAddGigaFlops, 100 * all.MatrixProductGigaFlops / all.MultiplyAddGigaFlops, scales: false),
        };
        foreach (var level in one.Levels)
        {
            var other = all.Levels.FirstOrDefault(l => l.Level == level.Level);
            var place = $"{level.Level}, {Bytes(level.BytesOfThread)}";
            rows.Add(Row($"{place}, read", "GB/s", level.Read, other?.Read));
            rows.Add(Row($"{place}, write", "GB/s", level.Write, other?.Write));
            if (level.Copy is { } copy)
                rows.Add(Row($"{place}, copy b = a", "GB/s", copy, other?.Copy));
            if (level.Triad is { } triad)
                rows.Add(Row($"{place}, triad a = b + s c", "GB/s", triad, other?.Triad));
        }
        string[] heading = ["", "unit", "1 thread", $"{all.Threads} threads", "scaling"];
        var columns = all.Threads == 1 ? 3 : heading.Length;
        TextTable.Print(heading[..columns], [.. rows.Select(r => r[..columns])], texts: 2);
    }

    private static string[] Row(string what, string unit, double one, double? all, bool scales = true) =>
    [
        what, unit, one.ToString("0.0", CultureInfo.InvariantCulture), all?.ToString("0.0", CultureInfo.InvariantCulture) ?? "-",
        scales && all is { } number ? (number / one).ToString("0.00", CultureInfo.InvariantCulture) : "",
    ];

    private static string Bytes(long bytes) => bytes >= 1 << 20
        ? FormattableString.Invariant($"{bytes / 1048576.0:0.##} MiB")
        : FormattableString.Invariant($"{bytes / 1024.0:0.##} KiB");

    private static void PrintJson(MachineReport report) => JsonOutput.Print(indented: true, json =>
    {
        json.WriteString("processor", report.Processor);
        json.WriteNumber("processors", report.Processors);
        json.WriteString("instruction_level", report.Level.ToString());
        json.WriteStartObject("cache_bytes");
        json.WriteNumber("l1", report.Caches.L1);
        json.WriteNumber("l2", report.Caches.L2);
        json.WriteNumber("l3", report.Caches.L3);
        json.WriteString("source", report.Caches.Source);
        json.WriteEndObject();
        json.WriteNumber("clock_ghz", Math.Round(report.ClockGigaHertz, 3));
        json.WriteNumber("fma_per_cycle", Math.Round(report.MultiplyAddsPerCycle, 3));
        WriteSpeeds(json, "one_thread", report.One);
        WriteSpeeds(json, "all_threads", report.All);
        json.WriteNumber("fma_scaling", Math.Round(report.All.MultiplyAddGigaFlops / report.One.MultiplyAddGigaFlops, 3));
    });

    private static void WriteSpeeds(Utf8JsonWriter json, string name, ThreadSpeeds speeds)
    {
        json.WriteStartObject(name);
        json.WriteNumber("threads", speeds.Threads);
        json.WriteNumber("fma_gflops", Math.Round(speeds.MultiplyAddGigaFlops, 2));
        json.WriteNumber("matmul_gflops", Math.Round(speeds.MatrixProductGigaFlops, 2));
        json.WriteNumber("matmul_share", Math.Round(speeds.MatrixProductGigaFlops / speeds.MultiplyAddGigaFlops, 4));
        json.WriteStartArray("bandwidth");
        foreach (var level in speeds.Levels)
        {
            json.WriteStartObject();
            json.WriteString("level", level.Level);
            json.WriteNumber("bytes_of_thread", level.BytesOfThread);
            json.WriteNumber("read_gb_per_s", Math.Round(level.Read, 2));
            json.WriteNumber("write_gb_per_s", Math.Round(level.Write, 2));
            if (level.Copy is { } copy)
                json.WriteNumber("copy_gb_per_s", Math.Round(copy, 2));
            if (level.Triad is { } triad)
                json.WriteNumber("triad_gb_per_s", Math.Round(triad, 2));
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
