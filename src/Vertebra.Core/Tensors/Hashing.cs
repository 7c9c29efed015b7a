using System.Text;

namespace Vertebra;

/// <summary>The FNV-1a hash of names: stable across runs, platforms and versions, unlike <see cref="string.GetHashCode()"/>.</summary>
internal static class Hashing
{
    public const ulong FnvOffset = 0xcbf29ce484222325;
    public const ulong FnvPrime = 0x100000001b3;

    /// <summary>64-bit FNV-1a of the UTF-8 bytes.</summary>
    public static ulong Fnv1a(string text)
    {
        var hash = FnvOffset;
        foreach (var b in Encoding.UTF8.GetBytes(text))
            hash = (hash ^ b) * FnvPrime;
        return hash;
    }
}
