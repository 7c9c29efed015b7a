using System.Runtime.InteropServices;

namespace Vertebra.Bench;

/// <summary>Native, aligned numbers between -1 and 1 for a kernel to work on.</summary>
internal sealed unsafe class NativeFloats : IDisposable
{
    public NativeFloats(long count, int seed)
    {
        Pointer = (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
        var random = new Random(seed);
        for (var i = 0L; i < count; i++)
            Pointer[i] = (random.NextSingle() * 2) - 1;
    }

    public float* Pointer { get; }

    public void Dispose() => NativeMemory.AlignedFree(Pointer);
}
