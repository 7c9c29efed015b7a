using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Kernels;

/// <summary>Which processor this process runs on, as far as the system tells.</summary>
public static class Processor
{
    private static readonly Lazy<string> LazyName = new(() => FromCpuInfo("/proc/cpuinfo") ?? FromEnvironment() ?? RuntimeInformation.ProcessArchitecture.ToString());
    private static readonly Lazy<CacheSizes> LazyCaches = new(CacheSizes.Find);

    /// <summary>
    /// Maker's name with family and model, which tell processors apart where a virtual machine hides the name; the architecture
    /// alone where the system says no more.
    /// </summary>
    public static string Name => LazyName.Value;

    /// <summary>Sizes of the caches that a core sees.</summary>
    public static CacheSizes Caches => LazyCaches.Value;

    // Windows has all of it in one variable.
    private static string? FromEnvironment() => Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")?.Trim() is { Length: > 0 } text ? text : null;

    /// <summary>The first processor of a file in the format of Linux's /proc/cpuinfo; null where there is no such file or no name in it.</summary>
    internal static string? FromCpuInfo(string path)
    {
        try
        {
            var facts = new Dictionary<string, string>();
            foreach (var line in File.ReadLines(path).TakeWhile(l => l.Length > 0).Where(l => l.Contains(':')))
                facts[line[..line.IndexOf(':')].Trim()] = line[(line.IndexOf(':') + 1)..].Trim();
            if (facts.TryGetValue("model name", out var name))
                return facts.TryGetValue("cpu family", out var family) && facts.TryGetValue("model", out var model) ? $"{name} (family {family}, model {model})" : name;
            // Arm gives numbers instead of names.
            return facts.TryGetValue("CPU implementer", out var maker) && facts.TryGetValue("CPU part", out var part) ? $"Arm implementer {maker}, part {part}" : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>Sizes of a core's data caches in bytes.</summary>
/// <param name="L1">First level.</param>
/// <param name="L2">Second level.</param>
/// <param name="L3">Third level, shared by cores; 0 where there is none.</param>
/// <param name="Source">Who said so: <c>system</c>, <c>cpuid</c>, or <c>assumed</c>.</param>
public sealed record CacheSizes(long L1, long L2, long L3, string Source)
{
    private static readonly CacheSizes Assumed = new(32 << 10, 512 << 10, 8 << 20, "assumed");

    internal static CacheSizes Find() => FromFolder("/sys/devices/system/cpu/cpu0/cache") ?? FromCpuid() ?? Assumed;

    /// <summary>What a folder in the format of Linux's .../cpu0/cache says (index*/level, type and size); null where it says nothing of use.</summary>
    internal static CacheSizes? FromFolder(string folder)
    {
        try
        {
            var sizes = new long[4];
            foreach (var index in Directory.GetDirectories(folder, "index*"))
            {
                if (File.ReadAllText(Path.Combine(index, "type")).Trim() == "Instruction" || !int.TryParse(File.ReadAllText(Path.Combine(index, "level")), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var level) || level is < 1 or > 3)
                    continue;
                sizes[level] = ParseSize(File.ReadAllText(Path.Combine(index, "size")).Trim());
            }
            return Checked(sizes, "system");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // 48K, 32M.
    private static long ParseSize(string text) =>
        text.Length < 2 || !long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? 0 : text[^1] switch
        {
            'K' => number << 10,
            'M' => number << 20,
            _ => 0,
        };

    private static CacheSizes? FromCpuid()
    {
        if (!X86Base.IsSupported)
            return null;
        const int AmdLeaf = unchecked((int)0x8000001D);
        var isAmd = X86Base.CpuId(0, 0).Ebx == 0x68747541; // "Auth" of AuthenticAMD
        if (isAmd)
            return FromLeaf(AmdLeaf) ?? FromFormerLeaves();
        return X86Base.CpuId(0, 0).Eax >= 4 ? FromLeaf(4) : null;
    }

    // Intel's leaf 4 and AMD's 0x8000001D describe one cache for each sub-leaf in the same format, until one of type 0.
    private static CacheSizes? FromLeaf(int leaf)
    {
        var sizes = new long[4];
        for (var i = 0; i < 16; i++)
        {
            var (eax, ebx, ecx, _) = X86Base.CpuId(leaf, i);
            var (type, level) = (eax & 31, (eax >> 5) & 7);
            if (type == 0)
                break;
            if (type != 2 && level is >= 1 and <= 3)
                sizes[level] = (((long)ebx >> 22 & 0x3FF) + 1) * ((ebx >> 12 & 0x3FF) + 1) * ((ebx & 0xFFF) + 1) * ((uint)ecx + 1L);
        }
        return Checked(sizes, "cpuid");
    }

    // What virtual machines leave of AMD's description. The third level counts all of the processor's there; cores share it in groups,
    // with 16 to 32 MiB each as a rule.
    private static CacheSizes? FromFormerLeaves()
    {
        const int L1Leaf = unchecked((int)0x80000005), L2Leaf = unchecked((int)0x80000006);
        const long MostOfGroup = 32 << 20;
        var (first, second) = (X86Base.CpuId(L1Leaf, 0), X86Base.CpuId(L2Leaf, 0));
        return Checked([0, (long)((uint)first.Ecx >> 24) << 10, (long)((uint)second.Ecx >> 16) << 10, Math.Min((long)((uint)second.Edx >> 18) << 19, MostOfGroup)], "cpuid");
    }

    private static CacheSizes? Checked(long[] sizes, string source)
    {
        const long Least = 4 << 10, Most = 4L << 30;
        var isCredible = sizes[1] is >= Least and <= Most && sizes[2] > sizes[1] && sizes[2] <= Most && (sizes[3] == 0 || (sizes[3] > sizes[2] && sizes[3] <= Most));
        return isCredible ? new(sizes[1], sizes[2], sizes[3], source) : null;
    }
}
