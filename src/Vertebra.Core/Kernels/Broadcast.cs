using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A function of two float32 numbers, once for vectors: the empty struct is a type argument and costs nothing.</summary>
internal interface IBinaryOperator
{
    static abstract TVector Invoke<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector>;
}

/// <summary>Element-wise loops over two operands that broadcast against each other.</summary>
internal static unsafe class Broadcast
{
    /// <summary>target = op(a, b), where the operands have the output's rank (leading axes of size 1 added) and each axis has the output's size or 1.</summary>
    public static void Run<TOperator>(float* a, ReadOnlySpan<int> aSizes, float* b, ReadOnlySpan<int> bSizes, float* target, ReadOnlySpan<int> sizes)
        where TOperator : struct, IBinaryOperator
    {
        long count = 1;
        foreach (var size in sizes)
            count *= size;
        if (count == 0)
            return;
        if (sizes.Length == 0)
        {
            Line<TOperator, V1>(a, 0, b, 0, target, 1);
            return;
        }
        var inner = sizes[^1];
        var aStep = aSizes[^1] == 1 ? 0 : 1;
        var bStep = bSizes[^1] == 1 ? 0 : 1;
        Span<int> index = stackalloc int[sizes.Length];
        for (long start = 0; start < count; start += inner)
        {
            long aOffset = 0, bOffset = 0;
            for (var axis = 0; axis < sizes.Length; axis++)
            {
                aOffset = (aOffset * aSizes[axis]) + (aSizes[axis] == 1 ? 0 : index[axis]);
                bOffset = (bOffset * bSizes[axis]) + (bSizes[axis] == 1 ? 0 : index[axis]);
            }
            Line<TOperator>(a + aOffset, aStep, b + bOffset, bStep, target + start, inner);
            for (var axis = sizes.Length - 2; axis >= 0 && ++index[axis] == sizes[axis]; axis--)
                index[axis] = 0;
        }
    }

    private static void Line<TOperator>(float* a, int aStep, float* b, int bStep, float* target, long count) where TOperator : struct, IBinaryOperator
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Line<TOperator, V512>(a, aStep, b, bStep, target, count); break;
            case SimdLevel.Vector256: Line<TOperator, V256>(a, aStep, b, bStep, target, count); break;
            case SimdLevel.Vector128: Line<TOperator, V128>(a, aStep, b, bStep, target, count); break;
            default: Line<TOperator, V1>(a, aStep, b, bStep, target, count); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line<TOperator, TVector>(float* a, int aStep, float* b, int bStep, float* target, long count)
        where TOperator : struct, IBinaryOperator
        where TVector : unmanaged, IVector<TVector>
    {
        long i = 0;
        for (; i <= count - TVector.Count; i += TVector.Count)
        {
            var x = aStep == 0 ? TVector.Create(*a) : TVector.Load(a + i);
            var y = bStep == 0 ? TVector.Create(*b) : TVector.Load(b + i);
            TOperator.Invoke(x, y).Store(target + i);
        }
        for (; i < count; i++)
            TOperator.Invoke(V1.Load(a + (i * aStep)), V1.Load(b + (i * bStep))).Store(target + i);
    }
}
