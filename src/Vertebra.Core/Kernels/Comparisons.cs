using System.Numerics;
using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>A condition on two numbers.</summary>
internal interface IComparison
{
    static abstract bool Holds<T>(T a, T b) where T : INumber<T>;
}

/// <summary>Conditions on two operands that broadcast against each other, element by element; results are bytes 0 and 1.</summary>
internal static unsafe class Comparisons
{
    public static void Run<TComparison, T>(T* a, ReadOnlySpan<int> aSizes, T* b, ReadOnlySpan<int> bSizes, byte* target, ReadOnlySpan<int> sizes)
        where TComparison : struct, IComparison
        where T : unmanaged, INumber<T>
    {
        if (sizes.Contains(0))
            return;
        var plan = new BroadcastPlan(sizes, aSizes, bSizes);
        plan.ForEachBlock((A: (nint)a, B: (nint)b, Target: (nint)target), static (in plan, in x, row, rows, column, columns) =>
        {
            var (aStep, bStep) = (plan.Varies(0) ? 1 : 0, plan.Varies(1) ? 1 : 0);
            for (var r = row; r < row + rows; r++)
            {
                Line<TComparison, T>((T*)x.A + plan.Offset(0, r) + (aStep * column), aStep, (T*)x.B + plan.Offset(1, r) + (bStep * column), bStep,
                    (byte*)x.Target + (r * plan.Inner) + column, columns);
            }
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line<TComparison, T>(T* a, int aStep, T* b, int bStep, byte* target, long count)
        where TComparison : struct, IComparison
        where T : unmanaged, INumber<T>
    {
        for (long i = 0; i < count; i++)
            target[i] = TComparison.Holds(a[i * aStep], b[i * bStep]) ? (byte)1 : (byte)0;
    }
}
