using Vertebra.Kernels;

namespace Vertebra.Graphs.Profiling;

/// <summary>
/// The two ceilings of a roofline (Williams, Waterman and Patterson 2009) with <see cref="Workers.Count"/> threads.
/// </summary>
/// <param name="GigaMacsPerSecond">Fused multiply-adds in registers, in 10⁹ lanes a second.</param>
/// <param name="GigaBytesPerSecond">Bytes of memory that no cache holds, read, written or both, whichever is fastest, in 10⁹ a second.</param>
public sealed record MachineSpeed(double GigaMacsPerSecond, double GigaBytesPerSecond)
{
    private static readonly Dictionary<int, MachineSpeed> Known = [];

    /// <summary>Multiply-accumulates per byte at which both ceilings meet: below it memory is the limit.</summary>
    public double Ridge => GigaMacsPerSecond / GigaBytesPerSecond;

    /// <summary>The least time in milliseconds that so much work takes, in theory.</summary>
    public double LeastMilliseconds(long macs, long bytes) => Math.Max(macs / GigaMacsPerSecond, bytes / GigaBytesPerSecond) / 1e6;

    /// <summary>Measures for about a second (<see cref="MachineProbe"/>); later calls with the same number of threads return what the first found.</summary>
    public static MachineSpeed Measure()
    {
        lock (Known)
        {
            if (!Known.TryGetValue(Workers.Count, out var speed))
                Known[Workers.Count] = speed = new(MachineProbe.MultiplyAddGigaFlops(Workers.Count) / 2, MachineProbe.Memory(Workers.Count).Fastest);
            return speed;
        }
    }
}
