using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Functions of two operands that broadcast against each other, element by element.</summary>
internal static unsafe class Broadcast
{
    // A narrow operand that is the same for all rows (a value per channel) is repeated to about this many elements, so that lines are long.
    private const int RepeatedLength = 512;

    /// <summary>target = op(a, b) for operands of any shapes that broadcast to the output's.</summary>
    /// <param name="op">The function.</param>
    /// <param name="a">First operand.</param>
    /// <param name="aSizes">Its sizes: aligned at the end, each equal to the output's or 1.</param>
    /// <param name="b">Second operand.</param>
    /// <param name="bSizes">Its sizes.</param>
    /// <param name="target">Output; it may be an operand of the output's own shape.</param>
    /// <param name="sizes">The output's sizes.</param>
    public static void Run<TOperator>(TOperator op, float* a, ReadOnlySpan<int> aSizes, float* b, ReadOnlySpan<int> bSizes, float* target, ReadOnlySpan<int> sizes)
        where TOperator : struct, IBinaryOperator
    {
        long count = 1;
        foreach (var size in sizes)
            count *= size;
        if (count == 0)
            return;
        if (aSizes.SequenceEqual(bSizes))
        {
            Elementwise.Run(op, a, b, target, count);
            return;
        }
        var plan = new BroadcastPlan(sizes, aSizes, bSizes);
        var isNarrow = plan.OuterRank == 1 && plan.Inner <= RepeatedLength / 2;
        if (isNarrow && plan.Varies(0) && plan.Varies(1) && plan.IsSameForAllRows(1))
            RunNarrow(op, a, b, target, (int)plan.Inner, count);
        else if (isNarrow && plan.Varies(0) && plan.Varies(1) && plan.IsSameForAllRows(0))
            RunNarrow(new Swapped<TOperator>(op), b, a, target, (int)plan.Inner, count);
        else
            RunRows(op, a, b, target, plan);
    }

    private static void RunRows<TOperator>(TOperator op, float* a, float* b, float* target, in BroadcastPlan plan) where TOperator : struct, IBinaryOperator =>
        plan.ForEachRun(new Operands<TOperator>(op, a, b, target, 0, 0), static (in plan, in x, row, rows, column, columns) =>
        {
            var (aStep, bStep) = (plan.Varies(0) ? 1 : 0, plan.Varies(1) ? 1 : 0);
            Rows(x.Op, x.A + plan.Offset(0, row) + (aStep * column), plan.RowStride(0), aStep, x.B + plan.Offset(1, row) + (bStep * column), plan.RowStride(1), bStep,
                x.Target + (row * plan.Inner) + column, plan.Inner, rows, columns);
        });

    private readonly struct Operands<TOperator>(TOperator op, float* a, float* b, float* target, int length, long count)
    {
        public readonly TOperator Op = op;
        public readonly float* A = a;
        public readonly float* B = b;
        public readonly float* Target = target;
        public readonly int Length = length;
        public readonly long Count = count;
    }

    /// <summary>A full operand against a short one, [rows, width] with [width].</summary>
    private static void RunNarrow<TOperator>(TOperator op, float* full, float* narrow, float* target, int width, long count)
        where TOperator : struct, IBinaryOperator
    {
        var length = RepeatedLength / width * width;
        var tile = stackalloc float[length];
        for (var i = 0; i < length; i++)
            tile[i] = narrow[i % width];
        // Whole tiles only, so that each part starts at the beginning of one.
        var partSize = Elementwise.PartSize / length * length;
        var parts = checked((int)((count + partSize - 1) / partSize));
        Workers.Run(parts, (Operands: new Operands<TOperator>(op, full, tile, target, length, count), partSize), static (in job, part) =>
        {
            var x = job.Operands;
            var end = Math.Min(x.Count, (part + 1L) * job.partSize);
            for (var i = (long)part * job.partSize; i < end; i += x.Length)
                Line(x.Op, x.A + i, 1, x.B, 1, x.Target + i, Math.Min(x.Length, end - i));
        });
    }

    private readonly struct Swapped<TOperator>(TOperator op) : IBinaryOperator where TOperator : struct, IBinaryOperator
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => op.Invoke(b, a);
    }

    /// <summary>One line: a step of 0 repeats the operand's one element, 1 walks along it.</summary>
    public static void Line<TOperator>(TOperator op, float* a, int aStep, float* b, int bStep, float* target, long count) where TOperator : struct, IBinaryOperator =>
        Rows(op, a, 0, aStep, b, 0, bStep, target, 0, 1, count);

    private static void Rows<TOperator>(TOperator op, float* a, long aStride, int aStep, float* b, long bStride, int bStep, float* target, long stride, long rows, long columns)
        where TOperator : struct, IBinaryOperator
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Rows<TOperator, V512>(op, a, aStride, aStep, b, bStride, bStep, target, stride, rows, columns); break;
            case SimdLevel.Vector256: Rows<TOperator, V256>(op, a, aStride, aStep, b, bStride, bStep, target, stride, rows, columns); break;
            case SimdLevel.Vector128: Rows<TOperator, V128>(op, a, aStride, aStep, b, bStride, bStep, target, stride, rows, columns); break;
            default: Rows<TOperator, V1>(op, a, aStride, aStep, b, bStride, bStep, target, stride, rows, columns); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows<TOperator, TVector>(TOperator op, float* a, long aStride, int aStep, float* b, long bStride, int bStep, float* target, long stride, long rows, long columns)
        where TOperator : struct, IBinaryOperator
        where TVector : unmanaged, IVector<TVector>
    {
        var last = columns - TVector.Count;
        for (; rows > 0; rows--, a += aStride, b += bStride, target += stride)
        {
            long i = 0;
            if (aStep == 0)
            {
                var x = TVector.Create(*a);
                for (; i <= last; i += TVector.Count)
                    op.Invoke(x, bStep == 0 ? TVector.Create(*b) : TVector.Load(b + i)).Store(target + i);
            }
            else if (bStep == 0)
            {
                var y = TVector.Create(*b);
                for (; i <= last; i += TVector.Count)
                    op.Invoke(TVector.Load(a + i), y).Store(target + i);
            }
            else
            {
                for (; i <= last; i += TVector.Count)
                    op.Invoke(TVector.Load(a + i), TVector.Load(b + i)).Store(target + i);
            }
            var rest = (int)(columns - i);
            if (rest <= 0)
                continue;
            var aRest = aStep == 0 ? TVector.Create(*a) : TVector.LoadFirst(a + i, rest);
            var bRest = bStep == 0 ? TVector.Create(*b) : TVector.LoadFirst(b + i, rest);
            op.Invoke(aRest, bRest).StoreFirst(target + i, rest);
        }
    }
}
