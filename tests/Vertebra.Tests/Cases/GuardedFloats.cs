using System.Runtime.InteropServices;

namespace Vertebra.Tests.Cases;

/// <summary>
/// Native numbers with guards on both sides. Inputs are guarded by NaN, so a kernel that uses a number outside them spoils its
/// result; <see cref="AssertGuards"/> finds writes outside outputs.
/// </summary>
public sealed unsafe class GuardedFloats : IDisposable
{
    private const int Guard = 64;
    private readonly float* _memory;

    public GuardedFloats(int length, int seed = -1)
    {
        Length = length;
        _memory = (float*)NativeMemory.AlignedAlloc((nuint)(length + 2 * Guard) * sizeof(float), 64);
        new Span<float>(_memory, length + 2 * Guard).Fill(float.NaN);
        if (seed < 0)
            return;
        var random = new Random(seed);
        for (var i = 0; i < length; i++)
            Pointer[i] = random.NextSingle() * 2 - 1;
    }

    ~GuardedFloats() => NativeMemory.AlignedFree(_memory);

    public int Length { get; }
    public float* Pointer => _memory + Guard;
    public Span<float> Span => new(Pointer, Length);
    public float this[int index] => Span[index];

    public void AssertGuards()
    {
        foreach (var guard in (ReadOnlySpan<float>)[.. new Span<float>(_memory, Guard), .. new Span<float>(Pointer + Length, Guard)])
            Assert.True(BitConverter.SingleToInt32Bits(guard) == BitConverter.SingleToInt32Bits(float.NaN), "wrote outside the output");
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        GC.SuppressFinalize(this);
    }
}
