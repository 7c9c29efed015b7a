using Vertebra.Graphs;

namespace Vertebra.Onnx;

/// <summary>Sizes as operands: constants where they are fixed, computed in the file where they are open.</summary>
internal sealed partial class OnnxEmitter
{
    private readonly Dictionary<string, string> _computedSizes = new(StringComparer.Ordinal);

    /// <summary>True when a value's axis is of another size for other inputs.</summary>
    public bool IsOpen(Value value, int axis) => _sizes.IsOpen(value, axis < 0 ? axis + value.Shape.Rank : axis);

    /// <summary>True when any axis is open.</summary>
    public bool AnyOpen(Value value) => Enumerable.Range(0, value.Shape.Rank).Any(axis => _sizes.IsOpen(value, axis));

    /// <summary>Whether groups found at the traced sizes are those of the reshape at every size.</summary>
    public bool GroupsHold(List<(int[] From, int[] To)> groups, Value input, Value output) => _sizes.ShapesOf(input).Zip(_sizes.ShapesOf(output))
        .All(shapes => groups.All(g => g.From.Aggregate(1L, (n, a) => n * shapes.First[a]) == g.To.Aggregate(1L, (n, a) => n * shapes.Second[a])));

    /// <summary>
    /// The second operand of a Reshape that gives <paramref name="result"/> in an order: 0 where an open axis stands as in the
    /// source, -1 for one other open axis, and computed sizes beyond that.
    /// </summary>
    public string TargetShape(Value result, AxisOrder order, Value source, AxisOrder sourceOrder)
    {
        var sizes = new long[order.Rank];
        var computed = new List<int>();
        for (var p = 0; p < sizes.Length; p++)
        {
            var axis = order.Axes[p];
            sizes[p] = result.Shape[axis];
            if (!_sizes.IsOpen(result, axis))
                continue;
            var copies = p < sourceOrder.Rank && _sizes.Same(result, axis, source, sourceOrder.Axes[p]);
            if (copies)
                sizes[p] = 0;
            else
                computed.Add(p);
        }
        if (computed.Count > 0)
            sizes[computed[0]] = -1;
        if (computed.Count <= 1)
            return Int64(sizes);
        var inferred = computed[0];
        return Joined([.. Enumerable.Range(0, sizes.Length).Select(p => p != inferred && computed.Contains(p) ? SizeOf(result, order.Axes[p]) : Int64(sizes[p]))]);
    }

    /// <summary>The whole shape of a value in an order, as an int64 vector.</summary>
    public string ShapeOf(Value value, AxisOrder order) => Sizes(value, [.. order.Axes]);

    /// <summary>The sizes of some axes of a value, as an int64 vector.</summary>
    public string Sizes(Value value, params IReadOnlyList<int> axes) =>
        axes.All(a => !_sizes.IsOpen(value, a)) ? Int64([.. axes.Select(a => (long)value.Shape[a])])
        : Joined([.. axes.Select(a => _sizes.IsOpen(value, a) ? SizeOf(value, a) : Int64(value.Shape[a]))]);

    private string Joined(string[] parts)
    {
        var key = string.Join('|', parts);
        return _computedSizes.TryGetValue(key, out var name) ? name : _computedSizes[key] = Step("Concat", parts, ("axis", 0));
    }

    /// <summary>An open size, which the value need not have been computed for, as an int64 vector of one element.</summary>
    /// <exception cref="VertebraException">The size does not follow from the input's in a way that is known here.</exception>
    public string SizeOf(Value value, int axis)
    {
        var source = _sizes.Derive(value, axis, _written.Keys)
            ?? throw new VertebraException(
                $"{Place}: size {value.Shape[axis]} of axis {axis} of {value.Shape} follows the input's size in a way that cannot be written to ONNX; export with fixed sizes");
        return Computed(source);
    }

    private string Computed(FileSize size)
    {
        var key = size.ToString();
        if (_computedSizes.TryGetValue(key, out var name))
            return name;
        name = size switch
        {
            FileSize.Axis a => Step("Gather", [ShapeVector(a.Value), Int64(OrderOf(a.Value).PositionOf(a.Index))], ("axis", 0)),
            FileSize.Times t => Step("Mul", [Computed(t.Of), Int64(t.Factor)]),
            FileSize.Over o => Step("Div", [Computed(o.Of), Int64(o.Divisor)]),
            FileSize.Product p => Step("Mul", [Computed(p.Left), Computed(p.Right)]),
            _ => throw new ArgumentOutOfRangeException(nameof(size)),
        };
        return _computedSizes[key] = name;
    }

    private string ShapeVector(Value value)
    {
        var source = AsIs(value);
        return _computedSizes.TryGetValue($"shape of {source}", out var name) ? name : _computedSizes[$"shape of {source}"] = Step("Shape", [source]);
    }

    private string Place => _node is null ? "the network" : $"{_node.Op.Name} in module '{_node.ModulePath}'";
}
