using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Choice between two operands by a third, all broadcast.</summary>
internal static unsafe class Selections
{
    /// <summary>target = condition ? a : b; conditions are bytes.</summary>
    public static void Run(byte* condition, ReadOnlySpan<int> conditionSizes, float* a, ReadOnlySpan<int> aSizes, float* b, ReadOnlySpan<int> bSizes, float* target, ReadOnlySpan<int> sizes)
    {
        if (sizes.Contains(0))
            return;
        var plan = new BroadcastPlan(sizes, conditionSizes, aSizes, bSizes);
        plan.ForEachBlock((Condition: (nint)condition, A: (nint)a, B: (nint)b, Target: (nint)target), static (in plan, in x, row, rows, column, columns) =>
        {
            var (cStep, aStep, bStep) = (plan.Varies(0) ? 1 : 0, plan.Varies(1) ? 1 : 0, plan.Varies(2) ? 1 : 0);
            for (var r = row; r < row + rows; r++)
            {
                Line((byte*)x.Condition + plan.Offset(0, r) + (cStep * column), cStep, (float*)x.A + plan.Offset(1, r) + (aStep * column), aStep,
                    (float*)x.B + plan.Offset(2, r) + (bStep * column), bStep, (float*)x.Target + (r * plan.Inner) + column, columns);
            }
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Line(byte* condition, int cStep, float* a, int aStep, float* b, int bStep, float* target, long count)
    {
        for (long i = 0; i < count; i++)
            target[i] = condition[i * cStep] != 0 ? a[i * aStep] : b[i * bStep];
    }
}
