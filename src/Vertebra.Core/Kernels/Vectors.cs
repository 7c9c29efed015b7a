using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

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
    void Store(float* target);

    /// <summary>a·b + c with one rounding where the hardware has it; two roundings, not a slow emulation, where it has not.</summary>
    static abstract TSelf Fma(TSelf a, TSelf b, TSelf c);

    /// <summary><see cref="Fma"/> with one number in memory for all lanes of a: lets the compiler read it inside the instruction.</summary>
    static abstract TSelf FmaBroadcast(float* a, TSelf b, TSelf c);

    /// <summary><see cref="Fma"/> with a vector in memory for a: lets the compiler read it inside the instruction.</summary>
    static abstract TSelf FmaLoad(float* a, TSelf b, TSelf c);
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

/// <summary>Sixteen lanes (AVX-512).</summary>
internal readonly unsafe struct V512(Vector512<float> value) : IVector<V512>
{
    private readonly Vector512<float> _v = value;

    public static int Count => 16;
    public static int Registers => 32;
    public static V512 Zero => new(Vector512<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Create(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target) => Vector512.Store(_v, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Fma(V512 a, V512 b, V512 c) => new(Vector512.MultiplyAddEstimate(a._v, b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 FmaBroadcast(float* a, V512 b, V512 c) => new(Vector512.MultiplyAddEstimate(Vector512.Create(*a), b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 FmaLoad(float* a, V512 b, V512 c) => new(Vector512.MultiplyAddEstimate(Vector512.Load(a), b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator +(V512 a, V512 b) => new(a._v + b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator -(V512 a, V512 b) => new(a._v - b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator *(V512 a, V512 b) => new(a._v * b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator /(V512 a, V512 b) => new(a._v / b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Max(V512 a, V512 b) => new(Vector512.Max(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Min(V512 a, V512 b) => new(Vector512.Min(a._v, b._v));

    // x86 gives its second operand where one is NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 AtLeast(V512 bound, V512 x) => new(Vector512.MaxNative(bound._v, x._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 AtMost(V512 bound, V512 x) => new(Vector512.MinNative(bound._v, x._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Sqrt(V512 a) => new(Vector512.Sqrt(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Abs(V512 a) => new(Vector512.Abs(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Round(V512 a) => new(Vector512.Round(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 PowerOfTwo(V512 n) =>
        new(((Vector512.ConvertToInt32Native(n._v) + Vector512.Create(127)) << 23).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Scale(V512 a, V512 n) => new(Avx512F.Scale(a._v, n._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 GreaterThan(V512 a, V512 b) => new(Vector512.GreaterThan(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Equal(V512 a, V512 b) => new(Vector512.Equals(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Select(V512 mask, V512 yes, V512 no) => new(Vector512.ConditionalSelect(mask._v, yes._v, no._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 LoadFirst(float* source, int count) => new(Avx512F.MaskLoad(source, LaneMasks.First512(count), Vector512<float>.Zero));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreFirst(float* target, int count) => Avx512F.MaskStore(target, LaneMasks.First512(count), _v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator &(V512 a, V512 b) => new(a._v & b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator |(V512 a, V512 b) => new(a._v | b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 operator ^(V512 a, V512 b) => new(a._v ^ b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V512 Exponent(V512 a) =>
        new(Vector512.ConvertToSingle(((a._v.AsInt32() >> 23) & Vector512.Create(255)) - Vector512.Create(127)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V512 a) => Vector512.Sum(a._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HorizontalMax(V512 a) => V256.HorizontalMax(new(Vector256.Max(a._v.GetLower(), a._v.GetUpper())));

    // Pairs of rows are interleaved number by number, then pair by pair, which transposes each 4 × 4 block; then the blocks,
    // which are 128-bit quarters of the registers, are transposed in the same way in two rounds.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride, int columns)
    {
        FourRows(source, sourceStride, out var a0, out var a1, out var a2, out var a3);
        FourRows(source + 4 * sourceStride, sourceStride, out var b0, out var b1, out var b2, out var b3);
        FourRows(source + 8 * sourceStride, sourceStride, out var c0, out var c1, out var c2, out var c3);
        FourRows(source + 12 * sourceStride, sourceStride, out var d0, out var d1, out var d2, out var d3);
        StoreFour(a0, b0, c0, d0, target, targetStride, columns, 0);
        StoreFour(a1, b1, c1, d1, target, targetStride, columns, 1);
        StoreFour(a2, b2, c2, d2, target, targetStride, columns, 2);
        StoreFour(a3, b3, c3, d3, target, targetStride, columns, 3);
    }

    // Quarter q of result i is column 4q + i of the four rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourRows(
        float* source, nint stride, out Vector512<float> r0, out Vector512<float> r1, out Vector512<float> r2, out Vector512<float> r3)
    {
        var x0 = Vector512.Load(source);
        var x1 = Vector512.Load(source + stride);
        var x2 = Vector512.Load(source + 2 * stride);
        var x3 = Vector512.Load(source + 3 * stride);
        var low01 = Avx512F.UnpackLow(x0, x1).AsDouble();
        var high01 = Avx512F.UnpackHigh(x0, x1).AsDouble();
        var low23 = Avx512F.UnpackLow(x2, x3).AsDouble();
        var high23 = Avx512F.UnpackHigh(x2, x3).AsDouble();
        r0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        r1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        r2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        r3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    // Stores columns i, 4 + i, 8 + i and 12 + i.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFour(
        Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* target, nint stride, int columns, int i)
    {
        var ab01 = Avx512F.Shuffle4x128(a, b, 0b01_00_01_00);
        var ab23 = Avx512F.Shuffle4x128(a, b, 0b11_10_11_10);
        var cd01 = Avx512F.Shuffle4x128(c, d, 0b01_00_01_00);
        var cd23 = Avx512F.Shuffle4x128(c, d, 0b11_10_11_10);
        if (columns > i)
            Vector512.Store(Avx512F.Shuffle4x128(ab01, cd01, 0b10_00_10_00), target + i * stride);
        if (columns > 4 + i)
            Vector512.Store(Avx512F.Shuffle4x128(ab01, cd01, 0b11_01_11_01), target + (4 + i) * stride);
        if (columns > 8 + i)
            Vector512.Store(Avx512F.Shuffle4x128(ab23, cd23, 0b10_00_10_00), target + (8 + i) * stride);
        if (columns > 12 + i)
            Vector512.Store(Avx512F.Shuffle4x128(ab23, cd23, 0b11_01_11_01), target + (12 + i) * stride);
    }
}

/// <summary>Eight lanes (AVX2).</summary>
internal readonly unsafe struct V256(Vector256<float> value) : IVector<V256>
{
    private readonly Vector256<float> _v = value;

    public static int Count => 8;
    public static int Registers => Vector512.IsHardwareAccelerated ? 32 : 16;
    public static V256 Zero => new(Vector256<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Load(float* source) => new(Vector256.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Create(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target) => Vector256.Store(_v, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Fma(V256 a, V256 b, V256 c) => new(Vector256.MultiplyAddEstimate(a._v, b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 FmaBroadcast(float* a, V256 b, V256 c) => new(Vector256.MultiplyAddEstimate(Vector256.Create(*a), b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 FmaLoad(float* a, V256 b, V256 c) => new(Vector256.MultiplyAddEstimate(Vector256.Load(a), b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator +(V256 a, V256 b) => new(a._v + b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator -(V256 a, V256 b) => new(a._v - b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator *(V256 a, V256 b) => new(a._v * b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator /(V256 a, V256 b) => new(a._v / b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Max(V256 a, V256 b) => new(Vector256.Max(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Min(V256 a, V256 b) => new(Vector256.Min(a._v, b._v));

    // x86 gives its second operand where one is NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 AtLeast(V256 bound, V256 x) => new(Vector256.MaxNative(bound._v, x._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 AtMost(V256 bound, V256 x) => new(Vector256.MinNative(bound._v, x._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Sqrt(V256 a) => new(Vector256.Sqrt(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Abs(V256 a) => new(Vector256.Abs(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Round(V256 a) => new(Vector256.Round(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 PowerOfTwo(V256 n) =>
        new(((Vector256.ConvertToInt32Native(n._v) + Vector256.Create(127)) << 23).AsSingle());

    // In two factors: the first keeps the product normal, so that it is rounded once.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Scale(V256 a, V256 n)
    {
        var half = Round(n * Create(0.5f));
        return a * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 GreaterThan(V256 a, V256 b) => new(Vector256.GreaterThan(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Equal(V256 a, V256 b) => new(Vector256.Equals(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Select(V256 mask, V256 yes, V256 no) => new(Vector256.ConditionalSelect(mask._v, yes._v, no._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 LoadFirst(float* source, int count) => new(Avx.MaskLoad(source, LaneMasks.First256(count)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreFirst(float* target, int count) => Avx.MaskStore(target, LaneMasks.First256(count), _v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator &(V256 a, V256 b) => new(a._v & b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator |(V256 a, V256 b) => new(a._v | b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 operator ^(V256 a, V256 b) => new(a._v ^ b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V256 Exponent(V256 a) =>
        new(Vector256.ConvertToSingle(((a._v.AsInt32() >> 23) & Vector256.Create(255)) - Vector256.Create(127)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V256 a) => Vector256.Sum(a._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HorizontalMax(V256 a) => V128.HorizontalMax(new(Vector128.Max(a._v.GetLower(), a._v.GetUpper())));

    // As in V512, with halves for quarters.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride, int columns)
    {
        FourRows(source, sourceStride, out var a0, out var a1, out var a2, out var a3);
        FourRows(source + 4 * sourceStride, sourceStride, out var b0, out var b1, out var b2, out var b3);
        StoreTwo(a0, b0, target, targetStride, columns, 0);
        StoreTwo(a1, b1, target, targetStride, columns, 1);
        StoreTwo(a2, b2, target, targetStride, columns, 2);
        StoreTwo(a3, b3, target, targetStride, columns, 3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourRows(
        float* source, nint stride, out Vector256<float> r0, out Vector256<float> r1, out Vector256<float> r2, out Vector256<float> r3)
    {
        var x0 = Vector256.Load(source);
        var x1 = Vector256.Load(source + stride);
        var x2 = Vector256.Load(source + 2 * stride);
        var x3 = Vector256.Load(source + 3 * stride);
        var low01 = Avx.UnpackLow(x0, x1).AsDouble();
        var high01 = Avx.UnpackHigh(x0, x1).AsDouble();
        var low23 = Avx.UnpackLow(x2, x3).AsDouble();
        var high23 = Avx.UnpackHigh(x2, x3).AsDouble();
        r0 = Avx.UnpackLow(low01, low23).AsSingle();
        r1 = Avx.UnpackHigh(low01, low23).AsSingle();
        r2 = Avx.UnpackLow(high01, high23).AsSingle();
        r3 = Avx.UnpackHigh(high01, high23).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTwo(Vector256<float> a, Vector256<float> b, float* target, nint stride, int columns, int i)
    {
        if (columns > i)
            Vector256.Store(Avx.Permute2x128(a, b, 0x20), target + i * stride);
        if (columns > 4 + i)
            Vector256.Store(Avx.Permute2x128(a, b, 0x31), target + (4 + i) * stride);
    }
}

/// <summary>Four lanes (Arm, SSE).</summary>
internal readonly unsafe struct V128(Vector128<float> value) : IVector<V128>
{
    private readonly Vector128<float> _v = value;

    public static int Count => 4;
    public static int Registers => Vector512.IsHardwareAccelerated || AdvSimd.IsSupported ? 32 : 16;
    public static V128 Zero => new(Vector128<float>.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Load(float* source) => new(Vector128.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Create(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* target) => Vector128.Store(_v, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Fma(V128 a, V128 b, V128 c) => new(Vector128.MultiplyAddEstimate(a._v, b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 FmaBroadcast(float* a, V128 b, V128 c) => new(Vector128.MultiplyAddEstimate(Vector128.Create(*a), b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 FmaLoad(float* a, V128 b, V128 c) => new(Vector128.MultiplyAddEstimate(Vector128.Load(a), b._v, c._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator +(V128 a, V128 b) => new(a._v + b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator -(V128 a, V128 b) => new(a._v - b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator *(V128 a, V128 b) => new(a._v * b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator /(V128 a, V128 b) => new(a._v / b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Max(V128 a, V128 b) => new(Vector128.Max(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Min(V128 a, V128 b) => new(Vector128.Min(a._v, b._v));

    // x86 gives its second operand where one is NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 AtLeast(V128 bound, V128 x) => new(Vector128.MaxNative(bound._v, x._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 AtMost(V128 bound, V128 x) => new(Vector128.MinNative(bound._v, x._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Sqrt(V128 a) => new(Vector128.Sqrt(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Abs(V128 a) => new(Vector128.Abs(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Round(V128 a) => new(Vector128.Round(a._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 PowerOfTwo(V128 n) =>
        new(((Vector128.ConvertToInt32Native(n._v) + Vector128.Create(127)) << 23).AsSingle());

    // In two factors: the first keeps the product normal, so that it is rounded once.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Scale(V128 a, V128 n)
    {
        var half = Round(n * Create(0.5f));
        return a * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 GreaterThan(V128 a, V128 b) => new(Vector128.GreaterThan(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Equal(V128 a, V128 b) => new(Vector128.Equals(a._v, b._v));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Select(V128 mask, V128 yes, V128 no) => new(Vector128.ConditionalSelect(mask._v, yes._v, no._v));

    public static V128 LoadFirst(float* source, int count)
    {
        float* lanes = stackalloc float[4];
        Vector128.Store(Vector128<float>.Zero, lanes);
        for (var i = 0; i < count; i++)
            lanes[i] = source[i];
        return Load(lanes);
    }

    public void StoreFirst(float* target, int count)
    {
        float* lanes = stackalloc float[4];
        Store(lanes);
        for (var i = 0; i < count; i++)
            target[i] = lanes[i];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator &(V128 a, V128 b) => new(a._v & b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator |(V128 a, V128 b) => new(a._v | b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 operator ^(V128 a, V128 b) => new(a._v ^ b._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V128 Exponent(V128 a) =>
        new(Vector128.ConvertToSingle(((a._v.AsInt32() >> 23) & Vector128.Create(255)) - Vector128.Create(127)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V128 a) => Vector128.Sum(a._v);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HorizontalMax(V128 a)
    {
        var pairs = Vector128.Max(a._v, Vector128.Shuffle(a._v, Vector128.Create(2, 3, 0, 1)));
        return MathF.Max(pairs[0], pairs[1]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride, int columns)
    {
        var x0 = Vector128.Load(source);
        var x1 = Vector128.Load(source + sourceStride);
        var x2 = Vector128.Load(source + 2 * sourceStride);
        var x3 = Vector128.Load(source + 3 * sourceStride);
        var low02 = InterleaveLow(x0, x2);
        var low13 = InterleaveLow(x1, x3);
        Vector128.Store(InterleaveLow(low02, low13), target);
        if (columns > 1)
            Vector128.Store(InterleaveHigh(low02, low13), target + targetStride);
        var high02 = InterleaveHigh(x0, x2);
        var high13 = InterleaveHigh(x1, x3);
        if (columns > 2)
            Vector128.Store(InterleaveLow(high02, high13), target + 2 * targetStride);
        if (columns > 3)
            Vector128.Store(InterleaveHigh(high02, high13), target + 3 * targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveLow(Vector128<float> a, Vector128<float> b) =>
        AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipLow(a, b)
        : Sse.IsSupported ? Sse.UnpackLow(a, b)
        : Vector128.Create(a[0], b[0], a[1], b[1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> InterleaveHigh(Vector128<float> a, Vector128<float> b) =>
        AdvSimd.Arm64.IsSupported ? AdvSimd.Arm64.ZipHigh(a, b)
        : Sse.IsSupported ? Sse.UnpackHigh(a, b)
        : Vector128.Create(a[2], b[2], a[3], b[3]);
}

/// <summary>One lane: the scalar fallback, and the tail of every wider loop. It rounds as the wider ones do.</summary>
internal readonly unsafe struct V1(float value) : IVector<V1>
{
    private readonly float _v = value;

    public static int Count => 1;
    public static int Registers => 16;
    public static V1 Zero => default;
    public static V1 Load(float* source) => new(*source);
    public static V1 Create(float value) => new(value);
    public void Store(float* target) => *target = _v;
    public static V1 Fma(V1 a, V1 b, V1 c) => new(float.MultiplyAddEstimate(a._v, b._v, c._v));
    public static V1 FmaBroadcast(float* a, V1 b, V1 c) => new(float.MultiplyAddEstimate(*a, b._v, c._v));
    public static V1 FmaLoad(float* a, V1 b, V1 c) => new(float.MultiplyAddEstimate(*a, b._v, c._v));
    public static V1 operator +(V1 a, V1 b) => new(a._v + b._v);
    public static V1 operator -(V1 a, V1 b) => new(a._v - b._v);
    public static V1 operator *(V1 a, V1 b) => new(a._v * b._v);
    public static V1 operator /(V1 a, V1 b) => new(a._v / b._v);
    public static V1 Max(V1 a, V1 b) => new(MathF.Max(a._v, b._v));
    public static V1 Min(V1 a, V1 b) => new(MathF.Min(a._v, b._v));
    public static V1 AtLeast(V1 bound, V1 x) => new(bound._v > x._v ? bound._v : x._v);
    public static V1 AtMost(V1 bound, V1 x) => new(bound._v < x._v ? bound._v : x._v);
    public static V1 Sqrt(V1 a) => new(MathF.Sqrt(a._v));
    public static V1 Abs(V1 a) => new(MathF.Abs(a._v));
    public static V1 Round(V1 a) => new(MathF.Round(a._v));
    public static V1 PowerOfTwo(V1 n) => new(BitConverter.Int32BitsToSingle(((int)n._v + 127) << 23));

    public static V1 Scale(V1 a, V1 n)
    {
        var half = Round(n * Create(0.5f));
        return a * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    public static V1 GreaterThan(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(a._v > b._v ? -1 : 0));
    public static V1 Equal(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(a._v == b._v ? -1 : 0));
    public static V1 Select(V1 mask, V1 yes, V1 no) => BitConverter.SingleToInt32Bits(mask._v) != 0 ? yes : no;
    public static V1 LoadFirst(float* source, int count) => count > 0 ? Load(source) : default;

    public void StoreFirst(float* target, int count)
    {
        if (count > 0)
            Store(target);
    }

    public static V1 operator &(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._v) & BitConverter.SingleToInt32Bits(b._v)));
    public static V1 operator |(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._v) | BitConverter.SingleToInt32Bits(b._v)));
    public static V1 operator ^(V1 a, V1 b) => new(BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(a._v) ^ BitConverter.SingleToInt32Bits(b._v)));
    public static V1 Exponent(V1 a) => new(((BitConverter.SingleToInt32Bits(a._v) >> 23) & 255) - 127);
    public static float Sum(V1 a) => a._v;
    public static float HorizontalMax(V1 a) => a._v;
    public static void Transpose(float* source, nint sourceStride, float* target, nint targetStride, int columns) => *target = *source;
}

/// <summary>Masks of the first lanes, for loads and stores that must not touch what lies beyond.</summary>
internal static unsafe class LaneMasks
{
    private static ReadOnlySpan<int> Window =>
        [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>All-ones in the first <paramref name="count"/> lanes (0 to all), zero in the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector First<TVector>(int count) where TVector : unmanaged, IVector<TVector> =>
        TVector.Load((float*)Unsafe.AsPointer(ref Unsafe.AsRef(in Window[16 - count])));

    /// <summary>The first <paramref name="count"/> numbers (0 to all but one), the other lanes <paramref name="others"/>; nothing beyond them is read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(float* source, int count, TVector others) where TVector : unmanaged, IVector<TVector> =>
        TVector.Select(First<TVector>(count), TVector.LoadFirst(source, count), others);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> First512(int count) => Vector512.LoadUnsafe(in Window[16 - count]).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> First256(int count) => Vector256.LoadUnsafe(in Window[16 - count]).AsSingle();
}
