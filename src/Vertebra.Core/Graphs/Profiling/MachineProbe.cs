using System.Diagnostics;
using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Graphs.Profiling;

/// <summary>What this machine gives, measured; the best of many short runs counts, because disturbances only slow down.</summary>
public static class MachineProbe
{
    private const int Side = 1024;
    private const long LeastMemory = 256L << 20;
    private const long MostMemory = 1L << 30;
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(150);

    /// <summary>Everything, with one thread and with as many as asked for; takes 2 to 5 seconds.</summary>
    public static MachineReport Measure(int threads)
    {
        var one = MeasureWith(1);
        return new(Processor.Name, Environment.ProcessorCount, Simd.Level, Processor.Caches, SpeedProbe.CyclesPerSecond(Long) / 1e9, one, threads == 1 ? one : MeasureWith(threads));
    }

    /// <summary>
    /// Fused multiply-adds in registers: 10⁹ floating-point operations a second, two for each lane. Where several threads stay far
    /// below as many times one, which they do when others use the processors too, they get five more trials.
    /// </summary>
    public static double MultiplyAddGigaFlops(int threads)
    {
        const int Trials = 5;
        const double Near = 0.97;
        var best = SpeedProbe.FlopsPerSecond(threads, Long);
        var apart = threads == 1 ? best : threads * SpeedProbe.FlopsPerSecond(1, Long);
        for (var i = 0; i < Trials && best < Near * apart; i++)
            best = Math.Max(best, SpeedProbe.FlopsPerSecond(threads, Long));
        return best / 1e9;
    }

    /// <summary>Bandwidth of memory that no cache holds.</summary>
    public static Bandwidth Memory(int threads)
    {
        // Four times what the third level keeps, unless that is much of the machine.
        var total = Math.Clamp(4 * Processor.Caches.L3, LeastMemory, MostMemory);
        total = Math.Min(total, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8);
        return Measure("memory", threads, total / threads, Long, Traffic.Read, Traffic.Write, Traffic.Copy, Traffic.Triad);
    }

    /// <summary>A matrix product of this library, 1024 × 1024 × 1024: 10⁹ floating-point operations a second.</summary>
    public static double MatrixProductGigaFlops(int threads)
    {
        using var off = GradMode.Off();
        var before = Workers.Count;
        Workers.Count = threads;
        try
        {
            var a = Tensor.Full([Side, Side], 0.5f);
            var (best, runs, clock) = (double.PositiveInfinity, 0, Stopwatch.StartNew());
            for (; runs < 5 || clock.Elapsed < 2 * Long; runs++)
            {
                var start = Stopwatch.GetTimestamp();
                var result = a.MatMul(a);
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
                result.ReleaseMemory();
            }
            return 2.0 * Side * Side * Side / best / 1e9;
        }
        finally
        {
            Workers.Count = before;
        }
    }

    private static ThreadSpeeds MeasureWith(int threads)
    {
        var caches = Processor.Caches;
        var levels = new List<Bandwidth>
        {
            Measure("L1", threads, caches.L1 / 2, Short, Traffic.Read, Traffic.Write),
            Measure("L2", threads, Math.Max(caches.L2 / 2, 2 * caches.L1), Short, Traffic.Read, Traffic.Write),
        };
        // The third level is shared: a thread's part of half of it has to be more than its own second level holds.
        var part = caches.L3 / 2 / threads;
        if (part >= 3 * caches.L2)
            levels.Add(Measure("L3", threads, Math.Min(part, Math.Max(16 << 20, 3 * caches.L2)), Short, Traffic.Read, Traffic.Write));
        levels.Add(Memory(threads));
        return new(threads, MultiplyAddGigaFlops(threads), MatrixProductGigaFlops(threads), levels);
    }

    private static Bandwidth Measure(string level, int threads, long bytes, TimeSpan time, params Traffic[] kinds)
    {
        var rates = SpeedProbe.BytesPerSecond(threads, bytes, time, kinds);
        double? Rate(Traffic kind) => Array.IndexOf(kinds, kind) is >= 0 and var i ? rates[i] / 1e9 : null;
        return new(level, bytes, Rate(Traffic.Read)!.Value, Rate(Traffic.Write)!.Value, Rate(Traffic.Copy), Rate(Traffic.Triad));
    }
}

/// <summary>What a machine gives.</summary>
/// <param name="Processor">Its name.</param>
/// <param name="Processors">Processors that this process may use.</param>
/// <param name="Level">Instruction level of the kernels.</param>
/// <param name="Caches">Sizes of the caches.</param>
/// <param name="ClockGigaHertz">10⁹ cycles a second of one core, by additions that wait for each other and take a cycle each.</param>
/// <param name="One">With one thread.</param>
/// <param name="All">With all threads asked for.</param>
public sealed record MachineReport(string Processor, int Processors, SimdLevel Level, CacheSizes Caches, double ClockGigaHertz, ThreadSpeeds One, ThreadSpeeds All)
{
    /// <summary>Multiply-adds of all lanes that one core finishes in a cycle; free of the clock's speed as long as that does not change meanwhile.</summary>
    public double MultiplyAddsPerCycle => One.MultiplyAddGigaFlops / 2 / ClockGigaHertz;
}

/// <summary>Speeds with so many threads.</summary>
/// <param name="Threads">How many.</param>
/// <param name="MultiplyAddGigaFlops">Fused multiply-adds in registers, in 10⁹ floating-point operations a second.</param>
/// <param name="MatrixProductGigaFlops">A large matrix product, in 10⁹ floating-point operations a second.</param>
/// <param name="Levels">Bandwidth of caches and memory, nearest first; the third level is left out where there is none for each thread.</param>
public sealed record ThreadSpeeds(int Threads, double MultiplyAddGigaFlops, double MatrixProductGigaFlops, IReadOnlyList<Bandwidth> Levels);

/// <summary>How fast a cache or memory is, in 10⁹ bytes a second of all threads together.</summary>
/// <param name="Level">L1, L2, L3 or memory.</param>
/// <param name="BytesOfThread">Memory that each thread went through.</param>
/// <param name="Read">Reading.</param>
/// <param name="Write">Writing, through the caches; what a cache fetches before it is written to is not counted.</param>
/// <param name="Copy">b = a, both counted; null where it was not measured.</param>
/// <param name="Triad">a = b + s · c, all three counted; null where it was not measured.</param>
public sealed record Bandwidth(string Level, long BytesOfThread, double Read, double Write, double? Copy, double? Triad)
{
    /// <summary>The fastest of all kinds.</summary>
    public double Fastest => Math.Max(Math.Max(Read, Write), Math.Max(Copy ?? 0, Triad ?? 0));
}
