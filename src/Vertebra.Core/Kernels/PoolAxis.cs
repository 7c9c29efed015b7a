namespace Vertebra.Kernels;

/// <summary>
/// The pooling windows along one axis: window o takes the coordinates Begin[o], Begin[o] + Step, ... below End[o], all inside
/// the input. Fixed and adaptive pooling differ in nothing else.
/// </summary>
internal sealed class PoolAxis
{
    private PoolAxis(int size, int count, int step)
    {
        (Size, Count, Step) = (size, count, step);
        Begin = new int[count];
        End = new int[count];
        Length = new int[count];
    }

    /// <summary>Size of the input axis.</summary>
    public int Size { get; }

    /// <summary>Number of windows: size of the output axis.</summary>
    public int Count { get; }

    /// <summary>Distance between the taps of a window.</summary>
    public int Step { get; }

    public int[] Begin { get; }

    public int[] End { get; }

    /// <summary>What an average divides by, on this axis.</summary>
    public int[] Length { get; }

    /// <summary>
    /// Windows of one size at regular places, as many as <see cref="CountOf"/> says. With countPadding an
    /// average's divisor counts padding positions, though not those that only ceil mode adds.
    /// </summary>
    public static PoolAxis Fixed(int size, int kernel, int stride, int before, int after, int step, bool ceilMode, bool countPadding)
    {
        var axis = new PoolAxis(size, CountOf(size, kernel, stride, before, after, step, ceilMode), step);
        for (var o = 0; o < axis.Count; o++)
        {
            var start = (o * stride) - before;
            var end = Math.Min(start + ((kernel - 1) * step) + 1, size + after);
            // The first tap that is not in the padding.
            axis.Begin[o] = start < 0 ? start + ((-start + step - 1) / step * step) : start;
            axis.End[o] = Math.Min(end, size);
            axis.Length[o] = countPadding ? (end - start + step - 1) / step : Math.Max(0, (axis.End[o] - axis.Begin[o] + step - 1) / step);
        }
        return axis;
    }

    /// <summary>Windows that share the input out, by PyTorch's rule: from floor(o · size / count) to ceil((o + 1) · size / count).</summary>
    public static PoolAxis Adaptive(int size, int count)
    {
        var axis = new PoolAxis(size, count, 1);
        for (var o = 0; o < count; o++)
        {
            axis.Begin[o] = (int)((long)o * size / count);
            axis.End[o] = (int)((((long)(o + 1) * size) + count - 1) / count);
            axis.Length[o] = axis.End[o] - axis.Begin[o];
        }
        return axis;
    }

    /// <summary>
    /// Number of windows by PyTorch's rule, 0 when the kernel does not fit the padded input. With ceilMode a last window that
    /// passes the end counts if it starts inside the input or the padding before it.
    /// </summary>
    public static int CountOf(int size, int kernel, int stride, int before, int after, int step, bool ceilMode)
    {
        var room = (long)size + before + after - ((long)(kernel - 1) * step) - 1;
        if (room < 0)
            return 0;
        var count = ((room + (ceilMode ? stride - 1 : 0)) / stride) + 1;
        return (int)(ceilMode && (count - 1) * stride >= (long)size + before ? count - 1 : count);
    }

    /// <summary>For every input coordinate the windows [first, end) that may take it.</summary>
    public (int[] First, int[] End) Covering()
    {
        var (first, end) = (new int[Size], new int[Size]);
        Array.Fill(first, Count);
        for (var o = 0; o < Count; o++)
        {
            for (var i = Begin[o]; i < End[o]; i++)
            {
                first[i] = Math.Min(first[i], o);
                end[i] = o + 1;
            }
        }
        return (first, end);
    }
}
