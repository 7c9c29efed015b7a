using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Vertebra.Kernels;

/// <summary>How memory is gone through; bytes count as a program asks for them.</summary>
internal enum Traffic
{
    /// <summary>Every number is read.</summary>
    Read,

    /// <summary>Every number is written, through the caches as kernels write.</summary>
    Write,

    /// <summary>b = a.</summary>
    Copy,

    /// <summary>a = b + s · c, of the STREAM benchmark.</summary>
    Triad,
}

/// <summary>
/// Loops that do one thing as fast as this machine can, at the instruction level of this process. Disturbances only slow a loop
/// down, so that the fastest of many short runs counts.
/// </summary>
internal static unsafe class SpeedProbe
{
    // Multiply-adds that do not depend on each other: more than a processor has under way (4 cycles, two a cycle), and no more
    // than 16 registers hold beside the factors.
    private const int Chains = 12;

    // The clock's chain: operations that each wait for the one before, one cycle each.
    private const int Links = 16;

    // Parts for each thread: threads that are held up leave theirs to others.
    private const int PartsOfThread = 8;
    private const int NumbersOfStep = 8 * 16;
    private const int GapBytes = 1 << 10;
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(0.7);

    // Results go somewhere, so that no compiler leaves their computation out.
    private static float s_sink;
    private static ulong s_longSink;

    /// <summary>Fused multiply-adds in registers: floating-point operations a second, 2 for each lane.</summary>
    public static double FlopsPerSecond(int threads, TimeSpan time) => WithThreads(threads, () =>
    {
        var parts = threads == 1 ? 1 : PartsOfThread * threads;
        return 2.0 * Chains * Lanes * parts / Fastest(time, rounds => Workers.Run(parts, rounds, static (in rounds, _) => Level.Run(new MultiplyAdds(rounds))));
    });

    /// <summary>Cycles a second of one core, by a chain of additions that wait for each other.</summary>
    public static double CyclesPerSecond(TimeSpan time) => Links / Fastest(time, rounds => s_longSink = Chain(rounds, 0x9E3779B97F4A7C15, s_longSink));

    /// <summary>Bytes a second for each kind of traffic, every thread going through its own memory again and again.</summary>
    /// <param name="threads">How many.</param>
    /// <param name="bytes">Memory of each thread.</param>
    /// <param name="time">How long to measure for each kind.</param>
    /// <param name="kinds">What to do.</param>
    public static double[] BytesPerSecond(int threads, long bytes, TimeSpan time, params Traffic[] kinds)
    {
        var stride = (bytes + 4 * GapBytes + 4095) / 4096 * 4096;
        var memory = NativeMemory.AlignedAlloc(checked((nuint)(stride * threads)), 4096);
        try
        {
            return WithThreads(threads, () =>
            {
                // Whoever touches a page first may get it near by.
                Workers.Run(threads, ((nint)memory, stride), static (in job, part) => NativeMemory.Clear((byte*)job.Item1 + part * job.stride, (nuint)job.stride));
                return Array.ConvertAll(kinds, kind =>
                {
                    var walk = new Walk(kind, (nint)memory, stride, bytes);
                    return walk.BytesMoved * threads / Fastest(time, passes => Workers.Run(threads, walk with { Passes = passes }, static (in walk, part) => Level.Run(walk with { Part = part })));
                });
            });
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static int Lanes => Simd.Level switch
    {
        SimdLevel.Vector512 => V512.Count,
        SimdLevel.Vector256 => V256.Count,
        SimdLevel.Vector128 => V128.Count,
        _ => V1.Count,
    };

    private static T WithThreads<T>(int threads, Func<T> measure)
    {
        var before = Workers.Count;
        Workers.Count = threads;
        try
        {
            return measure();
        }
        finally
        {
            Workers.Count = before;
        }
    }

    // Seconds of one round.
    private static double Fastest(TimeSpan time, Action<long> run)
    {
        long rounds = 1;
        // A run that others held up does not end the search for a length.
        while (Best(3, TimeSpan.Zero) < Slice.TotalSeconds && rounds < 1L << 40)
            rounds *= 2;
        return Best(3, time) / rounds;

        double Best(int leastRuns, TimeSpan leastTime)
        {
            var (best, clock) = (double.PositiveInfinity, Stopwatch.StartNew());
            for (var runs = 0; runs < leastRuns || clock.Elapsed < leastTime; runs++)
            {
                var start = Stopwatch.GetTimestamp();
                run(rounds);
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
            return best;
        }
    }

    private readonly struct MultiplyAdds(long rounds) : IKernel
    {
        public void Run<TVector>() where TVector : unmanaged, IVector<TVector> => Volatile.Write(ref s_sink, Accumulate<TVector>(rounds, 0.25f, 1e-6f));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Accumulate<TVector>(long rounds, float left, float right) where TVector : unmanaged, IVector<TVector>
    {
        var (x, y) = (TVector.Create(left), TVector.Create(right));
        TVector s0 = y, s1 = y, s2 = y, s3 = y, s4 = y, s5 = y, s6 = y, s7 = y, s8 = y, s9 = y, s10 = y, s11 = y;
        for (; rounds > 0; rounds--)
        {
            s0 = TVector.Fma(x, y, s0);
            s1 = TVector.Fma(x, y, s1);
            s2 = TVector.Fma(x, y, s2);
            s3 = TVector.Fma(x, y, s3);
            s4 = TVector.Fma(x, y, s4);
            s5 = TVector.Fma(x, y, s5);
            s6 = TVector.Fma(x, y, s6);
            s7 = TVector.Fma(x, y, s7);
            s8 = TVector.Fma(x, y, s8);
            s9 = TVector.Fma(x, y, s9);
            s10 = TVector.Fma(x, y, s10);
            s11 = TVector.Fma(x, y, s11);
        }
        return TVector.Sum(s0 + s1 + (s2 + s3) + (s4 + s5 + (s6 + s7)) + (s8 + s9 + (s10 + s11)));
    }

    // Two operations in turn, so that no compiler and no renamer makes one of two.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong Chain(long rounds, ulong add, ulong mix)
    {
        var x = mix;
        for (; rounds > 0; rounds--)
        {
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
            x = (x + add) ^ mix;
        }
        return x;
    }

    private readonly record struct Walk(Traffic Kind, nint Memory, long Stride, long Bytes) : IKernel
    {
        public int Part { get; init; }

        public long Passes { get; init; }

        // Arrays in the memory of a thread.
        private int Arrays => Kind switch { Traffic.Copy => 2, Traffic.Triad => 3, _ => 1 };

        private nint Length => (nint)(Bytes / sizeof(float) / Arrays / NumbersOfStep * NumbersOfStep);

        public double BytesMoved => (double)Length * sizeof(float) * Arrays;

        public void Run<TVector>() where TVector : unmanaged, IVector<TVector>
        {
            var a = (float*)(Memory + (nint)(Part * Stride));
            var gap = GapBytes / sizeof(float); // so that the arrays do not fall on the same sets of a cache
            float* b = a + Length + gap, c = b + Length + gap;
            for (var pass = 0L; pass < Passes; pass++)
            {
                switch (Kind)
                {
                    case Traffic.Read: Volatile.Write(ref s_sink, Read<TVector>(a, Length)); break;
                    case Traffic.Write: Write<TVector>(a, Length); break;
                    case Traffic.Copy: Copy<TVector>(a, b, Length); break;
                    default: Triad<TVector>(a, b, c, Length); break;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Read<TVector>(float* a, nint length) where TVector : unmanaged, IVector<TVector>
    {
        var zero = TVector.Zero;
        TVector s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero;
        for (var end = a + length; a < end; a += 8 * TVector.Count)
        {
            s0 += TVector.Load(a);
            s1 += TVector.Load(a + TVector.Count);
            s2 += TVector.Load(a + 2 * TVector.Count);
            s3 += TVector.Load(a + 3 * TVector.Count);
            s4 += TVector.Load(a + 4 * TVector.Count);
            s5 += TVector.Load(a + 5 * TVector.Count);
            s6 += TVector.Load(a + 6 * TVector.Count);
            s7 += TVector.Load(a + 7 * TVector.Count);
        }
        return TVector.Sum(s0 + s1 + (s2 + s3) + (s4 + s5 + (s6 + s7)));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Write<TVector>(float* a, nint length) where TVector : unmanaged, IVector<TVector>
    {
        var value = TVector.Create(0.5f);
        for (var end = a + length; a < end; a += 4 * TVector.Count)
        {
            value.Store(a);
            value.Store(a + TVector.Count);
            value.Store(a + 2 * TVector.Count);
            value.Store(a + 3 * TVector.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy<TVector>(float* a, float* b, nint length) where TVector : unmanaged, IVector<TVector>
    {
        for (nint i = 0; i < length; i += 4 * TVector.Count)
        {
            TVector.Load(a + i).Store(b + i);
            TVector.Load(a + i + TVector.Count).Store(b + i + TVector.Count);
            TVector.Load(a + i + 2 * TVector.Count).Store(b + i + 2 * TVector.Count);
            TVector.Load(a + i + 3 * TVector.Count).Store(b + i + 3 * TVector.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Triad<TVector>(float* a, float* b, float* c, nint length) where TVector : unmanaged, IVector<TVector>
    {
        var scale = TVector.Create(0.5f);
        for (nint i = 0; i < length; i += 2 * TVector.Count)
        {
            TVector.Fma(scale, TVector.Load(c + i), TVector.Load(b + i)).Store(a + i);
            TVector.Fma(scale, TVector.Load(c + i + TVector.Count), TVector.Load(b + i + TVector.Count)).Store(a + i + TVector.Count);
        }
    }
}
