using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Vertebra.Lab.Data.Images;

/// <summary>Sixteen 32-bit sums of weighted bytes side by side; also a weight in every lane.</summary>
/// <typeparam name="TSelf">The form that the processor has.</typeparam>
internal interface IWideSum<TSelf>
    where TSelf : struct, IWideSum<TSelf>
{
    /// <summary>The same number sixteen times.</summary>
    static abstract TSelf Create(int value);

    /// <summary>Adds sixteen bytes times a weight.</summary>
    TSelf Add(ref byte samples, TSelf weight);

    /// <summary>Shifts the fixed point's bits out, clamps to 0..255 and stores sixteen bytes.</summary>
    void Store(ref byte target);
}

/// <summary>In one register of 512 bits.</summary>
internal readonly struct WideSum512(Vector512<int> value) : IWideSum<WideSum512>
{
    private readonly Vector512<int> _value = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideSum512 Create(int value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public WideSum512 Add(ref byte samples, WideSum512 weight) =>
        new(_value + Avx512F.ConvertToVector512Int32(Unsafe.ReadUnaligned<Vector128<byte>>(ref samples)) * weight._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref byte target) =>
        Lanes.Store(Avx512F.ConvertToVector128ByteWithSaturation(Vector512.Max(_value >> ResampleWeights.PrecisionBits, Vector512<int>.Zero).AsUInt32()), ref target);
}

/// <summary>In two registers of 256 bits, or what the processor has for them.</summary>
internal readonly struct WideSum256(Vector256<int> low, Vector256<int> high) : IWideSum<WideSum256>
{
    private readonly Vector256<int> _low = low;
    private readonly Vector256<int> _high = high;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static WideSum256 Create(int value) => new(Vector256.Create(value), Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public WideSum256 Add(ref byte samples, WideSum256 weight)
    {
        if (Avx2.IsSupported)
        {
            // Straight from memory to 32 bits.
            return new(
                _low + Avx2.ConvertToVector256Int32(EightBytes(ref samples)) * weight._low,
                _high + Avx2.ConvertToVector256Int32(EightBytes(ref Unsafe.Add(ref samples, 8))) * weight._low);
        }
        var values = Lanes.LoadWidened(ref samples);
        return new(_low + Vector256.WidenLower(values) * weight._low, _high + Vector256.WidenUpper(values) * weight._low);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(ref byte target)
    {
        // Packing by halves leaves the middle quarters exchanged.
        var packed = Lanes.SwapMiddleQuarters(Lanes.PackSaturated(_low >> ResampleWeights.PrecisionBits, _high >> ResampleWeights.PrecisionBits));
        Lanes.Store(Lanes.SwapMiddleQuarters(Lanes.PackBytes(packed, packed)).GetLower(), ref target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> EightBytes(ref byte source) => Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(ref source)).AsByte();
}
