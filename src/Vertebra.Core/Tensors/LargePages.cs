using System.Runtime.InteropServices;

namespace Vertebra;

/// <summary>
/// Native memory, in the system's large pages where it has some to give. A fresh block of 100 MB is one page fault for each 2 MB
/// instead of 25,000 faults, and addresses in it are found with fewer steps: a training step that takes and gives back large gradients
/// would otherwise spend most of its time in the system.
/// </summary>
internal static unsafe partial class LargePages
{
    private const nuint PageBytes = 2 << 20;

    // Smaller blocks are many and come back soon, and gain nothing that was measured.
    private const long LeastBytes = 32 << 20;
    private const int SmallAlignment = 64;
    private const int AdviseHugePage = 14; // MADV_HUGEPAGE of Linux

    private static readonly bool IsLinux = OperatingSystem.IsLinux();
    private static bool s_isMissing;

    /// <summary>An uninitialised block, aligned to at least 64 bytes; give it back with <see cref="Free"/>.</summary>
    /// <param name="bytes">Its size.</param>
    /// <param name="used">How many of them are written to at first: what comes after is not to take a large page.</param>
    /// <exception cref="OutOfMemoryException">The machine has not that much memory.</exception>
    public static byte* Allocate(long bytes, long used)
    {
        var size = (nuint)bytes;
        var isLarge = IsLinux && used >= LeastBytes && !s_isMissing;
        var block = (byte*)NativeMemory.AlignedAlloc(size, isLarge ? PageBytes : SmallAlignment);
        if (isLarge)
            Advise(block, (nuint)used & ~(PageBytes - 1));
        return block;
    }

    public static void Free(void* block) => NativeMemory.AlignedFree(block);

    /// <summary>Gives freed blocks that the C library keeps for itself, gigabytes of those below <see cref="LeastBytes"/>, back to the system.</summary>
    public static void ReturnFreed()
    {
        try
        {
            if (IsLinux)
                _ = MAllocTrim(0);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Only the GNU library has it; others keep less.
        }
    }

    // It is advice: where it is not taken, or the C library goes by another name, memory is as it always was.
    private static void Advise(byte* block, nuint bytes)
    {
        try
        {
            _ = MAdvise(block, bytes, AdviseHugePage);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            s_isMissing = true;
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MAllocTrim(nuint keptAtTop);
}
