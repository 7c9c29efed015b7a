using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>How two values become one: a sum, a maximum. Vectors first, then their results in float64.</summary>
internal interface IReduction
{
    /// <summary>What leaves any value as it is.</summary>
    static abstract float Identity { get; }
    static abstract TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector>;
    static abstract double Combine(double a, double b);
}

internal readonly struct SumReduction : IReduction
{
    public static float Identity => 0;
    public static TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => a + b;
    public static double Combine(double a, double b) => a + b;
}

/// <summary>The largest; NaN if there is one.</summary>
internal readonly struct MaxReduction : IReduction
{
    public static float Identity => float.NegativeInfinity;
    public static TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => TVector.Max(a, b);
    public static double Combine(double a, double b) => Math.Max(a, b);
}

/// <summary>The smallest; NaN if there is one.</summary>
internal readonly struct MinReduction : IReduction
{
    public static float Identity => float.PositiveInfinity;
    public static TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => TVector.Min(a, b);
    public static double Combine(double a, double b) => Math.Min(a, b);
}

/// <summary>
/// Reductions of [outer, reduced, inner] to [outer, inner]. Short runs are combined in float32 lanes, their results in
/// float64, so that long sums stay accurate; how the work is cut depends on the shape alone, so results have the same
/// bits at any number of threads.
/// </summary>
internal static unsafe class Reductions
{
    // Float32 lanes take at most this many values before they are moved to float64.
    private const int RowRun = 64;
    private const int LineRun = 64 * 64;
    private const long PartSize = 1 << 16;
    private const int ColumnsPerPart = 1024;

    /// <summary>target[o, i] = scale · (combination of source[o, r, i] over r).</summary>
    public static void Run<TReduction>(float* source, long outer, long reduced, long inner, float* target, double scale = 1) where TReduction : struct, IReduction
    {
        if (outer * inner == 0)
            return;
        if (inner == 1)
            ReduceLines<TReduction>(source, outer, reduced, target, scale);
        else
            ReduceRows<TReduction>(source, outer, reduced, inner, target, scale);
    }

    // ---------------------------------------------------------------- [lines, length] → [lines]

    private static void ReduceLines<TReduction>(float* source, long lines, long length, float* target, double scale) where TReduction : struct, IReduction
    {
        var partsPerLine = Math.Max(1, length / PartSize);
        if (partsPerLine > 1)
        {
            ReduceLongLines<TReduction>(source, lines, length, target, scale, partsPerLine);
            return;
        }
        var linesPerPart = Math.Max(1, PartSize / Math.Max(1, length));
        Workers.Run(checked((int)((lines + linesPerPart - 1) / linesPerPart)), part =>
        {
            var end = Math.Min(lines, (part + 1) * linesPerPart);
            for (var line = part * linesPerPart; line < end; line++)
                target[line] = (float)(scale * Line<TReduction>(source + (line * length), length));
        });
    }

    private static void ReduceLongLines<TReduction>(float* source, long lines, long length, float* target, double scale, long partsPerLine) where TReduction : struct, IReduction
    {
        var partials = new double[lines * partsPerLine];
        Workers.Run(partials.Length, part =>
        {
            var (line, position) = Math.DivRem((long)part, partsPerLine);
            var start = length * position / partsPerLine;
            var end = length * (position + 1) / partsPerLine;
            partials[part] = Line<TReduction>(source + (line * length) + start, end - start);
        });
        for (long line = 0; line < lines; line++)
        {
            double total = TReduction.Identity;
            for (long position = 0; position < partsPerLine; position++)
                total = TReduction.Combine(total, partials[(line * partsPerLine) + position]);
            target[line] = (float)(scale * total);
        }
    }

    private static double Line<TReduction>(float* source, long length) where TReduction : struct, IReduction => Simd.Level switch
    {
        SimdLevel.Vector512 => Line<TReduction, V512>(source, length),
        SimdLevel.Vector256 => Line<TReduction, V256>(source, length),
        SimdLevel.Vector128 => Line<TReduction, V128>(source, length),
        _ => Line<TReduction, V1>(source, length),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Line<TReduction, TVector>(float* source, long length)
        where TReduction : struct, IReduction
        where TVector : unmanaged, IVector<TVector>
    {
        double total = TReduction.Identity;
        for (long start = 0; start < length; start += LineRun)
            total = TReduction.Combine(total, ShortLine<TReduction, TVector>(source + start, (int)Math.Min(LineRun, length - start)));
        return total;
    }

    /// <summary>Up to <see cref="LineRun"/> elements in four float32 vectors, whose lanes are then combined in float64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double ShortLine<TReduction, TVector>(float* source, int length)
        where TReduction : struct, IReduction
        where TVector : unmanaged, IVector<TVector>
    {
        double total = TReduction.Identity;
        var i = 0;
        if (length >= TVector.Count)
        {
            var identity = TVector.Create(TReduction.Identity);
            var (a0, a1, a2, a3) = (identity, identity, identity, identity);
            for (; i <= length - (4 * TVector.Count); i += 4 * TVector.Count)
            {
                a0 = TReduction.Combine(a0, TVector.Load(source + i));
                a1 = TReduction.Combine(a1, TVector.Load(source + i + TVector.Count));
                a2 = TReduction.Combine(a2, TVector.Load(source + i + (2 * TVector.Count)));
                a3 = TReduction.Combine(a3, TVector.Load(source + i + (3 * TVector.Count)));
            }
            for (; i <= length - TVector.Count; i += TVector.Count)
                a0 = TReduction.Combine(a0, TVector.Load(source + i));
            var lanes = stackalloc float[TVector.Count];
            TReduction.Combine(TReduction.Combine(a0, a1), TReduction.Combine(a2, a3)).Store(lanes);
            for (var lane = 0; lane < TVector.Count; lane++)
                total = TReduction.Combine(total, lanes[lane]);
        }
        for (; i < length; i++)
            total = TReduction.Combine(total, source[i]);
        return total;
    }

    // ---------------------------------------------------------------- [outer, rows, columns] → [outer, columns]

    private static void ReduceRows<TReduction>(float* source, long outer, long rows, long columns, float* target, double scale) where TReduction : struct, IReduction
    {
        var rowParts = Math.Max(1, rows / Math.Max(256, PartSize / columns));
        var columnParts = (columns + ColumnsPerPart - 1) / ColumnsPerPart;
        var partials = rowParts == 1 ? null : new double[outer * rowParts * columns];
        Workers.Run(checked((int)(outer * rowParts * columnParts)), part =>
        {
            var (block, columnPart) = Math.DivRem((long)part, columnParts);
            var (o, rowPart) = Math.DivRem(block, rowParts);
            var (firstRow, endRow) = (rows * rowPart / rowParts, rows * (rowPart + 1) / rowParts);
            var column = columnPart * ColumnsPerPart;
            var width = (int)Math.Min(ColumnsPerPart, columns - column);
            var sums = stackalloc double[ColumnsPerPart];
            new Span<double>(sums, width).Fill(TReduction.Identity);
            for (var row = firstRow; row < endRow; row += RowRun)
                Block<TReduction>(source + (((o * rows) + row) * columns) + column, columns, (int)Math.Min(RowRun, endRow - row), width, sums);
            if (partials is null)
                Finish(sums, width, target + (o * columns) + column, scale);
            else
                new Span<double>(sums, width).CopyTo(partials.AsSpan(checked((int)((block * columns) + column))));
        });
        if (partials is not null)
            CombineParts<TReduction>(partials, outer, rowParts, columns, target, scale);
    }

    private static void CombineParts<TReduction>(double[] partials, long outer, long rowParts, long columns, float* target, double scale) where TReduction : struct, IReduction
    {
        for (long o = 0; o < outer; o++)
        {
            for (long column = 0; column < columns; column++)
            {
                double total = TReduction.Identity;
                for (long part = 0; part < rowParts; part++)
                    total = TReduction.Combine(total, partials[(((o * rowParts) + part) * columns) + column]);
                target[(o * columns) + column] = (float)(scale * total);
            }
        }
    }

    private static void Finish(double* sums, int count, float* target, double scale)
    {
        for (var i = 0; i < count; i++)
            target[i] = (float)(scale * sums[i]);
    }

    private static void Block<TReduction>(float* source, long stride, int rows, int width, double* sums) where TReduction : struct, IReduction
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Block<TReduction, V512>(source, stride, rows, width, sums); break;
            case SimdLevel.Vector256: Block<TReduction, V256>(source, stride, rows, width, sums); break;
            case SimdLevel.Vector128: Block<TReduction, V128>(source, stride, rows, width, sums); break;
            default: Block<TReduction, V1>(source, stride, rows, width, sums); break;
        }
    }

    /// <summary>Combines a few rows into the float64 totals of their columns: four vectors of columns at a time, then one, then the rest masked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block<TReduction, TVector>(float* source, long stride, int rows, int width, double* sums)
        where TReduction : struct, IReduction
        where TVector : unmanaged, IVector<TVector>
    {
        var identity = TVector.Create(TReduction.Identity);
        var lanes = stackalloc float[4 * TVector.Count];
        var column = 0;
        for (; column <= width - (4 * TVector.Count); column += 4 * TVector.Count)
        {
            var (a0, a1, a2, a3) = (identity, identity, identity, identity);
            var p = source + column;
            for (var row = 0; row < rows; row++, p += stride)
            {
                a0 = TReduction.Combine(a0, TVector.Load(p));
                a1 = TReduction.Combine(a1, TVector.Load(p + TVector.Count));
                a2 = TReduction.Combine(a2, TVector.Load(p + (2 * TVector.Count)));
                a3 = TReduction.Combine(a3, TVector.Load(p + (3 * TVector.Count)));
            }
            a0.Store(lanes);
            a1.Store(lanes + TVector.Count);
            a2.Store(lanes + (2 * TVector.Count));
            a3.Store(lanes + (3 * TVector.Count));
            Accumulate<TReduction>(lanes, 4 * TVector.Count, sums + column);
        }
        for (; column < width; column += TVector.Count)
        {
            var count = Math.Min(TVector.Count, width - column);
            var a = identity;
            var p = source + column;
            for (var row = 0; row < rows; row++, p += stride)
                a = TReduction.Combine(a, count == TVector.Count ? TVector.Load(p) : TVector.LoadFirst(p, count));
            a.Store(lanes);
            Accumulate<TReduction>(lanes, count, sums + column);
        }
    }

    private static void Accumulate<TReduction>(float* lanes, int count, double* sums) where TReduction : struct, IReduction
    {
        for (var i = 0; i < count; i++)
            sums[i] = TReduction.Combine(sums[i], lanes[i]);
    }
}
