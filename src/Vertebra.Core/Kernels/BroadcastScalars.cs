using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A function of two numbers that is not worth a vector form: one pair at a time, in float64.</summary>
internal interface IBinaryScalarOperator
{
    static abstract double Invoke(double a, double b);
}

/// <summary>Functions of two operands that broadcast against each other, one pair of elements at a time.</summary>
internal static unsafe class BroadcastScalars
{
    public static void Run<TOperator>(float* a, ReadOnlySpan<int> aSizes, float* b, ReadOnlySpan<int> bSizes, float* target, ReadOnlySpan<int> sizes)
        where TOperator : struct, IBinaryScalarOperator
    {
        if (sizes.Contains(0))
            return;
        var plan = new BroadcastPlan(sizes, aSizes, bSizes);
        plan.ForEachBlock((A: (nint)a, B: (nint)b, Target: (nint)target), static (in plan, in x, row, rows, column, columns) =>
        {
            var (aStep, bStep) = (plan.Varies(0) ? 1 : 0, plan.Varies(1) ? 1 : 0);
            for (var r = row; r < row + rows; r++)
            {
                Line<TOperator>((float*)x.A + plan.Offset(0, r) + (aStep * column), aStep, (float*)x.B + plan.Offset(1, r) + (bStep * column), bStep,
                    (float*)x.Target + (r * plan.Inner) + column, columns);
            }
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line<TOperator>(float* a, int aStep, float* b, int bStep, float* target, long count) where TOperator : struct, IBinaryScalarOperator
    {
        for (long i = 0; i < count; i++)
            target[i] = (float)TOperator.Invoke(a[i * aStep], b[i * bStep]);
    }
}
