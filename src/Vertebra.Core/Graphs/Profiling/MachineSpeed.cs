using System.Diagnostics;
using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Graphs.Profiling;

/// <summary>
/// The two ceilings of a roofline (Williams, Waterman and Patterson 2009), measured with this library's own kernels and
/// <see cref="Workers.Count"/> threads.
/// </summary>
/// <param name="GigaMacsPerSecond">Multiply-accumulates of a large matrix product, in 10⁹ a second.</param>
/// <param name="GigaBytesPerSecond">Bytes read and written by the sum of two arrays that no cache holds, in 10⁹ a second.</param>
public sealed record MachineSpeed(double GigaMacsPerSecond, double GigaBytesPerSecond)
{
    private const int Side = 1024;
    private const int ArrayLength = 16 << 20; // three arrays of 64 MB
    private static readonly TimeSpan LeastTime = TimeSpan.FromMilliseconds(250);
    private static readonly Dictionary<int, MachineSpeed> Known = [];

    /// <summary>Multiply-accumulates per byte at which both ceilings meet: below it memory is the limit.</summary>
    public double Ridge => GigaMacsPerSecond / GigaBytesPerSecond;

    /// <summary>The least time in milliseconds that so much work takes, in theory.</summary>
    public double LeastMilliseconds(long macs, long bytes) => Math.Max(macs / GigaMacsPerSecond, bytes / GigaBytesPerSecond) / 1e6;

    /// <summary>Measures for about a second; later calls with the same number of threads return what the first found.</summary>
    public static MachineSpeed Measure()
    {
        lock (Known)
        {
            if (!Known.TryGetValue(Workers.Count, out var speed))
                Known[Workers.Count] = speed = new(MeasureProduct(), MeasureSum());
            return speed;
        }
    }

    private static double MeasureProduct()
    {
        var a = Tensor.Full([Side, Side], 0.5f);
        return (double)Side * Side * Side / Fastest(() => a.MatMul(a)) / 1e9;
    }

    private static double MeasureSum()
    {
        var (a, b) = (Tensor.Full([ArrayLength], 1), Tensor.Full([ArrayLength], 2));
        return 3.0 * ArrayLength * sizeof(float) / Fastest(() => a + b) / 1e9;
    }

    // Ceilings are what the machine can do: disturbances only slow it down, so the fastest run counts.
    private static double Fastest(Func<Tensor> work)
    {
        using var off = GradMode.Off();
        var (best, runs, clock) = (double.PositiveInfinity, 0, Stopwatch.StartNew());
        while (runs < 5 || clock.Elapsed < LeastTime)
        {
            var start = Stopwatch.GetTimestamp();
            var result = work();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            result.ReleaseMemory();
            runs++;
        }
        return best;
    }
}
