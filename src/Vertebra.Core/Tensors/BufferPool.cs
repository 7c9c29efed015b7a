using System.Numerics;

namespace Vertebra;

/// <summary>
/// Native memory for tensors, 64-byte aligned, in size classes at most 12.5 % apart. Blocks come back when the garbage
/// collector finds a tensor dead. Because the collector does not see native memory, the pool itself asks for a collection
/// once a fraction of the live bytes has been newly taken: the managed heap is small (handles only), so this costs
/// about a millisecond and bounds the garbage.
/// </summary>
internal static unsafe class BufferPool
{
    public const int Alignment = 64;

    private const int StepsPerDoubling = 8;
    private const long SmallestCollectBudget = 48L << 20;
    private const long LargestCollectBudget = 512L << 20;
    private const long SmallestCacheLimit = 64L << 20;

    // A collection forgets this share of the peak: a training step has some thirty.
    private const int PeakForgetting = 256;

    private static readonly Lock Gate = new();
    private static readonly Stack<nint>[] Free = [.. Enumerable.Range(0, 60 * StepsPerDoubling).Select(_ => new Stack<nint>())];
    private static long s_live;
    private static long s_peak;
    private static long s_cached;
    private static long s_takenSinceCollect;
    private static long s_collectBudget = SmallestCollectBudget;

    /// <summary>Bytes in blocks that tensors hold, dead ones not yet found included.</summary>
    public static long LiveBytes => Interlocked.Read(ref s_live);

    /// <summary>Bytes in blocks kept for reuse.</summary>
    public static long CachedBytes => Interlocked.Read(ref s_cached);

    /// <summary>Takes a block of at least <paramref name="bytes"/> bytes, uninitialised.</summary>
    /// <param name="bytes">Wanted size, at least 0.</param>
    /// <param name="sizeClass">What <see cref="Return"/> needs to take it back.</param>
    /// <exception cref="VertebraException">The machine has not that much memory.</exception>
    public static byte* Take(long bytes, out int sizeClass)
    {
        sizeClass = ClassOf(bytes);
        var size = SizeOf(sizeClass);
        if (TryTakeCached(sizeClass, size, out var block))
            return (byte*)block;
        if (Interlocked.Read(ref s_takenSinceCollect) + size > Interlocked.Read(ref s_collectBudget))
        {
            Collect();
            if (TryTakeCached(sizeClass, size, out block))
                return (byte*)block;
        }
        Trim(CacheLimit - size);
        var fresh = Allocate(bytes, size);
        lock (Gate)
        {
            s_live += size;
            s_takenSinceCollect += size;
        }
        return fresh;
    }

    /// <summary>Takes back a block.</summary>
    public static void Return(byte* block, int sizeClass)
    {
        var size = SizeOf(sizeClass);
        lock (Gate)
        {
            Free[sizeClass].Push((nint)block);
            s_live -= size;
            s_cached += size;
        }
    }

    /// <summary>Finds dead tensors, and gives all that they and the cache hold back to the system: for another program that is to have it.</summary>
    public static void GiveBack()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        lock (Gate)
            s_peak = s_live;
        Trim(0);
        LargePages.ReturnFreed();
    }

    /// <summary>
    /// Most bytes to keep for reuse: an eighth of the living ones, and what lived at the peak and does not now. A training step that
    /// reaches its peak again and again does not ask the system for the same pages each time, and holds no more at the peak for it.
    /// </summary>
    private static long CacheLimit
    {
        get
        {
            lock (Gate)
                return Math.Max(SmallestCacheLimit, Math.Max(s_peak - s_live, 0) + (s_live / 8));
        }
    }

    private static byte* Allocate(long bytes, long size)
    {
        try
        {
            return LargePages.Allocate(size, bytes);
        }
        catch (OutOfMemoryException e)
        {
            throw new VertebraException($"out of memory: a tensor of {bytes >> 20} MiB does not fit beside the {LiveBytes >> 20} MiB in use; use a smaller batch or image size", e);
        }
    }

    private static bool TryTakeCached(int sizeClass, long size, out nint block)
    {
        lock (Gate)
        {
            if (!Free[sizeClass].TryPop(out block))
                return false;
            s_cached -= size;
            s_live += size;
            s_takenSinceCollect += size;
            return true;
        }
    }

    private static void Collect()
    {
        var before = LiveBytes;
        // Tensors that died young are found by a collection of the young generations; activations saved through a whole
        // forward pass have grown old, and need a full one.
        GC.Collect(1, GCCollectionMode.Forced, blocking: true);
        GC.WaitForPendingFinalizers();
        if (before - LiveBytes < Interlocked.Read(ref s_collectBudget) / 2)
        {
            GC.Collect(2, GCCollectionMode.Forced, blocking: true);
            GC.WaitForPendingFinalizers();
        }
        lock (Gate)
        {
            s_takenSinceCollect = 0;
            s_peak = Math.Max(s_live, s_peak - (s_peak / PeakForgetting));
            s_collectBudget = Math.Clamp(s_live / 16, SmallestCollectBudget, LargestCollectBudget);
        }
    }

    /// <summary>Gives cached blocks back to the system, largest first, until no more than <paramref name="limit"/> bytes are left.</summary>
    private static void Trim(long limit)
    {
        lock (Gate)
        {
            for (var i = Free.Length - 1; i >= 0 && s_cached > limit; i--)
            {
                while (s_cached > limit && Free[i].TryPop(out var block))
                {
                    LargePages.Free((void*)block);
                    s_cached -= SizeOf(i);
                }
            }
        }
    }

    // Sizes in units of 64 bytes: classes 1..16 are exact; beyond, class 8·e + f stands for f·2^e units with f in 9..16.
    private static int ClassOf(long bytes)
    {
        var units = Math.Max(1, (bytes + Alignment - 1) / Alignment);
        if (units <= 2 * StepsPerDoubling)
            return (int)units;
        var exponent = BitOperations.Log2((ulong)units) - 3;
        var fraction = (units + (1L << exponent) - 1) >> exponent;
        return (exponent * StepsPerDoubling) + (int)fraction;
    }

    private static long SizeOf(int sizeClass)
    {
        if (sizeClass <= 2 * StepsPerDoubling)
            return (long)sizeClass * Alignment;
        var exponent = (sizeClass / StepsPerDoubling) - 1;
        var fraction = sizeClass - (exponent * StepsPerDoubling);
        return ((long)fraction << exponent) * Alignment;
    }
}
