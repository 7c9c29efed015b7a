namespace Vertebra.Graphs;

/// <summary>An axis of a constant (a weight) that a group runs along.</summary>
/// <param name="Constant">The weight.</param>
/// <param name="Axis">Which of its axes.</param>
/// <param name="IsContracted">
/// True if every use sums over it: the group's values come in there (input channels). False if they are made there (output
/// channels, scales, shifts).
/// </param>
public sealed record GroupMember(Value Constant, int Axis, bool IsContracted)
{
    public override string ToString() => $"{Constant.Name}[{Axis}]";
}

/// <summary>What goes along with one element of a group: the positions on one axis of one weight.</summary>
public sealed record GroupSlice(GroupMember Member, IReadOnlyList<int> Positions);

/// <summary>
/// Indices of several axes that are one and the same dimension of the network: the channels of a stage, the heads of an
/// attention, the hidden features of an MLP. Element i can only go from all of them at once. Found by
/// <see cref="GraphDimensions.DimensionGroups"/>; used with <see cref="GraphDimensions.Without"/> and
/// <see cref="GraphDimensions.Permuted"/>.
/// </summary>
public sealed class DimensionGroup
{
    private readonly DimensionGroups _owner;
    private readonly Lazy<string?> _trace;

    internal DimensionGroup(DimensionGroups owner, Dimension dimension, IReadOnlyList<GroupMember> members)
    {
        (_owner, Dimension, Members) = (owner, dimension, members);
        _trace = new(() => ZeroInvariance.FindTrace(_owner.Analysis, this));
    }

    /// <summary>Number of elements.</summary>
    public int Size => Dimension.Size;

    /// <summary>The axes of weights along which it runs, each once, in the order of their first use.</summary>
    public IReadOnlyList<GroupMember> Members { get; }

    /// <summary>True if elements can go: the network without them runs, and its inputs and outputs keep their shapes.</summary>
    public bool IsPrunable => FixedBecause is null;

    /// <summary>Why elements cannot go; null when they can.</summary>
    public string? FixedBecause => Dimension.FixedBecause;

    /// <summary>True if elements can change places without any change of the outputs (but for rounding).</summary>
    public bool IsPermutable => NotPermutableBecause is null;

    /// <summary>Why elements cannot change places; null when they can.</summary>
    public string? NotPermutableBecause => Dimension.FixedBecause ?? Dimension.OrderedBecause;

    /// <summary>
    /// True if an element goes without a trace once the parameters that make it (<see cref="ZeroedMembers"/>) are zero at it: the
    /// network without the element then computes the same. These are the zero-invariant groups of Chen et al., "Only Train Once",
    /// NeurIPS 2021.
    /// </summary>
    public bool IsZeroInvariant => TraceLeftAt is null;

    /// <summary>Where an element of zeros still has an effect; null when it has none.</summary>
    public string? TraceLeftAt => FixedBecause ?? _trace.Value;

    /// <summary>The parameters that make the group's values: those to be zero before a zero-invariant element goes.</summary>
    public IEnumerable<GroupMember> ZeroedMembers => Members.Where(m => !m.IsContracted && _owner.IsParameter(m.Constant));

    internal Dimension Dimension { get; }

    internal DimensionGroups Owner => _owner;

    /// <summary>What goes with one element: positions on every axis of <see cref="Members"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public IReadOnlyList<GroupSlice> Element(int index) => [.. Members.Select(m => new GroupSlice(m, Positions(m.Constant, m.Axis, index)))];

    /// <summary>The positions that belong to one element on an axis of any value of the graph; none if the group does not run along it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such element.</exception>
    public IReadOnlyList<int> Positions(Value value, int axis, int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Size);
        return _owner.Analysis.Axes(value)[value.Shape.NormalizeAxis(axis, nameof(Positions))].PositionsOf(Dimension, index);
    }

    public override string ToString() => $"{Size} of {string.Join(", ", Members)}";
}
