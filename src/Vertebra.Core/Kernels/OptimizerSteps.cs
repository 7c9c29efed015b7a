using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Averages and norms of parameters, a piece at a time; the update rules themselves are in <see cref="UpdateSteps"/>.</summary>
internal static unsafe class OptimizerSteps
{
    /// <summary>average += weight · (value - average); with weight 1 the average becomes exactly the value.</summary>
    public static void MoveTowards(Span<float> average, ReadOnlySpan<float> value, float weight)
    {
        if (average.Length != value.Length)
            throw new ArgumentException($"an average of {average.Length} numbers cannot move towards {value.Length}");
        fixed (float* a = average, v = value)
        {
            switch (Simd.Level)
            {
                case SimdLevel.Vector512: MoveTowards<V512>(a, v, average.Length, weight); break;
                case SimdLevel.Vector256: MoveTowards<V256>(a, v, average.Length, weight); break;
                case SimdLevel.Vector128: MoveTowards<V128>(a, v, average.Length, weight); break;
                default: MoveTowards<V1>(a, v, average.Length, weight); break;
            }
        }
    }

    /// <summary>Σ x², in float32 within blocks of 1024 and in float64 across them.</summary>
    public static double SumOfSquares(ReadOnlySpan<float> values)
    {
        fixed (float* x = values)
        {
            return Simd.Level switch
            {
                SimdLevel.Vector512 => SumOfSquares<V512>(x, values.Length),
                SimdLevel.Vector256 => SumOfSquares<V256>(x, values.Length),
                SimdLevel.Vector128 => SumOfSquares<V128>(x, values.Length),
                _ => SumOfSquares<V1>(x, values.Length),
            };
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MoveTowards<TVector>(float* average, float* value, int count, float weight) where TVector : unmanaged, IVector<TVector>
    {
        var i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
            MoveTowardsAt<TVector>(average + i, value + i, weight);
        for (; i < count; i++)
            MoveTowardsAt<V1>(average + i, value + i, weight);
    }

    // Two forms, as in PyTorch's lerp, so that either end is met exactly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MoveTowardsAt<TVector>(float* average, float* value, float weight) where TVector : unmanaged, IVector<TVector>
    {
        var (from, to) = (TVector.Load(average), TVector.Load(value));
        var moved = weight < 0.5f
            ? TVector.Fma(TVector.Create(weight), to - from, from)
            : TVector.Fma(TVector.Create(weight - 1), to - from, to);
        moved.Store(average);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumOfSquares<TVector>(float* x, int count) where TVector : unmanaged, IVector<TVector>
    {
        const int Block = 1024;
        double total = 0;
        for (var start = 0; start < count; start += Block)
        {
            var end = Math.Min(count, start + Block);
            var sum = TVector.Zero;
            var i = start;
            for (; i <= end - TVector.Count; i += TVector.Count)
                sum = TVector.Fma(TVector.Load(x + i), TVector.Load(x + i), sum);
            total += TVector.Sum(sum);
            for (; i < end; i++)
                total += (double)x[i] * x[i];
        }
        return total;
    }
}
