using Vertebra.Kernels;
using Vertebra.Ops;
using MatMul = Vertebra.Ops.MatMul;

namespace Vertebra.Graphs.Profiling;

/// <summary>What single ops do to receptive fields.</summary>
internal static class FieldRules
{
    /// <summary>Operands that meet position by position, with broadcasting.</summary>
    public static bool IsElementwise(Op op) => op is BinaryOp or Comparison or LogicalOp or Where or Prelu or UnaryOp or Cast or ActivationGate;

    public static FieldState Slide(FieldState x, SlidingWindowOp op, int kernelH, int kernelW, int dilationH, int dilationW) => x
        .Window(1, op.StrideH, -op.PadTop, ((kernelH - 1) * dilationH) - op.PadTop)
        .Window(2, op.StrideW, -op.PadLeft, ((kernelW - 1) * dilationW) - op.PadLeft);

    /// <summary>Output i reads the inputs j with j · stride - padding + tap · dilation = i.</summary>
    public static FieldState SlideTransposed(FieldState x, ConvTranspose2d op, int kernelH, int kernelW)
    {
        var rows = TransposedBounds(op.StrideH, op.PadTop, kernelH, op.DilationH);
        var columns = TransposedBounds(op.StrideW, op.PadLeft, kernelW, op.DilationW);
        return x.Window(1, 1.0 / op.StrideH, rows.First, rows.Last).Window(2, 1.0 / op.StrideW, columns.First, columns.Last);
    }

    private static (double First, double Last) TransposedBounds(int stride, int padding, int kernel, int dilation)
    {
        var (first, last) = (double.PositiveInfinity, double.NegativeInfinity);
        for (var i = 0; i < stride; i++)
        {
            for (var tap = 0; tap < kernel; tap++)
            {
                var place = i + padding - (tap * dilation);
                if (place % stride != 0)
                    continue;
                var offset = (place / stride) - ((double)i / stride);
                (first, last) = (Math.Min(first, offset), Math.Max(last, offset));
            }
        }
        return double.IsInfinity(first) ? (0, 0) : (first, last);
    }

    public static FieldState Adapt(FieldState x, Shape before, Shape after)
    {
        for (var axis = 1; axis <= 2; axis++)
        {
            if (after[axis] == 1)
            {
                x = x.Mix([axis]);
                continue;
            }
            var windows = PoolAxis.Adaptive(before[axis], after[axis]);
            x = Enclose(x, axis, before[axis], after[axis], o => (windows.Begin[o], windows.End[o] - 1));
        }
        return x;
    }

    public static FieldState Resample(FieldState x, Interpolate op, Shape before)
    {
        var (rows, columns) = op.Weights(before[1], before[2]);
        x = Enclose(x, 1, rows.Size, rows.Count, o => (rows.Begin[o], rows.Begin[o] + rows.LengthOf(o) - 1));
        return Enclose(x, 2, columns.Size, columns.Count, o => (columns.Begin[o], columns.Begin[o] + columns.LengthOf(o) - 1));
    }

    // Windows that are not spaced evenly: the bounds that hold for all of them.
    private static FieldState Enclose(FieldState x, int axis, int size, int count, Func<int, (int First, int Last)> window)
    {
        var step = (double)size / count;
        var offsets = Enumerable.Range(0, count).Select(o => (First: window(o).First - (o * step), Last: window(o).Last - (o * step))).ToArray();
        return x.Window(axis, step, offsets.Min(o => o.First), offsets.Max(o => o.Last));
    }

    /// <summary>
    /// What the axes run over after a reshape. Sizes are matched group by group: a merged axis runs over all that its parts did,
    /// and the parts of a split axis each over what it did.
    /// </summary>
    public static ImageAxis[] Regroup(ImageAxis[] axes, Shape before, Shape after)
    {
        var result = new ImageAxis[after.Rank];
        var (i, o) = (0, 0);
        while (i < before.Rank || o < after.Rank)
        {
            var (firstIn, firstOut) = (i, o);
            long sizeIn = i < before.Rank ? before[i++] : 1, sizeOut = o < after.Rank ? after[o++] : 1;
            while (sizeIn != sizeOut)
            {
                if (sizeIn < sizeOut && i < before.Rank)
                    sizeIn *= before[i++];
                else if (o < after.Rank)
                    sizeOut *= after[o++];
                else
                    break;
            }
            var over = Enumerable.Range(firstIn, i - firstIn).Aggregate(ImageAxis.None, (all, a) => all | axes[a]);
            for (var a = firstOut; a < o; a++)
                result[a] = after[a] > 1 || o - firstOut == 1 ? over : ImageAxis.None;
        }
        return result;
    }

    public static FieldState Reduce(FieldState x, int[] axes, bool keepAxes)
    {
        var mixed = x.Mix(axes);
        return keepAxes ? mixed.WithAxes(x.Axes.Select((a, i) => axes.Contains(i) ? ImageAxis.None : a))
            : mixed.WithAxes(x.Axes.Where((_, i) => !axes.Contains(i)));
    }

    public static FieldState Broadcast(Node node, FieldState?[] states)
    {
        var rank = node.Outputs[0].Shape.Rank;
        var axes = new ImageAxis[rank];
        for (var n = 0; n < states.Length; n++)
        {
            if (states[n] is not { } state)
                continue;
            var shift = rank - state.Axes.Length;
            for (var a = Math.Max(0, -shift); a < state.Axes.Length; a++)
                axes[a + shift] |= state.Axes[a];
        }
        return FieldState.Union([.. states.OfType<FieldState>()], axes);
    }

    public static FieldState Join(Node node, FieldState?[] states)
    {
        var axes = new ImageAxis[node.Outputs[0].Shape.Rank];
        foreach (var state in states.OfType<FieldState>())
        {
            for (var a = 0; a < axes.Length; a++)
                axes[a] |= state.Axes[a];
        }
        return FieldState.Union([.. states.OfType<FieldState>()], axes);
    }

    /// <summary>A linear layer sums over the last axis.</summary>
    public static FieldState Project(FieldState x) => x.Mix([x.Axes.Length - 1]).WithAxes([.. x.Axes[..^1], ImageAxis.None]);

    public static FieldState Product(MatMul op, Node node, FieldState?[] states)
    {
        var rank = node.Outputs[0].Shape.Rank;
        var axes = new ImageAxis[rank];
        var parts = new List<FieldState>();
        for (var n = 0; n < 2; n++)
        {
            if (states[n] is not { } state)
                continue;
            var own = state.Axes.Length;
            var isTransposed = n == 0 ? op.TransposeA : op.TransposeB;
            var summed = (n == 0) == isTransposed ? own - 2 : own - 1; // a sums over its columns, b over its rows
            var kept = summed == own - 1 ? own - 2 : own - 1;
            parts.Add(state.Mix([summed]));
            axes[rank - 2 + n] |= state.Axes[kept];
            for (var a = 0; a < own - 2; a++)
                axes[rank - own + a] |= state.Axes[a];
        }
        return FieldState.Union(parts, axes);
    }

    /// <summary>Queries stay where they are; keys and values are summed over (axis 2 of [batch, heads, tokens, width]).</summary>
    public static FieldState Attend(Node node, FieldState?[] states, int output)
    {
        var parts = new List<FieldState>();
        for (var n = 0; n < states.Length; n++)
        {
            if (states[n] is { } state)
                parts.Add(n == 0 ? state : n < 3 ? state.Mix([2]) : FieldState.Unknown(4));
        }
        var axes = states[0]?.Axes ?? new ImageAxis[4];
        return FieldState.Union(parts, output == 0 ? axes : axes[..3]);
    }
}
