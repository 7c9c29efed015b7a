using Vertebra.Graphs;

namespace Vertebra.Onnx;

/// <summary>How a size is computed in the file.</summary>
internal abstract record FileSize
{
    /// <summary>The size of a value's axis.</summary>
    public sealed record Axis(Value Value, int Index) : FileSize
    {
        public override string ToString() => $"{Value.Name}.{Index}";
    }

    public sealed record Times(FileSize Of, long Factor) : FileSize
    {
        public override string ToString() => $"({Of} * {Factor})";
    }

    public sealed record Over(FileSize Of, long Divisor) : FileSize
    {
        public override string ToString() => $"({Of} / {Divisor})";
    }

    public sealed record Product(FileSize Left, FileSize Right) : FileSize
    {
        public override string ToString() => $"({Left} * {Right})";
    }
}

/// <summary>
/// Which sizes of a graph's values follow the input's. Known from graphs of the same network at other input sizes: what
/// differs between them is open, and two sizes that agree in all of them are taken for the same.
/// </summary>
internal sealed class OpenSizes
{
    private readonly Graph _graph;
    private readonly Dictionary<Value, Shape[]> _shapes = new(ReferenceEqualityComparer.Instance);

    private OpenSizes(Graph graph) => _graph = graph;

    /// <summary>Sizes of one graph, all fixed.</summary>
    public static OpenSizes Fixed(Graph graph) => new(graph);

    /// <summary>Sizes from the shapes that the graph's values have for other inputs.</summary>
    public static OpenSizes From(Graph graph, IReadOnlyList<IReadOnlyDictionary<Value, Shape>> others)
    {
        var sizes = new OpenSizes(graph);
        if (others.Count == 0)
            return sizes;
        foreach (var value in graph.Inputs.Concat(graph.Nodes.SelectMany(n => n.Outputs)))
            sizes._shapes[value] = [.. others.Select(shapes => shapes[value])];
        return sizes;
    }

    public bool IsOpen(Value value, int axis) => _shapes.TryGetValue(value, out var shapes) && shapes.Any(s => s[axis] != value.Shape[axis]);

    /// <summary>The same knowledge for a rewritten graph, in which values may be missing or new; new ones take their operands' shapes where they have the same.</summary>
    public OpenSizes For(Graph graph)
    {
        var sizes = new OpenSizes(graph);
        foreach (var (value, shapes) in _shapes)
            sizes._shapes[value] = shapes;
        foreach (var node in graph.Nodes)
        {
            for (var o = 0; o < node.Outputs.Count && _shapes.Count > 0; o++)
            {
                if (sizes._shapes.ContainsKey(node.Outputs[o]))
                    continue;
                var operands = Enumerable.Range(0, _shapes.Values.First().Length)
                    .Select(i => node.Inputs.Select(v => v.IsConstant ? v.Spec : new TensorSpec(sizes._shapes[v][i], v.Spec.DType)).ToArray());
                sizes._shapes[node.Outputs[o]] = [.. operands.Select(specs => node.Op.Infer(specs)[o].Shape)];
            }
        }
        return sizes;
    }

    /// <summary>A value's shapes for the other inputs.</summary>
    public IReadOnlyList<Shape> ShapesOf(Value value) => _shapes.GetValueOrDefault(value, []);

    /// <summary>True when two open sizes are the same for every input.</summary>
    public bool Same(Value a, int axisA, Value b, int axisB) =>
        _shapes.TryGetValue(a, out _) && _shapes.TryGetValue(b, out _) && Vector(a, axisA).AsSpan().SequenceEqual(Vector(b, axisB));

    /// <summary>The name of an open size (empty when it is none of the input's); null for a fixed one.</summary>
    public string? NameOf(Value value, int axis)
    {
        if (!IsOpen(value, axis))
            return null;
        string[] names = ["batch", "height", "width"];
        foreach (var input in _graph.Inputs)
        {
            for (var i = 0; i < Math.Min(input.Shape.Rank, names.Length); i++)
            {
                if (Same(value, axis, input, i))
                    return names[i];
            }
        }
        return "";
    }

    /// <summary>An open size in terms of those of values that exist in the file: equal, a multiple, a share, or a product of two.</summary>
    /// <returns>Null when none is found.</returns>
    public FileSize? Derive(Value value, int axis, IReadOnlyCollection<Value> known)
    {
        var wanted = Vector(value, axis);
        // Inputs first; of the rest the latest, which is where a size is usually taken from.
        var terms = _graph.Inputs.Concat(known.Reverse()).Distinct()
            .SelectMany(v => Enumerable.Range(0, v.Shape.Rank).Where(a => IsOpen(v, a)).Select(a => (Size: new FileSize.Axis(v, a), Vector: Vector(v, a))))
            .DistinctBy(t => string.Join(',', t.Vector)).ToArray();
        var single = terms.Select(t => Scaled(t.Size, t.Vector, wanted)).FirstOrDefault(e => e is not null);
        if (single is not null)
            return single;
        return (from a in terms
                from b in terms
                let product = new FileSize.Product(a.Size, b.Size)
                let scaled = Scaled(product, [.. a.Vector.Zip(b.Vector, (x, y) => x * y)], wanted)
                where scaled is not null
                select scaled).FirstOrDefault();
    }

    private static FileSize? Scaled(FileSize size, long[] from, long[] wanted)
    {
        if (from.AsSpan().SequenceEqual(wanted))
            return size;
        if (from[0] == 0 || wanted[0] == 0)
            return null;
        var (factor, divisor) = (wanted[0] / from[0], from[0] / wanted[0]);
        if (factor > 1 && from.Zip(wanted).All(p => p.First * factor == p.Second))
            return new FileSize.Times(size, factor);
        // Divisions round down, so a divisor is only believed when it always fits.
        return divisor > 1 && from.Zip(wanted).All(p => p.First == p.Second * divisor) ? new FileSize.Over(size, divisor) : null;
    }

    private long[] Vector(Value value, int axis) => [value.Shape[axis], .. _shapes.TryGetValue(value, out var shapes) ? shapes.Select(s => (long)s[axis]) : []];
}
