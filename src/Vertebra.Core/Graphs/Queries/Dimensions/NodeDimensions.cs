namespace Vertebra.Graphs;

/// <summary>An operand of a node and one of its axes.</summary>
internal readonly record struct Place(int Operand, int Axis);

/// <summary>The axes of one node's operands and results, to be tied by the node's <see cref="DimensionRule"/>, which also says here what the node does with them.</summary>
internal sealed class NodeDimensions(Node node, IReadOnlyList<Extent[]> operands, IReadOnlyList<Extent[]> results)
{
    private readonly Dictionary<string, Extent> _attributes = [];

    public Node Node => node;

    /// <summary>Sums over a dimension of products of operands, one of which must be zero where an index is to go without a trace.</summary>
    public List<(Extent Extent, Place[] Places)> Contractions { get; } = [];

    /// <summary>Dimensions that others are computed from as a whole (norms, softmax, means): an index never goes without a trace.</summary>
    public List<Extent> Mixtures { get; } = [];

    public int OperandCount => operands.Count;

    public int ResultCount => results.Count;

    public Shape OperandShape(int operand) => node.Inputs[operand].Shape;

    public Shape ResultShape(int result) => node.Outputs[result].Shape;

    /// <summary>An axis of an operand; negative axes count from the end.</summary>
    public Extent Operand(int operand, int axis) => operands[operand][axis < 0 ? axis + operands[operand].Length : axis];

    /// <summary>An axis of a result; negative axes count from the end.</summary>
    public Extent Result(int result, int axis) => results[result][axis < 0 ? axis + results[result].Length : axis];

    public IReadOnlyList<Extent> Operand(int operand) => operands[operand];

    public IReadOnlyList<Extent> Result(int result) => results[result];

    /// <summary>Position i of one is position i of the other.</summary>
    public void Tie(Extent a, Extent b) => Ties.Tie(a, b, $"{node}");

    /// <summary>No index of these can go.</summary>
    public void Fix(Extent extent, string because) => Ties.Fix(extent, $"{because} ({node})");

    public void FixAll(string because)
    {
        foreach (var axis in operands.Concat(results).SelectMany(axes => axes))
            Fix(axis, because);
    }

    /// <summary>Neighbours of these stay neighbours.</summary>
    public void Order(Extent extent, string because) => Ties.Order(extent, $"{because} ({node})");

    public void Contract(Extent extent, params Place[] places) => Contractions.Add((extent, places));

    public void Mix(Extent extent) => Mixtures.Add(extent);

    /// <summary>Remembers an extent whose size an attribute of the op states.</summary>
    public Extent Attribute(string name, Extent extent) => _attributes[name] = extent;

    /// <summary>A dimension of an attribute that is not yet tied to anything.</summary>
    public Extent Attribute(string name, int size) => Attribute(name, new Dimension(size));

    public Extent Attribute(string name) => _attributes[name];

    public IEnumerable<Extent> Attributes => _attributes.Values;
}

/// <summary>A node after a selection: the sizes that its axes and attributes then have.</summary>
internal sealed class ResizedNode(NodeDimensions dimensions, Func<Extent, int> sizeOf)
{
    public NodeDimensions Was => dimensions;

    public Shape Result(int result) => dimensions.Result(result).Select(sizeOf).ToArray();

    public int Operand(int operand, int axis) => sizeOf(dimensions.Operand(operand, axis));

    public int Attribute(string name) => sizeOf(dimensions.Attribute(name));
}

/// <summary>
/// Where zeros are when every parameter that makes index i of a dimension is zero there. Asked of a node's operands, one
/// dimension at a time.
/// </summary>
internal sealed class ZeroQuery(NodeDimensions node, Dimension dimension, Func<int, int, bool> isZero)
{
    public int OperandCount => node.OperandCount;

    public Shape OperandShape(int operand) => node.OperandShape(operand);

    /// <summary>True if the dimension is part of an extent.</summary>
    public bool IsIn(Extent extent) => extent.Leaves().Contains(dimension);

    public bool IsIn(int operand, int axis) => IsIn(node.Operand(operand, axis));

    public bool IsIn(string attribute) => IsIn(node.Attribute(attribute));

    /// <summary>True if the operand is a table of nothing but zeros, such as the shift of a norm that has none.</summary>
    public bool IsAllZero(int operand) =>
        node.Node.Inputs[operand].Data is { IsMeta: false, RequiresGrad: false, DType: DType.Float32 } table && !table.AsSpan<float>().ContainsAnyExcept(0);

    /// <summary>True if the dimension is part of the operand's axis, and the operand is zero wherever that axis is at index i of it.</summary>
    public bool Zero(int operand, int axis)
    {
        var normal = axis < 0 ? axis + node.OperandShape(operand).Rank : axis;
        return IsIn(node.Operand(operand, normal)) && isZero(operand, normal);
    }

    /// <summary>True if the dimension is part of the operand, and the operand is zero at index i on every axis that it is part of.</summary>
    public bool Zero(int operand)
    {
        var axes = Enumerable.Range(0, node.OperandShape(operand).Rank).Where(axis => IsIn(node.Operand(operand, axis))).ToList();
        return axes.Count > 0 && axes.TrueForAll(axis => isZero(operand, axis));
    }
}

/// <summary>
/// What an op does with the dimensions of its operands and results: the knowledge behind <see cref="DimensionGroups"/>.
/// Every op has one in <see cref="DimensionRules"/>.
/// </summary>
internal abstract class DimensionRule
{
    /// <summary>Ties the results' axes to the operands', and says which are fixed, summed over or mixed.</summary>
    public abstract void Relate(Vertebra.Ops.Op op, NodeDimensions node);

    /// <summary>The op for other sizes, where attributes state sizes.</summary>
    public virtual Vertebra.Ops.Op Resized(Vertebra.Ops.Op op, ResizedNode node) => op;

    /// <summary>True if the result is surely zero wherever <paramref name="axis"/> is at index i of the query's dimension, which is part of it.</summary>
    public virtual bool IsZero(Vertebra.Ops.Op op, int result, int axis, ZeroQuery query) => false;
}
