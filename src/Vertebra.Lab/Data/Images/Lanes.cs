using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Lab.Data.Images;

/// <summary>
/// The integer vector steps of the picture kernels that .NET's portable vectors lack. On x86 each is one AVX2
/// instruction, and its lane order (two independent halves of 128 bits) is the contract the portable form follows.
/// </summary>
internal static class Lanes
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> LoadShorts(ref short source) => Unsafe.ReadUnaligned<Vector256<short>>(ref Unsafe.As<short, byte>(ref source));

    /// <summary>Sixteen bytes, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> LoadWidened(ref byte source)
    {
        var bytes = Unsafe.ReadUnaligned<Vector128<byte>>(ref source);
        return Avx2.IsSupported ? Avx2.ConvertToVector256Int16(bytes) : Vector256.WidenLower(bytes.ToVector256Unsafe()).AsInt16();
    }

    /// <summary>Sixteen bytes of a span from <paramref name="start"/> on, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> LoadWidened(ReadOnlySpan<byte> source, int start)
    {
        var (low, high) = Vector128.Widen(Vector128.Create(source.Slice(start, 16)));
        return Vector256.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(Vector256<T> value, ref byte target) => Unsafe.WriteUnaligned(ref target, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(Vector128<T> value, ref byte target) => Unsafe.WriteUnaligned(ref target, value);

    /// <summary>Products of neighbouring 16-bit lanes, added in pairs: int lane i is a[2i]·b[2i] + a[2i+1]·b[2i+1].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DotPairs(Vector256<short> a, Vector256<short> b)
    {
        if (Avx2.IsSupported)
            return Avx2.MultiplyAddAdjacent(a, b);
        Vector256<int> a32 = a.AsInt32(), b32 = b.AsInt32();
        return ((a32 << 16) >> 16) * ((b32 << 16) >> 16) + (a32 >> 16) * (b32 >> 16);
    }

    /// <summary>High 16 bits of each signed 32-bit product.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> MultiplyHigh(Vector256<short> a, Vector256<short> b)
    {
        if (Avx2.IsSupported)
            return Avx2.MultiplyHigh(a, b);
        var (aLow, aHigh) = Vector256.Widen(a);
        var (bLow, bHigh) = Vector256.Widen(b);
        return Vector256.Narrow((aLow * bLow) >> 16, (aHigh * bHigh) >> 16);
    }

    /// <summary>Both operands saturated to 16 bits; in each half four lanes of <paramref name="a"/>, then four of <paramref name="b"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> PackSaturated(Vector256<int> a, Vector256<int> b)
    {
        if (Avx2.IsSupported)
            return Avx2.PackSignedSaturate(a, b);
        return Vector256.Create(
            Vector128.NarrowWithSaturation(a.GetLower(), b.GetLower()),
            Vector128.NarrowWithSaturation(a.GetUpper(), b.GetUpper()));
    }

    /// <summary>Both operands clamped to 0..255; in each half eight lanes of <paramref name="a"/>, then eight of <paramref name="b"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> PackBytes(Vector256<short> a, Vector256<short> b)
    {
        if (Avx2.IsSupported)
            return Avx2.PackUnsignedSaturate(a, b);
        Vector256<short> zero = Vector256<short>.Zero, top = Vector256.Create((short)255);
        a = Vector256.Min(Vector256.Max(a, zero), top);
        b = Vector256.Min(Vector256.Max(b, zero), top);
        return Vector256.Create(
            Vector128.Narrow(a.GetLower().AsUInt16(), b.GetLower().AsUInt16()),
            Vector128.Narrow(a.GetUpper().AsUInt16(), b.GetUpper().AsUInt16()));
    }

    /// <summary>In each half: a0 b0 a1 b1 ... of bytes 0-7 in <paramref name="low"/>, of bytes 8-15 in <paramref name="high"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InterleaveBytes(Vector256<byte> a, Vector256<byte> b, out Vector256<byte> low, out Vector256<byte> high)
    {
        if (Avx2.IsSupported)
        {
            low = Avx2.UnpackLow(a, b);
            high = Avx2.UnpackHigh(a, b);
            return;
        }
        // As 16-bit numbers: a in the lower half of each, b in the upper.
        var (aLow, aHigh) = Vector256.Widen(a);
        var (bLow, bHigh) = Vector256.Widen(b);
        Vector256<ushort> first = aLow | (bLow << 8), second = aHigh | (bHigh << 8);
        low = Vector256.Create(first.GetLower(), second.GetLower()).AsByte();
        high = Vector256.Create(first.GetUpper(), second.GetUpper()).AsByte();
    }

    /// <summary>In each half: a0 b0 a1 b1 of 32-bit lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> InterleaveLow(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.UnpackLow(a, b)
        : Vector256.Create(a[0], b[0], a[1], b[1], a[4], b[4], a[5], b[5]);

    /// <summary>In each half: a2 b2 a3 b3 of 32-bit lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> InterleaveHigh(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.UnpackHigh(a, b)
        : Vector256.Create(a[2], b[2], a[3], b[3], a[6], b[6], a[7], b[7]);

    /// <summary>In each half: a0 a1 b0 b1 of 32-bit lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> InterleaveLowPairs(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.UnpackLow(a.AsInt64(), b.AsInt64()).AsInt32()
        : Vector256.Create(a[0], a[1], b[0], b[1], a[4], a[5], b[4], b[5]);

    /// <summary>In each half: a2 a3 b2 b3 of 32-bit lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> InterleaveHighPairs(Vector256<int> a, Vector256<int> b) => Avx2.IsSupported
        ? Avx2.UnpackHigh(a.AsInt64(), b.AsInt64()).AsInt32()
        : Vector256.Create(a[2], a[3], b[2], b[3], a[6], a[7], b[6], b[7]);

    /// <summary>Pairs a0 b0 a1 b1 ... of 16-bit lanes: of lanes 0-3 of each half in <paramref name="low"/>, of lanes 4-7 in <paramref name="high"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InterleaveShorts(Vector256<short> a, Vector256<short> b, out Vector256<short> low, out Vector256<short> high)
    {
        if (Avx2.IsSupported)
        {
            low = Avx2.UnpackLow(a, b);
            high = Avx2.UnpackHigh(a, b);
            return;
        }
        // As 32-bit numbers: a in the lower half of each, b in the upper.
        var (aLow, aHigh) = Vector256.Widen(a.AsUInt16());
        var (bLow, bHigh) = Vector256.Widen(b.AsUInt16());
        Vector256<uint> first = aLow | (bLow << 16), second = aHigh | (bHigh << 16);
        low = Vector256.Create(first.GetLower(), second.GetLower()).AsInt16();
        high = Vector256.Create(first.GetUpper(), second.GetUpper()).AsInt16();
    }

    /// <summary>Moves bytes within each half; each index is below 16 and counts within its half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> ShuffleHalves(Vector256<byte> value, Vector128<byte> order) => Avx2.IsSupported
        ? Avx2.Shuffle(value, Vector256.Create(order, order))
        : Vector256.Create(Vector128.Shuffle(value.GetLower(), order), Vector128.Shuffle(value.GetUpper(), order));

    /// <summary>Middle quarters exchanged: 64-bit lanes 0 2 1 3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> SwapMiddleQuarters<T>(Vector256<T> value) => Avx2.IsSupported
        ? Avx2.Permute4x64(value.AsInt64(), 0b11_01_10_00).As<long, T>()
        : Vector256.Shuffle(value.AsInt64(), Vector256.Create(0L, 2, 1, 3)).As<long, T>();

    /// <summary>A reference into a span without a bounds check; the caller has shown that the vector behind it lies inside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref byte At(Span<byte> span, int index) => ref Unsafe.Add(ref MemoryMarshal.GetReference(span), index);

    /// <inheritdoc cref="At(Span{byte}, int)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref byte At(ReadOnlySpan<byte> span, int index) => ref Unsafe.Add(ref MemoryMarshal.GetReference(span), index);
}
