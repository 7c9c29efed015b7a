using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>Axes of a graph's input that stay open.</summary>
[Flags]
public enum OpenAxes
{
    /// <summary>The first axis: images of a batch, or sequences.</summary>
    Batch = 1,

    /// <summary>The axes between the first and the last: height and width of images.</summary>
    Size = 2,
}

/// <summary>
/// Traces a module at several sizes and finds how shapes and attributes follow the size: the traces must have the same nodes,
/// and every number that differs must lie on a polynomial of degree one in each open axis. That is checked at a further size.
/// </summary>
internal static class DynamicTrace
{
    // Sizes grow by what the deepest networks divide them by; windows of 7, 8 or 12 tokens ask for a multiple of that.
    private static readonly int[] Steps = [32, 64, 224, 256, 384];

    /// <param name="at">The graph for an input of a shape.</param>
    /// <param name="axes">What stays open.</param>
    /// <param name="shape">The input's shape in the result.</param>
    public static Graph Trace(Func<Shape, Graph> at, OpenAxes axes, Shape shape)
    {
        var open = Enumerable.Range(0, shape.Rank - 1).Where(a => axes.HasFlag(a == 0 ? OpenAxes.Batch : OpenAxes.Size)).ToArray();
        if (!axes.HasFlag(OpenAxes.Size))
            return Trace(at, shape, open, 1);
        VertebraException? failure = null;
        foreach (var step in Steps)
        {
            try
            {
                return Trace(at, shape, open, step);
            }
            catch (VertebraException e)
            {
                // The smallest step says best what is wrong: most networks that fail there fail everywhere.
                failure ??= e;
            }
        }
        throw new VertebraException($"the size of this network's input cannot be left open: {failure!.Message}", failure);
    }

    private static Graph Trace(Func<Shape, Graph> at, Shape shape, int[] open, int step)
    {
        var low = open.Select(a => shape[a]).ToArray();
        var high = open.Select((a, i) => low[i] + (a == 0 ? 1 : step)).ToArray();
        Graph At(Func<int, int> size)
        {
            var sizes = shape.Span.ToArray();
            for (var i = 0; i < open.Length; i++)
                sizes[open[i]] = size(i);
            return at(sizes);
        }
        var corners = Enumerable.Range(0, 1 << open.Length).Select(mask => At(i => (mask >> i & 1) == 1 ? high[i] : low[i])).ToArray();
        var beyond = high.Select((h, i) => h + ((i + 1) * (h - low[i]))).ToArray();
        var fit = new Fit(AxisNames(shape.Rank, open), low, high, beyond, [.. corners, At(i => beyond[i])]);
        return fit.Generalise();
    }

    private static string[] AxisNames(int rank, int[] open) =>
        [.. open.Select(a => a == 0 ? "batch" : rank == 4 ? (a == 1 ? "height" : "width") : rank == 3 ? "length" : $"size{a}")];

    /// <param name="axes">Names of the open axes.</param>
    /// <param name="low">Their sizes at the first corner.</param>
    /// <param name="high">Their sizes at the last corner.</param>
    /// <param name="beyond">Their sizes at the point that checks the fit.</param>
    /// <param name="traces">Graphs at every corner, then at that point.</param>
    private sealed class Fit(string[] axes, int[] low, int[] high, int[] beyond, Graph[] traces)
    {
        private readonly Dictionary<Value, Value> _values = [];

        public Graph Generalise()
        {
            var first = traces[0];
            var odd = Array.Find(traces, t => t.Nodes.Count != first.Nodes.Count || t.Outputs.Count != first.Outputs.Count);
            if (odd is not null)
                throw new VertebraException(FirstDifference(first, odd));
            Place(traces.Select(t => t.Inputs[0]).ToArray(), "the input");
            var nodes = new Node[first.Nodes.Count];
            for (var n = 0; n < nodes.Length; n++)
                nodes[n] = Generalise(traces.Select(t => t.Nodes[n]).ToArray());
            return new Graph([.. first.Inputs.Select(Current)], nodes, [.. first.Outputs.Select(Current)],
                first.ModuleOutputs.Where(m => _values.ContainsKey(m.Value)).ToDictionary(m => m.Key, m => Current(m.Value)));
        }

        private Node Generalise(Node[] nodes)
        {
            var first = nodes[0];
            if (Array.Exists(nodes, n => n.Op.GetType() != first.Op.GetType() || n.ModulePath != first.ModulePath || n.Inputs.Count != first.Inputs.Count))
                throw new VertebraException($"at another size {first} becomes {Array.Find(nodes, n => n.Op.Name != first.Op.Name || n.ModulePath != first.ModulePath)}");
            for (var i = 0; i < first.Inputs.Count; i++)
            {
                if (!_values.ContainsKey(first.Inputs[i]))
                    PlaceConstant(nodes.Select(n => n.Inputs[i]).ToArray(), first);
            }
            for (var i = 0; i < first.Outputs.Count; i++)
                Place(nodes.Select(n => n.Outputs[i]).ToArray(), $"{first}");
            var inputs = first.Inputs.Select(Current).ToArray();
            return new Node(first.Id, first.Op, inputs, [.. first.Outputs.Select(Current)], first.ModulePath) { SizeRules = RulesOf(nodes) };
        }

        private SizeRules? RulesOf(Node[] nodes)
        {
            var all = nodes.Select(n => OpAttributes.Of(n.Op)).ToArray();
            var rules = new List<SizedAttribute>();
            for (var a = 0; a < all[0].Count; a++)
            {
                var (name, value) = all[0][a];
                if (all.All(attributes => Equals(attributes[a].Value, value)))
                    continue;
                var numbers = all.Select(attributes => attributes[a].Value switch
                {
                    int number => [number],
                    float number when number == MathF.Round(number) && MathF.Abs(number) < 1 << 24 => [(int)number],
                    IntList list => list.Span.ToArray(),
                    _ => throw new VertebraException($"{nodes[0]}: {name} depends on the size, and is no whole number"),
                }).ToArray();
                rules.Add(new(name, value!.GetType(), Expressions(numbers, $"{nodes[0]}: {name}")));
            }
            return rules.Count == 0 ? null : new SizeRules(rules);
        }

        private void Place(Value[] values, string what)
        {
            var sizes = Expressions(values.Select(v => v.Shape.Span.ToArray()).ToArray(), what);
            _values.Add(values[0], new Value(values[0].Name, values[0].Spec, values[0].Data) { Sizes = sizes });
        }

        // Parameters are the same tensors in every trace. Tables that the module made on the way must not depend on the size.
        private void PlaceConstant(Value[] values, Node reader)
        {
            var first = values[0];
            if (!first.IsConstant || Array.Exists(values, v => !v.IsConstant || !SameData(first.Data!, v.Data!)))
                throw new VertebraException($"{reader} reads {first.Name}, which depends on the size");
            _values.Add(first, first);
        }

        private static bool SameData(Tensor a, Tensor b) => ReferenceEquals(a, b)
            || (a.Spec == b.Spec && !a.IsMeta && !b.IsMeta && a.ContentEquals(b));

        private SizeExpression[] Expressions(int[][] numbers, string what)
        {
            if (Array.Exists(numbers, n => n.Length != numbers[0].Length))
                throw new VertebraException($"{what}: the number of axes depends on the size");
            var result = new SizeExpression[numbers[0].Length];
            for (var i = 0; i < result.Length; i++)
            {
                var corners = numbers[..^1].Select(n => (long)n[i]).ToArray();
                result[i] = SizeExpression.Through(axes, low, high, corners);
                if (!Fits(result[i], numbers[^1][i]))
                    throw new VertebraException($"{what} does not follow the size in a regular way ({string.Join(", ", numbers.Select(n => n[i]))})");
            }
            return result;
        }

        private bool Fits(SizeExpression expression, int expected)
        {
            try
            {
                return expression.At(beyond) == expected;
            }
            catch (VertebraException)
            {
                return false;
            }
        }

        private Value Current(Value value) => _values.GetValueOrDefault(value, value);

        private static string FirstDifference(Graph a, Graph b)
        {
            var (node, other) = a.Nodes.Zip(b.Nodes).FirstOrDefault(p => p.First.Op.Name != p.Second.Op.Name || p.First.ModulePath != p.Second.ModulePath);
            return node is null ? "it takes more steps at another size" : $"at another size {node} becomes {other}";
        }
    }
}
