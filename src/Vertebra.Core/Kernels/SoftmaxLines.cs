using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Softmax, its logarithm and their gradients along contiguous lines. Targets may be the sources themselves.</summary>
internal static unsafe class SoftmaxLines
{
    /// <summary>The largest element and the sum of e^(x - largest).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Max, float Sum) Statistics<TVector>(float* x, long length) where TVector : unmanaged, IVector<TVector>
    {
        var max = Max<TVector>(x, length);
        var shift = TVector.Create(max);
        var (sum0, sum1) = (TVector.Zero, TVector.Zero);
        long i = 0;
        for (; i <= length - (2 * TVector.Count); i += 2 * TVector.Count)
        {
            sum0 += VectorMath.Exp(TVector.Load(x + i) - shift);
            sum1 += VectorMath.Exp(TVector.Load(x + i + TVector.Count) - shift);
        }
        for (; i < length; i += TVector.Count)
            sum0 += VectorMath.Exp(LoadPadded<TVector>(x + i, length - i) - shift);
        return (max, TVector.Sum(sum0 + sum1));
    }

    /// <summary>y = e^x / Σ e^x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Softmax<TVector>(float* x, float* y, long length) where TVector : unmanaged, IVector<TVector>
    {
        var shift = TVector.Create(Max<TVector>(x, length));
        var sum = TVector.Zero;
        long i = 0;
        for (; i <= length - TVector.Count; i += TVector.Count)
        {
            var e = VectorMath.Exp(TVector.Load(x + i) - shift);
            sum += e;
            e.Store(y + i);
        }
        if (i < length)
        {
            var e = VectorMath.Exp(LoadPadded<TVector>(x + i, length - i) - shift);
            sum += e;
            e.StoreFirst(y + i, (int)(length - i));
        }
        var factor = TVector.Create(1 / TVector.Sum(sum));
        for (i = 0; i <= length - TVector.Count; i += TVector.Count)
            (TVector.Load(y + i) * factor).Store(y + i);
        if (i < length)
            (TVector.LoadFirst(y + i, (int)(length - i)) * factor).StoreFirst(y + i, (int)(length - i));
    }

    /// <summary>y = x - log Σ e^x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LogSoftmax<TVector>(float* x, float* y, long length) where TVector : unmanaged, IVector<TVector>
    {
        var (max, sum) = Statistics<TVector>(x, length);
        var shift = TVector.Create(max);
        var log = TVector.Create((float)Math.Log(sum));
        long i = 0;
        for (; i <= length - TVector.Count; i += TVector.Count)
            (TVector.Load(x + i) - shift - log).Store(y + i);
        if (i < length)
            (TVector.LoadFirst(x + i, (int)(length - i)) - shift - log).StoreFirst(y + i, (int)(length - i));
    }

    /// <summary>dx = y · (dy - Σ dy · y), for y the softmax.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SoftmaxGradient<TVector>(float* dy, float* y, float* dx, long length) where TVector : unmanaged, IVector<TVector>
    {
        var sum = TVector.Zero;
        long i = 0;
        for (; i <= length - TVector.Count; i += TVector.Count)
            sum = TVector.Fma(TVector.Load(dy + i), TVector.Load(y + i), sum);
        var rest = (int)(length - i);
        if (rest > 0)
            sum = TVector.Fma(TVector.LoadFirst(dy + i, rest), TVector.LoadFirst(y + i, rest), sum);
        var dot = TVector.Create(TVector.Sum(sum));
        for (i = 0; i <= length - TVector.Count; i += TVector.Count)
            (TVector.Load(y + i) * (TVector.Load(dy + i) - dot)).Store(dx + i);
        if (rest > 0)
            (TVector.LoadFirst(y + i, rest) * (TVector.LoadFirst(dy + i, rest) - dot)).StoreFirst(dx + i, rest);
    }

    /// <summary>dx = dy - e^y · Σ dy, for y the logarithm of the softmax.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LogSoftmaxGradient<TVector>(float* dy, float* y, float* dx, long length) where TVector : unmanaged, IVector<TVector>
    {
        var sum = TVector.Zero;
        long i = 0;
        for (; i <= length - TVector.Count; i += TVector.Count)
            sum += TVector.Load(dy + i);
        var rest = (int)(length - i);
        if (rest > 0)
            sum += TVector.LoadFirst(dy + i, rest);
        var total = TVector.Create(TVector.Sum(sum));
        for (i = 0; i <= length - TVector.Count; i += TVector.Count)
            (TVector.Load(dy + i) - (VectorMath.Exp(TVector.Load(y + i)) * total)).Store(dx + i);
        if (rest > 0)
            (TVector.LoadFirst(dy + i, rest) - (VectorMath.Exp(TVector.LoadFirst(y + i, rest)) * total)).StoreFirst(dx + i, rest);
    }

    /// <summary>The largest element; NaN if there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Max<TVector>(float* x, long length) where TVector : unmanaged, IVector<TVector>
    {
        var max = TVector.Create(float.NegativeInfinity);
        for (long i = 0; i < length; i += TVector.Count)
            max = TVector.Max(max, LoadPadded<TVector>(x + i, length - i));
        return TVector.HorizontalMax(max);
    }

    /// <summary>A vector's worth, or what is left of the line and then -∞, whose exponential is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector LoadPadded<TVector>(float* x, long left) where TVector : unmanaged, IVector<TVector> =>
        left >= TVector.Count ? TVector.Load(x) : LaneMasks.Load(x, (int)left, TVector.Create(float.NegativeInfinity));
}
