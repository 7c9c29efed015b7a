namespace Vertebra.Graphs.Profiling;

/// <summary>What an axis of a tensor runs over.</summary>
[Flags]
internal enum ImageAxis
{
    None = 0,
    Rows = 1,
    Columns = 2,
    Both = Rows | Columns,
}

/// <summary>
/// What is known of a value that depends on the image: its field along rows and columns, and which of its axes run over them.
/// Reshapes move that around: tokens run over both, windows cut an axis in two.
/// </summary>
internal sealed record FieldState(AxisField? Rows, AxisField? Columns, ImageAxis[] Axes)
{
    public AxisField? this[ImageAxis axis] => axis == ImageAxis.Rows ? Rows : Columns;

    /// <summary>The input itself, [N, H, W, C].</summary>
    public static FieldState Image() => new(AxisField.Pixel, AxisField.Pixel, [ImageAxis.None, ImageAxis.Rows, ImageAxis.Columns, ImageAxis.None]);

    /// <summary>Nothing but that it depends on the image somehow.</summary>
    public static FieldState Unknown(int rank) => new(null, null, new ImageAxis[rank]);

    public FieldState With(ImageAxis axis, AxisField? field) => axis == ImageAxis.Rows ? this with { Rows = field } : this with { Columns = field };

    public FieldState WithAxes(IEnumerable<ImageAxis> axes) => this with { Axes = [.. axes] };

    /// <summary>How many axes run over rows, or over columns.</summary>
    public int CountOf(ImageAxis axis) => Axes.Count(a => a.HasFlag(axis));

    /// <summary>
    /// A window along a tensor axis. Where the axis is not plainly the rows or the columns, only a window of one position leaves
    /// the field as it is.
    /// </summary>
    public FieldState Window(int axis, double step, double first, double last)
    {
        if (Axes[axis] == ImageAxis.None || (step == 1 && first == 0 && last == 0))
            return this;
        if (Axes[axis] != ImageAxis.Both && CountOf(Axes[axis]) == 1)
            return With(Axes[axis], this[Axes[axis]]?.Through(step, first, last));
        return Blur(Axes[axis]);
    }

    /// <summary>Results that each depend on all positions of these axes, which they keep.</summary>
    public FieldState Mix(IEnumerable<int> axes)
    {
        var mixed = axes.ToHashSet();
        var state = this;
        foreach (var axis in (ImageAxis[])[ImageAxis.Rows, ImageAxis.Columns])
        {
            var touched = mixed.Count(a => Axes[a].HasFlag(axis));
            if (touched > 0)
                state = touched == CountOf(axis) ? state.With(axis, AxisField.Whole) : state.Blur(axis);
        }
        return state;
    }

    /// <summary>The fields of several operands that meet in one result with these axes.</summary>
    public static FieldState Union(IReadOnlyList<FieldState> states, ImageAxis[] axes)
    {
        AxisField? Over(ImageAxis axis) => states.Select(s => s[axis]).Aggregate((a, b) => a is { } x && b is { } y ? x.With(y) : IsWhole(a) || IsWhole(b) ? AxisField.Whole : null);
        return new(Over(ImageAxis.Rows), Over(ImageAxis.Columns), axes);
    }

    private static bool IsWhole(AxisField? field) => field is { IsWhole: true };

    // A window over a part of what the axis runs over: not described by one window, unless all of it is seen already.
    private FieldState Blur(ImageAxis axes)
    {
        var state = this;
        foreach (var axis in (ImageAxis[])[ImageAxis.Rows, ImageAxis.Columns])
        {
            if (axes.HasFlag(axis) && !IsWhole(state[axis]))
                state = state.With(axis, null);
        }
        return state;
    }
}
