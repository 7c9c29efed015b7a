using System.Runtime.CompilerServices;

namespace Vertebra.Kernels;

/// <summary>Computes a piece of a broadcast: <paramref name="rows"/> rows from <paramref name="row"/> on, and of each the elements from <paramref name="column"/> on.</summary>
internal delegate void BlockBody<TState>(in BroadcastPlan plan, in TState state, long row, long rows, long column, long columns) where TState : struct;

/// <summary>
/// How operands that broadcast against each other are walked: neighbouring axes along which the same operands vary are
/// taken as one, so that most cases end as rows of one inner axis.
/// </summary>
internal readonly struct BroadcastPlan
{
    // Axes along which different operands vary cannot be merged; no network comes near this many of them.
    private const int MostAxes = 16;
    private const int MostOperands = 3;

    private readonly Axes _outerSizes; // outermost first
    private readonly Strides _strides; // operand-major: [operand · MostAxes + axis], 0 where the operand does not vary

    /// <param name="sizes">The output's sizes, none zero.</param>
    /// <param name="a">First operand's sizes: aligned at the end, equal to the output's or 1.</param>
    /// <param name="b">Second operand's sizes.</param>
    /// <param name="c">Third operand's sizes, if there is one.</param>
    public BroadcastPlan(ReadOnlySpan<int> sizes, ReadOnlySpan<int> a, ReadOnlySpan<int> b, ReadOnlySpan<int> c = default)
    {
        Span<long> merged = stackalloc long[MostAxes];
        Span<int> patterns = stackalloc int[MostAxes]; // bit k: operand k varies
        var count = 0;
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            if (sizes[axis] == 1)
                continue;
            var fromEnd = sizes.Length - axis;
            var pattern = (VariesAt(a, fromEnd) ? 1 : 0) | (VariesAt(b, fromEnd) ? 2 : 0) | (VariesAt(c, fromEnd) ? 4 : 0);
            if (count > 0 && patterns[count - 1] == pattern)
            {
                merged[count - 1] *= sizes[axis];
                continue;
            }
            if (count == MostAxes)
                throw new VertebraException($"operands that broadcast along {MostAxes} axes and more by turns are not supported; reshape them");
            (merged[count], patterns[count]) = (sizes[axis], pattern);
            count++;
        }
        if (count == 0)
            (merged[0], patterns[0], count) = (1, 0, 1);
        Inner = merged[count - 1];
        InnerPattern = patterns[count - 1];
        OuterRank = count - 1;
        Rows = 1;
        for (var axis = 0; axis < OuterRank; axis++)
        {
            _outerSizes[axis] = checked((int)merged[axis]);
            Rows *= merged[axis];
        }
        for (var k = 0; k < MostOperands; k++)
        {
            var stride = (InnerPattern >> k & 1) != 0 ? Inner : 1;
            for (var axis = OuterRank - 1; axis >= 0; axis--)
            {
                var varies = (patterns[axis] >> k & 1) != 0;
                _strides[(k * MostAxes) + axis] = varies ? stride : 0;
                stride *= varies ? merged[axis] : 1;
            }
        }
    }

    private static bool VariesAt(ReadOnlySpan<int> sizes, int fromEnd) => fromEnd <= sizes.Length && sizes[^fromEnd] != 1;

    [InlineArray(MostAxes)]
    private struct Axes
    {
        private int _first;
    }

    [InlineArray(MostAxes * MostOperands)]
    private struct Strides
    {
        private long _first;
    }

    /// <summary>Length of the inner axis.</summary>
    public long Inner { get; }

    /// <summary>Number of rows: the product of the outer axes.</summary>
    public long Rows { get; }

    /// <summary>Number of outer axes after merging.</summary>
    public int OuterRank { get; }

    private int InnerPattern { get; }

    /// <summary>Whether the operand varies along the inner axis; otherwise one element of it serves a whole row.</summary>
    public bool Varies(int operand) => (InnerPattern >> operand & 1) != 0;

    /// <summary>Whether the operand is the same for all rows.</summary>
    public bool IsSameForAllRows(int operand)
    {
        for (var axis = 0; axis < OuterRank; axis++)
        {
            if (_strides[(operand * MostAxes) + axis] != 0)
                return false;
        }
        return true;
    }

    /// <summary>Where a row of an operand starts, in elements.</summary>
    public long Offset(int operand, long row)
    {
        long offset = 0;
        for (var axis = OuterRank - 1; axis > 0; axis--)
        {
            var (quotient, position) = Math.DivRem(row, _outerSizes[axis]);
            offset += position * _strides[(operand * MostAxes) + axis];
            row = quotient;
        }
        return OuterRank == 0 ? 0 : offset + (row * _strides[operand * MostAxes]);
    }

    /// <summary>How far apart the rows that follow each other along the last outer axis are, in elements.</summary>
    public long RowStride(int operand) => OuterRank == 0 ? 0 : _strides[(operand * MostAxes) + OuterRank - 1];

    /// <summary>As <see cref="ForEachBlock"/>, in pieces whose rows are <see cref="RowStride"/> apart.</summary>
    public void ForEachRun<TState>(TState state, BlockBody<TState> body) where TState : struct =>
        ForEachBlock((state, body), static (in plan, in job, row, rows, column, columns) =>
        {
            long rowsPerPlane = plan.OuterRank == 0 ? 1 : plan._outerSizes[plan.OuterRank - 1];
            for (long end = row + rows, run; row < end; row += run)
            {
                run = Math.Min(end - row, rowsPerPlane - (row % rowsPerPlane));
                job.body(plan, job.state, row, run, column, columns);
            }
        });

    /// <summary>
    /// Calls <paramref name="body"/> for pieces of at most <see cref="Elementwise.PartSize"/> elements or one row that together are the whole,
    /// on several threads when there are many.
    /// </summary>
    public void ForEachBlock<TState>(TState state, BlockBody<TState> body) where TState : struct
    {
        if (Rows * Inner <= Elementwise.PartSize)
        {
            body(this, state, 0, Rows, 0, Inner);
            return;
        }
        var columnParts = Elementwise.Parts(Inner);
        var rowsPerPart = Math.Max(1, Elementwise.PartSize / Inner);
        var rowParts = (Rows + rowsPerPart - 1) / rowsPerPart;
        Workers.Run(checked((int)(rowParts * columnParts)), (Plan: this, state, body, columnParts, rowsPerPart), static (in job, part) =>
        {
            var (rowPart, columnPart) = Math.DivRem(part, job.columnParts);
            var row = rowPart * job.rowsPerPart;
            var column = (long)columnPart * Elementwise.PartSize;
            job.body(job.Plan, job.state, row, Math.Min(job.rowsPerPart, job.Plan.Rows - row), column, Math.Min(Elementwise.PartSize, job.Plan.Inner - column));
        });
    }
}
