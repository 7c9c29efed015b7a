using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>
/// How one element type is read and written. Every value of an integer type is exact as <see cref="long"/>, every value of
/// a floating-point type as <see cref="double"/>, so each conversion rounds once.
/// </summary>
internal interface IElement<TSelf> where TSelf : unmanaged, IElement<TSelf>
{
    static abstract bool IsWhole { get; }

    /// <summary>The value of an integer type.</summary>
    long Whole { get; }

    /// <summary>The value of a floating-point type.</summary>
    double Real { get; }

    /// <summary>Nearest value, ties to even for floating-point types; integers out of range become the nearest bound.</summary>
    static abstract TSelf From(long value);

    /// <summary>As for integers; besides, integer types drop the fraction, and NaN becomes 0.</summary>
    static abstract TSelf From(double value);
}

/// <summary>Conversions between element types.</summary>
internal static unsafe class Casts
{
    public static void Run(DType from, byte* source, DType to, byte* target, long count)
    {
        switch (from)
        {
            case DType.Float32: To<F32>(source, to, target, count); break;
            case DType.Float16: To<F16>(source, to, target, count); break;
            case DType.BFloat16: To<B16>(source, to, target, count); break;
            case DType.Float64: To<F64>(source, to, target, count); break;
            case DType.Int8: To<I8>(source, to, target, count); break;
            case DType.UInt8: To<U8>(source, to, target, count); break;
            case DType.Int32: To<I32>(source, to, target, count); break;
            case DType.Int64: To<I64>(source, to, target, count); break;
            default: To<Truth>(source, to, target, count); break;
        }
    }

    private static void To<TSource>(byte* source, DType to, byte* target, long count) where TSource : unmanaged, IElement<TSource>
    {
        switch (to)
        {
            case DType.Float32: Parts<TSource, F32>(source, target, count); break;
            case DType.Float16: Parts<TSource, F16>(source, target, count); break;
            case DType.BFloat16: Parts<TSource, B16>(source, target, count); break;
            case DType.Float64: Parts<TSource, F64>(source, target, count); break;
            case DType.Int8: Parts<TSource, I8>(source, target, count); break;
            case DType.UInt8: Parts<TSource, U8>(source, target, count); break;
            case DType.Int32: Parts<TSource, I32>(source, target, count); break;
            case DType.Int64: Parts<TSource, I64>(source, target, count); break;
            default: Parts<TSource, Truth>(source, target, count); break;
        }
    }

    private static void Parts<TSource, TTarget>(byte* source, byte* target, long count)
        where TSource : unmanaged, IElement<TSource>
        where TTarget : unmanaged, IElement<TTarget> =>
        Workers.Run(Elementwise.Parts(count), (Source: (nint)source, Target: (nint)target, count), static (in job, part) =>
        {
            var start = (long)part * Elementwise.PartSize;
            Line((TSource*)job.Source + start, (TTarget*)job.Target + start, (int)Math.Min(Elementwise.PartSize, job.count - start));
        });

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line<TSource, TTarget>(TSource* source, TTarget* target, int count)
        where TSource : unmanaged, IElement<TSource>
        where TTarget : unmanaged, IElement<TTarget>
    {
        for (var i = 0; i < count; i++)
            target[i] = TSource.IsWhole ? TTarget.From(source[i].Whole) : TTarget.From(source[i].Real);
    }

    private readonly struct F32(float value) : IElement<F32>
    {
        private readonly float _value = value;
        public static bool IsWhole => false;
        public long Whole => 0;
        public double Real => _value;
        public static F32 From(long value) => new(value);
        public static F32 From(double value) => new((float)value);
    }

    private readonly struct F64(double value) : IElement<F64>
    {
        private readonly double _value = value;
        public static bool IsWhole => false;
        public long Whole => 0;
        public double Real => _value;
        public static F64 From(long value) => new(value);
        public static F64 From(double value) => new(value);
    }

    /// <summary>float16: a sign, five bits of exponent with bias 15, ten of mantissa. The framework's own conversions take several times as long.</summary>
    private readonly struct F16(ushort bits) : IElement<F16>
    {
        private readonly ushort _bits = bits;
        public static bool IsWhole => false;
        public long Whole => 0;

        public double Real
        {
            get
            {
                var (sign, rest) = ((_bits & 0x8000) << 16, _bits & 0x7FFF);
                var size = rest >= 0x7C00 ? 0x7F800000 | (rest << 13) // infinity and NaN
                    : rest >= 0x0400 ? (rest << 13) + (112 << 23) // the biases differ by 112
                    : BitConverter.SingleToInt32Bits(rest * (1f / (1 << 24))); // denormal: multiples of 2^-24
                return BitConverter.Int32BitsToSingle(sign | size);
            }
        }

        public static F16 From(long value) => From((double)value); // beyond 65519 it is infinite, and below 2^53 the double is exact

        public static F16 From(double value)
        {
            var single = (float)value;
            if (single != value)
                return new(BitConverter.HalfToUInt16Bits((Half)value)); // a float64 proper, or NaN: rounded once
            var bits = BitConverter.SingleToUInt32Bits(single);
            var (sign, size) = (bits >> 16 & 0x8000, bits & 0x7FFFFFFF);
            var rest = size >= 0x47800000 ? 0x7C00 // 65536 and more
                : size >= 0x38800000 ? (size - (112 << 23) + 0xFFF + (size >> 13 & 1)) >> 13 // a carry runs into the exponent, and from 65520 on to infinity
                : (uint)MathF.Round(BitConverter.UInt32BitsToSingle(size) * (1 << 24)); // denormal: the product is exact
            return new((ushort)(sign | rest));
        }
    }

    /// <summary>bfloat16: the upper half of a float32.</summary>
    private readonly struct B16(ushort bits) : IElement<B16>
    {
        private readonly ushort _bits = bits;
        public static bool IsWhole => false;
        public long Whole => 0;
        public double Real => BitConverter.Int32BitsToSingle(_bits << 16);
        public static B16 From(long value) => From((double)value);

        public static B16 From(double value)
        {
            var single = (float)value;
            var bits = BitConverter.SingleToUInt32Bits(single);
            if (float.IsNaN(single))
                return new((ushort)((bits >> 16) | 0x40)); // stays NaN when the lower half held the only set bits
            // A float64 that lay beside the middle of two bfloat16 but rounded onto it as float32 must not be taken for a tie.
            if ((bits & 0xFFFF) == 0x8000 && single != value)
                bits = Math.Abs((double)single) < Math.Abs(value) ? bits + 1 : bits - 1;
            return new((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
        }
    }

    private readonly struct I8(sbyte value) : IElement<I8>
    {
        private readonly sbyte _value = value;
        public static bool IsWhole => true;
        public long Whole => _value;
        public double Real => 0;
        public static I8 From(long value) => new(sbyte.CreateSaturating(value));
        public static I8 From(double value) => new(sbyte.CreateSaturating(value));
    }

    private readonly struct U8(byte value) : IElement<U8>
    {
        private readonly byte _value = value;
        public static bool IsWhole => true;
        public long Whole => _value;
        public double Real => 0;
        public static U8 From(long value) => new(byte.CreateSaturating(value));
        public static U8 From(double value) => new(byte.CreateSaturating(value));
    }

    private readonly struct I32(int value) : IElement<I32>
    {
        private readonly int _value = value;
        public static bool IsWhole => true;
        public long Whole => _value;
        public double Real => 0;
        public static I32 From(long value) => new(int.CreateSaturating(value));
        public static I32 From(double value) => new(int.CreateSaturating(value));
    }

    private readonly struct I64(long value) : IElement<I64>
    {
        private readonly long _value = value;
        public static bool IsWhole => true;
        public long Whole => _value;
        public double Real => 0;
        public static I64 From(long value) => new(value);
        public static I64 From(double value) => new(long.CreateSaturating(value));
    }

    /// <summary>A boolean: anything but zero is true.</summary>
    private readonly struct Truth(byte value) : IElement<Truth>
    {
        private readonly byte _value = value;
        public static bool IsWhole => true;
        public long Whole => _value;
        public double Real => 0;
        public static Truth From(long value) => new(value != 0 ? (byte)1 : (byte)0);
        public static Truth From(double value) => new(value != 0 ? (byte)1 : (byte)0);
    }
}
