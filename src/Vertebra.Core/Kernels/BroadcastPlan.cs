namespace Vertebra.Kernels;

/// <summary>
/// How operands that broadcast against each other are walked: neighbouring axes along which the same operands vary are
/// taken as one, so that most cases end as rows of one inner axis.
/// </summary>
internal sealed class BroadcastPlan
{
    private readonly int[] _outerSizes; // outermost first
    private readonly long[] _strides; // operand-major: [operand · outer axes + axis], 0 where the operand does not vary

    /// <param name="sizes">The output's sizes, none zero.</param>
    /// <param name="operands">Each operand's sizes: aligned at the end, equal to the output's or 1.</param>
    public BroadcastPlan(ReadOnlySpan<int> sizes, params ReadOnlySpan<int[]> operands)
    {
        var merged = new List<long>();
        var patterns = new List<int>(); // bit k: operand k varies
        for (var axis = 0; axis < sizes.Length; axis++)
        {
            if (sizes[axis] == 1)
                continue;
            var pattern = 0;
            for (var k = 0; k < operands.Length; k++)
            {
                var own = axis - (sizes.Length - operands[k].Length);
                if (own >= 0 && operands[k][own] != 1)
                    pattern |= 1 << k;
            }
            if (patterns.Count > 0 && patterns[^1] == pattern)
                merged[^1] *= sizes[axis];
            else
                (merged, patterns).AddBoth(sizes[axis], pattern);
        }
        if (patterns.Count == 0)
            (merged, patterns).AddBoth(1, 0);
        Inner = merged[^1];
        InnerPattern = patterns[^1];
        var outer = merged.Count - 1;
        _outerSizes = new int[outer];
        _strides = new long[outer * operands.Length];
        Rows = 1;
        for (var axis = 0; axis < outer; axis++)
        {
            _outerSizes[axis] = checked((int)merged[axis]);
            Rows *= merged[axis];
        }
        for (var k = 0; k < operands.Length; k++)
        {
            var stride = Varies(k) ? Inner : 1;
            for (var axis = outer - 1; axis >= 0; axis--)
            {
                var varies = (patterns[axis] >> k & 1) != 0;
                _strides[(k * outer) + axis] = varies ? stride : 0;
                stride *= varies ? merged[axis] : 1;
            }
        }
    }

    /// <summary>Length of the inner axis.</summary>
    public long Inner { get; }

    /// <summary>Number of rows: the product of the outer axes.</summary>
    public long Rows { get; }

    /// <summary>Number of outer axes after merging.</summary>
    public int OuterRank => _outerSizes.Length;

    private int InnerPattern { get; }

    /// <summary>Whether the operand varies along the inner axis; otherwise one element of it serves a whole row.</summary>
    public bool Varies(int operand) => (InnerPattern >> operand & 1) != 0;

    /// <summary>Whether the operand is the same for all rows.</summary>
    public bool IsSameForAllRows(int operand)
    {
        for (var axis = 0; axis < OuterRank; axis++)
        {
            if (_strides[(operand * OuterRank) + axis] != 0)
                return false;
        }
        return true;
    }

    /// <summary>Where a row of an operand starts, in elements.</summary>
    public long Offset(int operand, long row)
    {
        var strides = _strides.AsSpan(operand * OuterRank, OuterRank);
        long offset = 0;
        for (var axis = strides.Length - 1; axis > 0; axis--)
        {
            var (quotient, position) = Math.DivRem(row, _outerSizes[axis]);
            offset += position * strides[axis];
            row = quotient;
        }
        return strides.Length == 0 ? 0 : offset + (row * strides[0]);
    }

    /// <summary>How far apart the rows that follow each other along the last outer axis are, in elements.</summary>
    public long RowStride(int operand) => OuterRank == 0 ? 0 : _strides[((operand + 1) * OuterRank) - 1];

    /// <summary>As <see cref="ForEachBlock"/>, in pieces whose rows are <see cref="RowStride"/> apart.</summary>
    public void ForEachRun(Action<long, long, long, long> body)
    {
        long rowsPerPlane = OuterRank == 0 ? 1 : _outerSizes[^1];
        ForEachBlock((row, rows, column, columns) =>
        {
            for (long end = row + rows, run; row < end; row += run)
            {
                run = Math.Min(end - row, rowsPerPlane - (row % rowsPerPlane));
                body(row, run, column, columns);
            }
        });
    }

    /// <summary>
    /// Calls <paramref name="body"/> for pieces of at most <see cref="Elementwise.PartSize"/> elements or one row that together are the whole,
    /// on several threads when there are many: (first row, number of rows, first element within the rows, number of elements).
    /// </summary>
    public void ForEachBlock(Action<long, long, long, long> body)
    {
        if (Rows * Inner <= Elementwise.PartSize)
        {
            body(0, Rows, 0, Inner);
            return;
        }
        var columnParts = Elementwise.Parts(Inner);
        var rowsPerPart = Math.Max(1, Elementwise.PartSize / Inner);
        var rowParts = (Rows + rowsPerPart - 1) / rowsPerPart;
        Workers.Run(checked((int)(rowParts * columnParts)), part =>
        {
            var (rowPart, columnPart) = Math.DivRem(part, columnParts);
            var row = rowPart * rowsPerPart;
            var column = (long)columnPart * Elementwise.PartSize;
            body(row, Math.Min(rowsPerPart, Rows - row), column, Math.Min(Elementwise.PartSize, Inner - column));
        });
    }
}

file static class PairOfLists
{
    public static void AddBoth(this (List<long> Sizes, List<int> Patterns) lists, long size, int pattern)
    {
        lists.Sizes.Add(size);
        lists.Patterns.Add(pattern);
    }
}
