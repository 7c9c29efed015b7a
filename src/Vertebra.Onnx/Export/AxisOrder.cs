namespace Vertebra.Onnx;

/// <summary>
/// In which order a value's axes stand in the file: position p holds axis <c>Axes[p]</c>. Images are [N, H, W, C] here and
/// [N, C, H, W] there, so their order is (0, 3, 1, 2). A permutation of axes is only another order of the same data, until
/// some operator needs a certain one.
/// </summary>
internal readonly record struct AxisOrder(IntList Axes)
{
    public int Rank => Axes.Count;

    public bool IsPlain => Axes.Span.SequenceEqual(Plain(Rank).Axes.Span);

    /// <summary>The axes as they are here.</summary>
    public static AxisOrder Plain(int rank) => new(Enumerable.Range(0, rank).ToArray());

    /// <summary>The last axis, the channels, right after the batch: as convolutions and normalisations of the format take them.</summary>
    public static AxisOrder ChannelsFirst(int rank) => rank < 3 ? Plain(rank) : new([0, rank - 1, .. Enumerable.Range(1, rank - 2)]);

    /// <summary>The last two axes exchanged.</summary>
    public static AxisOrder Swapped(int rank) => new([.. Enumerable.Range(0, rank - 2), rank - 1, rank - 2]);

    /// <summary>Where an axis stands; negative ones count from the end.</summary>
    public int PositionOf(int axis) => Axes.Span.IndexOf(axis < 0 ? axis + Rank : axis);

    /// <summary>The order of the same data after <c>Permute(order)</c>.</summary>
    public AxisOrder Permuted(IntList order)
    {
        var result = new int[Rank];
        for (var axis = 0; axis < Rank; axis++)
            result[PositionOf(order[axis])] = axis;
        return new(result);
    }

    /// <summary>The order without some axes, the others numbered anew.</summary>
    public AxisOrder Without(IReadOnlySet<int> removed) =>
        new([.. Axes.Where(a => !removed.Contains(a)).Select(a => a - removed.Count(r => r < a))]);

    /// <summary>The order with new axes before all others.</summary>
    public AxisOrder WithLeading(int count) => new([.. Enumerable.Range(0, count), .. Axes.Select(a => a + count)]);

    /// <summary>A list with one item for each axis, as it stands in the file.</summary>
    public T[] Arrange<T>(IReadOnlyList<T> perAxis) => [.. Axes.Select(a => perAxis[a])];

    /// <summary>What a Transpose takes to bring data of this order into another.</summary>
    public long[] To(AxisOrder target)
    {
        var self = this;
        return [.. target.Axes.Select(a => (long)self.PositionOf(a))];
    }

    /// <summary>Whether the last <paramref name="count"/> axes stand last, in their own order.</summary>
    public bool EndsPlain(int count) => Axes.Span[^count..].SequenceEqual(Plain(Rank).Axes.Span[^count..]);
}
