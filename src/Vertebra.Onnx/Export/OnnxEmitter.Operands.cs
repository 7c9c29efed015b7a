using Vertebra.Graphs;

namespace Vertebra.Onnx;

/// <summary>Operands: values in the order of axes that an operator needs.</summary>
internal sealed partial class OnnxEmitter
{
    private readonly Dictionary<Value, Written> _written = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(string Source, string Order), string> _transposed = [];

    /// <summary>The node that computes a value; null for inputs and constants.</summary>
    public Node? ProducerOf(Value value) => _graph.ProducerOf(value);

    /// <summary>The order in which a value exists.</summary>
    public AxisOrder OrderOf(Value value) => value.IsConstant ? AxisOrder.Plain(value.Shape.Rank) : WrittenAs(value).Native;

    /// <summary>The value's name in the order it exists in.</summary>
    public string AsIs(Value value) => In(value, OrderOf(value));

    /// <summary>The name of the value with its axes as they are here.</summary>
    public string Plain(Value value) => In(value, AxisOrder.Plain(value.Shape.Rank));

    /// <summary>The name of the value with its channels (the last axis) after the batch.</summary>
    public string Image(Value value) => In(value, AxisOrder.ChannelsFirst(value.Shape.Rank));

    /// <summary>The name of the value in a given order, which is made if it does not exist.</summary>
    public string In(Value value, AxisOrder order)
    {
        if (value.IsConstant)
            return Constant(value.Data!, order.IsPlain ? value.Name : $"{value.Name}.{string.Join("", order.Axes)}", order);
        var written = WrittenAs(value);
        if (written.Names.TryGetValue(order, out var name))
            return name;
        foreach (var (existing, source) in written.Names)
        {
            if (HoldsSameElements(value, existing, order))
                return written.Names[order] = Step("Reshape", [source, TargetShape(value, order, value, existing)]);
        }
        return written.Names[order] = Transpose(written.Names[written.Native], written.Native.To(order));
    }

    /// <summary>
    /// The name of an operand that broadcasts, by NumPy's rule, against a tensor of the given rank and order. Leading axes of
    /// size 1 are left out where they can be.
    /// </summary>
    public string Broadcast(Value value, AxisOrder order)
    {
        var lead = order.Rank - value.Shape.Rank;
        if (lead == 0 && !value.IsConstant)
            return In(value, order);
        var isOne = Enumerable.Range(0, value.Shape.Rank).All(axis => IsUnit(value, axis));
        if (isOne || (order.IsPlain && OrderOf(value).IsPlain))
            return AsIs(value);
        if (value.IsConstant)
        {
            int[] sizes = [.. Enumerable.Repeat(1, lead), .. value.Shape];
            var ones = order.Arrange(sizes).TakeWhile(s => s == 1).Count();
            var stored = Vertebra.Ops.TensorOps.Permute(value.Data!.View(sizes), order.Axes);
            stored = stored.View(stored.Shape.Span[ones..].ToArray());
            return Constant(stored, $"{value.Name}.{string.Join('x', stored.Shape)}", AxisOrder.Plain(stored.Rank));
        }
        var leading = Enumerable.Range(0, lead).Select(a => (long)a).ToArray();
        var source = Step("Unsqueeze", [AsIs(value), Int64(leading)]);
        var present = OrderOf(value).WithLeading(lead);
        return present == order ? source : Transpose(source, present.To(order));
    }

    /// <summary>
    /// The order in which operands meet that share their axes: the one that costs the fewest moved elements, and of equals
    /// channels first, where the costly operators are.
    /// </summary>
    public AxisOrder CommonOrder(IReadOnlyList<Value> values, int rank)
    {
        var flowing = values.Where(v => v.Shape.Rank == rank && !v.IsConstant).ToArray();
        return flowing.SelectMany(v => WrittenAs(v).Names.Keys).Distinct()
            .OrderBy(order => flowing.Sum(v => CostOf(v, order)))
            .ThenBy(order => order == AxisOrder.ChannelsFirst(rank) ? 0 : 1)
            .DefaultIfEmpty(AxisOrder.Plain(rank)).First();
    }

    /// <summary>The order a value exists in if its last axes stand last there, else the plain one.</summary>
    public AxisOrder EndingPlain(Value value, int axes) =>
        OrderOf(value) is var order && order.EndsPlain(axes) ? order : AxisOrder.Plain(value.Shape.Rank);

    /// <summary>The name of an intermediate result with its axes in another order.</summary>
    public string Transpose(string source, long[] order)
    {
        var key = (source, string.Join(',', order));
        return _transposed.TryGetValue(key, out var name) ? name : _transposed[key] = Step("Transpose", [source], ("perm", order));
    }

    /// <summary>True for an axis that has size 1 whatever the input.</summary>
    public bool IsUnit(Value value, int axis) => value.Shape[axis] == 1 && !_sizes.IsOpen(value, axis);

    private long CostOf(Value value, AxisOrder order) =>
        WrittenAs(value).Names.Keys.Any(existing => existing == order || HoldsSameElements(value, existing, order)) ? 0 : value.Shape.ElementCount;

    // [N, C, 1, 1] and [N, 1, 1, C] hold the same elements in the same order.
    private bool HoldsSameElements(Value value, AxisOrder a, AxisOrder b) =>
        a.Axes.Where(axis => !IsUnit(value, axis)).SequenceEqual(b.Axes.Where(axis => !IsUnit(value, axis)));

    private Written WrittenAs(Value value)
    {
        if (_written.TryGetValue(value, out var written))
            return written;
        var plain = AxisOrder.Plain(value.Shape.Rank);
        return value.IsConstant ? _written[value] = new(plain, In(value, plain))
            : throw new VertebraException($"'{value}' has no ONNX form: nothing in the graph computes it for inference");
    }

    /// <summary>A value's names in the file, by the order of axes under each.</summary>
    private sealed class Written
    {
        public Written()
        {
        }

        public Written(AxisOrder native, string name)
        {
            Native = native;
            Names.Add(native, name);
        }

        /// <summary>The order in which it was made.</summary>
        public AxisOrder Native { get; set; }

        public Dictionary<AxisOrder, string> Names { get; } = [];
    }
}
