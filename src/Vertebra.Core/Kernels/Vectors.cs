using System.Runtime.Intrinsics;

namespace Vertebra.Kernels;

/// <summary>
/// A register of float32 lanes. Kernels are written once over <c>TVector</c> and instantiated for <see cref="V512"/>,
/// <see cref="V256"/>, <see cref="V128"/> and <see cref="V1"/>; the just-in-time compiler specialises each struct, so
/// nothing of the abstraction is left at run time.
/// </summary>
internal unsafe interface IVector<TSelf> where TSelf : unmanaged, IVector<TSelf>
{
    /// <summary>Number of float32 lanes.</summary>
    static abstract int Count { get; }

    /// <summary>Number of vector registers the machine has for this width.</summary>
    static abstract int Registers { get; }
    static abstract TSelf Zero { get; }
    static abstract TSelf Load(float* source);
    static abstract TSelf Create(float value);

    /// <summary>One number in memory for all lanes.</summary>
    static abstract TSelf Broadcast(float* source);
    void Store(float* target);

    /// <summary>Stores past the caches; <paramref name="target"/> is aligned to the vector's size.</summary>
    void StoreStreaming(float* target);

    /// <summary>a·b + c with one rounding where the hardware has it; two roundings, not a slow emulation, where it has not.</summary>
    static abstract TSelf Fma(TSelf a, TSelf b, TSelf c);

    /// <summary>The same where the sum stays in place, which spares the compiler a copy.</summary>
    void AddProduct(TSelf a, TSelf b);

    static abstract TSelf operator +(TSelf a, TSelf b);
    static abstract TSelf operator -(TSelf a, TSelf b);
    static abstract TSelf operator *(TSelf a, TSelf b);
    static abstract TSelf operator /(TSelf a, TSelf b);
    static abstract TSelf Max(TSelf a, TSelf b);
    static abstract TSelf Min(TSelf a, TSelf b);

    /// <summary>The larger of a bound and x in one instruction; x where that is NaN. The bound must not be NaN; of two zeros either may result.</summary>
    static abstract TSelf AtLeast(TSelf bound, TSelf x);

    /// <summary>The smaller of a bound and x, as <see cref="AtLeast"/>.</summary>
    static abstract TSelf AtMost(TSelf bound, TSelf x);
    static abstract TSelf Sqrt(TSelf a);
    static abstract TSelf Abs(TSelf a);

    /// <summary>Round to the nearest integer, ties to even.</summary>
    static abstract TSelf Round(TSelf a);

    /// <summary>Lane-wise 2^n for integral n in [-126, 127], given as float.</summary>
    static abstract TSelf PowerOfTwo(TSelf n);

    /// <summary>a · 2^n for integral n, given as float, in [-252, 254]: rounded once, to a denormal number or infinity where it must be.</summary>
    static abstract TSelf Scale(TSelf a, TSelf n);

    /// <summary>All-ones lanes where a &gt; b, else zero lanes (a mask for <see cref="Select"/>).</summary>
    static abstract TSelf GreaterThan(TSelf a, TSelf b);

    /// <summary>All-ones lanes where a == b, else zero lanes; NaN equals nothing.</summary>
    static abstract TSelf Equal(TSelf a, TSelf b);

    /// <summary>Lane of <paramref name="yes"/> where the mask is all ones, else of <paramref name="no"/>.</summary>
    static abstract TSelf Select(TSelf mask, TSelf yes, TSelf no);

    /// <summary>The first <paramref name="count"/> numbers, fewer than <see cref="Count"/>; nothing beyond them is read, and the other lanes are zero.</summary>
    static abstract TSelf LoadFirst(float* source, int count);

    /// <summary>Stores the first <paramref name="count"/> lanes, fewer than <see cref="Count"/>; nothing beyond them is written.</summary>
    void StoreFirst(float* target, int count);

    /// <summary>Bitwise operations on the lanes' bits: signs, exponents, masks.</summary>
    static abstract TSelf operator &(TSelf a, TSelf b);
    static abstract TSelf operator |(TSelf a, TSelf b);
    static abstract TSelf operator ^(TSelf a, TSelf b);

    /// <summary>The exponent field of each lane without its bias, as a float: floor(log2 |a|) of normal numbers, -127 of zeros and denormals, 128 of infinities and NaN.</summary>
    static abstract TSelf Exponent(TSelf a);

    /// <summary>Sum of the lanes, pairwise: the same bits for the same lanes.</summary>
    static abstract float Sum(TSelf a);

    /// <summary>Largest lane.</summary>
    static abstract float HorizontalMax(TSelf a);

    /// <summary>
    /// Transposes a square of <see cref="Count"/> rows, of which all lanes are read, and stores the first <paramref name="columns"/>
    /// rows of the result; strides in numbers.
    /// </summary>
    static abstract void Transpose(float* source, nint sourceStride, float* target, nint targetStride, int columns);
}

/// <summary>The instruction level this process runs at; the environment variables DOTNET_EnableAVX512, DOTNET_EnableAVX2 and DOTNET_EnableHWIntrinsic (=0) lower it.</summary>
public enum SimdLevel
{
    Scalar,
    Vector128,
    Vector256,
    Vector512,
}

/// <summary>Tells which instruction level the kernels use.</summary>
public static class Simd
{
    /// <summary>The widest level the just-in-time compiler accelerates here.</summary>
    public static SimdLevel Level =>
        Vector512.IsHardwareAccelerated ? SimdLevel.Vector512
        : Vector256.IsHardwareAccelerated ? SimdLevel.Vector256
        : Vector128.IsHardwareAccelerated ? SimdLevel.Vector128
        : SimdLevel.Scalar;
}
