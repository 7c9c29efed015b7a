using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>How two values become one: a sum, a maximum. Vectors first, then their results in float64.</summary>
internal interface IReduction
{
    /// <summary>What leaves any value as it is.</summary>
    static abstract float Identity { get; }
    static abstract TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector>;
    static abstract double Combine(double a, double b);

    /// <summary>The lanes of one vector combined.</summary>
    static abstract float Across<TVector>(TVector a) where TVector : unmanaged, IVector<TVector>;
}

internal readonly struct SumReduction : IReduction
{
    public static float Identity => 0;
    public static TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => a + b;
    public static double Combine(double a, double b) => a + b;
    public static float Across<TVector>(TVector a) where TVector : unmanaged, IVector<TVector> => TVector.Sum(a);
}

/// <summary>The largest; NaN if there is one.</summary>
internal readonly struct MaxReduction : IReduction
{
    public static float Identity => float.NegativeInfinity;
    public static TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => TVector.Max(a, b);
    public static double Combine(double a, double b) => Math.Max(a, b);
    public static float Across<TVector>(TVector a) where TVector : unmanaged, IVector<TVector> => TVector.HorizontalMax(a);
}

/// <summary>The smallest; NaN if there is one.</summary>
internal readonly struct MinReduction : IReduction
{
    public static float Identity => float.PositiveInfinity;
    public static TVector Combine<TVector>(TVector a, TVector b) where TVector : unmanaged, IVector<TVector> => TVector.Min(a, b);
    public static double Combine(double a, double b) => Math.Min(a, b);
    public static float Across<TVector>(TVector a) where TVector : unmanaged, IVector<TVector> => -TVector.HorizontalMax(a ^ TVector.Create(-0f));
}

/// <summary>
/// Reductions of [outer, reduced, inner] to [outer, inner]. Short runs are combined in float32 lanes, their results in
/// float64, so that long sums stay accurate; how the work is cut depends on the shape alone, so results have the same
/// bits at any number of threads.
/// </summary>
internal static unsafe class Reductions
{
    // Float32 lanes take at most this many values, or groups of four, before they are moved to float64.
    private const int RowRun = 128;
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
        var job = (Arrays: new Arrays(source, target, null, scale), lines, length, linesPerPart);
        Workers.Run(checked((int)((lines + linesPerPart - 1) / linesPerPart)), job, static (in job, part) =>
        {
            var end = Math.Min(job.lines, (part + 1) * job.linesPerPart);
            for (var line = part * job.linesPerPart; line < end; line++)
                job.Arrays.Target[line] = (float)(job.Arrays.Scale * Line<TReduction>(job.Arrays.Source + (line * job.length), job.length));
        });
    }

    private readonly struct Arrays(float* source, float* target, double* partials, double scale)
    {
        public readonly float* Source = source;
        public readonly float* Target = target;
        public readonly double* Partials = partials;
        public readonly double Scale = scale;
    }

    private static void ReduceLongLines<TReduction>(float* source, long lines, long length, float* target, double scale, long partsPerLine) where TReduction : struct, IReduction
    {
        using var scratch = Scratch.Take(2 * lines * partsPerLine);
        var partials = (double*)scratch.Pointer;
        var job = (Arrays: new Arrays(source, target, partials, scale), length, partsPerLine);
        Workers.Run(checked((int)(lines * partsPerLine)), job, static (in job, part) =>
        {
            var (line, position) = Math.DivRem((long)part, job.partsPerLine);
            var start = job.length * position / job.partsPerLine;
            var end = job.length * (position + 1) / job.partsPerLine;
            job.Arrays.Partials[part] = Line<TReduction>(job.Arrays.Source + (line * job.length) + start, end - start);
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

    /// <summary>Up to <see cref="LineRun"/> elements in four float32 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float ShortLine<TReduction, TVector>(float* source, int length)
        where TReduction : struct, IReduction
        where TVector : unmanaged, IVector<TVector>
    {
        var identity = TVector.Create(TReduction.Identity);
        var (a0, a1, a2, a3) = (identity, identity, identity, identity);
        var i = 0;
        for (; i <= length - (4 * TVector.Count); i += 4 * TVector.Count)
        {
            a0 = TReduction.Combine(a0, TVector.Load(source + i));
            a1 = TReduction.Combine(a1, TVector.Load(source + i + TVector.Count));
            a2 = TReduction.Combine(a2, TVector.Load(source + i + (2 * TVector.Count)));
            a3 = TReduction.Combine(a3, TVector.Load(source + i + (3 * TVector.Count)));
        }
        for (; i <= length - TVector.Count; i += TVector.Count)
            a0 = TReduction.Combine(a0, TVector.Load(source + i));
        if (i < length)
            a1 = TReduction.Combine(a1, LaneMasks.Load(source + i, length - i, identity));
        return TReduction.Across(TReduction.Combine(TReduction.Combine(a0, a1), TReduction.Combine(a2, a3)));
    }

    // ---------------------------------------------------------------- [outer, rows, columns] → [outer, columns]

    private static void ReduceRows<TReduction>(float* source, long outer, long rows, long columns, float* target, double scale) where TReduction : struct, IReduction
    {
        var rowParts = Math.Max(1, rows / Math.Max(256, PartSize / columns));
        var columnParts = (columns + ColumnsPerPart - 1) / ColumnsPerPart;
        using var scratch = Scratch.Take(rowParts == 1 ? 0 : 2 * outer * rowParts * columns);
        var partials = rowParts == 1 ? null : (double*)scratch.Pointer;
        var job = (Arrays: new Arrays(source, target, partials, scale), rows, columns, rowParts, columnParts);
        Workers.Run(checked((int)(outer * rowParts * columnParts)), job, static (in job, part) =>
        {
            var (columns, rows) = (job.columns, job.rows);
            var (block, columnPart) = Math.DivRem((long)part, job.columnParts);
            var (o, rowPart) = Math.DivRem(block, job.rowParts);
            var (firstRow, endRow) = (rows * rowPart / job.rowParts, rows * (rowPart + 1) / job.rowParts);
            var column = columnPart * ColumnsPerPart;
            var width = (int)Math.Min(ColumnsPerPart, columns - column);
            var origin = job.Arrays.Source + (((o * rows) + firstRow) * columns) + column;
            if (job.Arrays.Partials == null)
                Columns<TReduction>(origin, columns, endRow - firstRow, width, job.Arrays.Target + (o * columns) + column, job.Arrays.Scale);
            else
                Columns<TReduction>(origin, columns, endRow - firstRow, new Span<double>(job.Arrays.Partials + (block * columns) + column, width));
        });
        if (partials != null)
            CombineParts<TReduction>(partials, outer, rowParts, columns, target, scale);
    }

    private static void CombineParts<TReduction>(double* partials, long outer, long rowParts, long columns, float* target, double scale) where TReduction : struct, IReduction
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

    /// <summary>Up to <see cref="ColumnsPerPart"/> columns of rows <paramref name="stride"/> apart, to their float32 results.</summary>
    private static void Columns<TReduction>(float* source, long stride, long rows, int width, float* target, double scale) where TReduction : struct, IReduction
    {
        if (rows > RowRun)
        {
            Span<double> totals = stackalloc double[ColumnsPerPart];
            Columns<TReduction>(source, stride, rows, totals[..width]);
            for (var i = 0; i < width; i++)
                target[i] = (float)(scale * totals[i]);
            return;
        }
        var run = stackalloc float[ColumnsPerPart];
        Block<TReduction>(source, stride, (int)rows, width, run);
        for (var i = 0; i < width; i++)
            target[i] = (float)(scale * run[i]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Columns<TReduction>(float* source, long stride, long rows, Span<double> totals) where TReduction : struct, IReduction
    {
        var run = stackalloc float[ColumnsPerPart];
        totals.Fill(TReduction.Identity);
        for (long row = 0; row < rows; row += RowRun)
        {
            Block<TReduction>(source + (row * stride), stride, (int)Math.Min(RowRun, rows - row), totals.Length, run);
            for (var i = 0; i < totals.Length; i++)
                totals[i] = TReduction.Combine(totals[i], run[i]);
        }
    }

    private static void Block<TReduction>(float* source, long stride, int rows, int width, float* run) where TReduction : struct, IReduction
    {
        switch (Simd.Level)
        {
            case SimdLevel.Vector512: Block<TReduction, V512>(source, stride, rows, width, run); break;
            case SimdLevel.Vector256: Block<TReduction, V256>(source, stride, rows, width, run); break;
            case SimdLevel.Vector128: Block<TReduction, V128>(source, stride, rows, width, run); break;
            default: Block<TReduction, V1>(source, stride, rows, width, run); break;
        }
    }

    /// <summary>
    /// Combines rows into one: four at a time, which are read side by side as four streams. The result, in
    /// <paramref name="run"/>, stays in the first-level cache; there is room in it for whole vectors.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block<TReduction, TVector>(float* source, long stride, int rows, int width, float* run)
        where TReduction : struct, IReduction
        where TVector : unmanaged, IVector<TVector>
    {
        var identity = TVector.Create(TReduction.Identity);
        for (var column = 0; column < width; column += TVector.Count)
            identity.Store(run + column);
        var row = 0;
        for (; row <= rows - 4; row += 4, source += 4 * stride)
        {
            var p1 = source + stride;
            var p2 = p1 + stride;
            var p3 = p2 + stride;
            var column = 0;
            for (; column <= width - TVector.Count; column += TVector.Count)
            {
                var upper = TReduction.Combine(TVector.Load(source + column), TVector.Load(p1 + column));
                var lower = TReduction.Combine(TVector.Load(p2 + column), TVector.Load(p3 + column));
                TReduction.Combine(TVector.Load(run + column), TReduction.Combine(upper, lower)).Store(run + column);
            }
            if (column < width)
            {
                var rest = width - column;
                var upper = TReduction.Combine(TVector.LoadFirst(source + column, rest), TVector.LoadFirst(p1 + column, rest));
                var lower = TReduction.Combine(TVector.LoadFirst(p2 + column, rest), TVector.LoadFirst(p3 + column, rest));
                TReduction.Combine(TVector.Load(run + column), TReduction.Combine(upper, lower)).Store(run + column);
            }
        }
        for (; row < rows; row++, source += stride)
        {
            var column = 0;
            for (; column <= width - TVector.Count; column += TVector.Count)
                TReduction.Combine(TVector.Load(run + column), TVector.Load(source + column)).Store(run + column);
            if (column < width)
                TReduction.Combine(TVector.Load(run + column), TVector.LoadFirst(source + column, width - column)).Store(run + column);
        }
    }
}
