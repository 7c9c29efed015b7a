using Vertebra.Graphs;
using Vertebra.Ops;
using Vertebra.Tests.Cases;

namespace Vertebra.Tests.Graphs.Queries;

/// <summary>
/// Every dimension rule against the op it speaks of: whatever a rule leaves free is exchanged, taken away and set to zero in
/// the inputs of the op's cases, and the op itself says whether its results change as the rule claims.
/// </summary>
public class DimensionRuleTests
{
    [Fact]
    public void Every_op_has_a_rule()
    {
        var ops = typeof(Op).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(Op)) && !t.IsAbstract);
        var forgotten = ops.Where(o => !DimensionRules.Has(o)).Select(o => o.Name).ToList();
        Assert.True(forgotten.Count == 0, $"these need a row in DimensionRules (OpaqueRule if their dimensions shall be fixed): {string.Join(", ", forgotten)}");
    }

    [Fact]
    public void Results_follow_when_the_operands_indices_change_places() => Sweep((subject, dimension) =>
    {
        if (dimension.OrderedBecause is not null)
            return;
        var order = Enumerable.Range(0, dimension.Size).Select(i => (i + 1) % dimension.Size).ToArray();
        subject.CheckResults(dimension, order, subject.Inputs, (result, expected) => Subject.AssertClose(expected, result));
    });

    [Fact]
    public void Results_have_the_stated_sizes_when_an_index_goes() => Sweep((subject, dimension) =>
    {
        var kept = Enumerable.Range(0, dimension.Size).Where(i => i != 1).ToArray();
        subject.CheckResults(dimension, kept, subject.Inputs, (result, expected) => Assert.Equal(expected.Spec, result.Spec));
    });

    [Fact]
    public void Zeros_pass_as_stated_and_an_index_of_zeros_goes_without_a_trace() => Sweep((subject, dimension) =>
    {
        foreach (var places in subject.SetsOfPlaces(dimension))
        {
            var zeroed = subject.WithZerosAt(places, dimension, 1);
            subject.CheckZeroClaims(places, dimension, zeroed, 1);
            if (!subject.ClaimsNoTrace(places, dimension))
                continue;
            var kept = Enumerable.Range(0, dimension.Size).Where(i => i != 1).ToArray();
            subject.CheckResults(dimension, kept, zeroed, (result, expected) => Subject.AssertClose(expected, result));
        }
    });

    private static void Sweep(Action<Subject, Dimension> check)
    {
        var tried = 0;
        OpSweep(c =>
        {
            var subject = new Subject(c);
            foreach (var dimension in subject.FreeDimensions)
            {
                tried++;
                check(subject, dimension);
            }
        });
        Assert.True(tried > 500, $"only {tried} dimensions were tried");
    }

    // Masks of dropout depend on the position itself: they are others after a change, though as good.
    private static void OpSweep(Action<OpCase> check)
    {
        var failures = OpChecks.Failures(OpCases.All.Where(c => c.Op is not (Dropout or DropPath) && c.Inputs.Sum(i => i.ElementCount) < 5000), check);
        Assert.True(failures.Count == 0, $"{failures.Count} cases fail:\n" + string.Join('\n', failures.Take(25)));
    }

    /// <summary>A case as a graph of one node, whose inputs are free.</summary>
    private sealed class Subject
    {
        private readonly Node _node;
        private readonly DimensionAnalysis _analysis;
        private readonly Op _op;

        public Subject(OpCase c)
        {
            (Inputs, _op) = (c.Inputs, c.Op);
            var values = Inputs.Select((t, i) => new Value($"x{i}", t.Spec)).ToArray();
            _node = new Node(0, c.Op, values, [.. c.Op.Infer(Array.ConvertAll(Inputs, i => i.Spec)).Select((s, i) => new Value($"y{i}", s))], "");
            _analysis = new(new Graph(values, [_node], _node.Outputs), fixesBoundary: false);
        }

        public Tensor[] Inputs { get; }

        private NodeDimensions Dimensions => _analysis[_node];

        public IEnumerable<Dimension> FreeDimensions =>
            _node.Inputs.SelectMany(v => _analysis.Axes(v)).SelectMany(a => a.Leaves()).Distinct().Where(d => d.Size > 1 && d.FixedBecause is null).ToList();

        /// <summary>Compares the op on selected inputs with the selection of its results.</summary>
        public void CheckResults(Dimension dimension, int[] kept, Tensor[] inputs, Action<Tensor, Tensor> check)
        {
            int[]? Kept(Dimension d) => d == dimension ? kept : null;
            var expected = _op.ApplyAll(inputs).Select((y, i) => Selected(y, _analysis.Axes(_node.Outputs[i]), Kept)).ToList();
            var op = new DimensionSelection(_analysis, Kept).OpOf(_node);
            var actual = op.ApplyAll([.. inputs.Select((x, i) => Selected(x, _analysis.Axes(_node.Inputs[i]), Kept))]);
            Assert.Equal(expected.Select(e => e.Spec), actual.Select(a => a.Spec));
            for (var i = 0; i < actual.Length; i++)
                check(actual[i], expected[i]);
        }

        /// <summary>Every set of places that could hold zeros, of those where the dimension is.</summary>
        public IEnumerable<Place[]> SetsOfPlaces(Dimension dimension)
        {
            var places = PlacesOf(dimension, _node.Inputs).Where(p => Inputs[p.Operand].DType == DType.Float32).ToList();
            return Enumerable.Range(1, (1 << places.Count) - 1).Select(set => places.Where((_, i) => ((set >> i) & 1) == 1).ToArray());
        }

        public Tensor[] WithZerosAt(Place[] places, Dimension dimension, int index)
        {
            var inputs = Array.ConvertAll(Inputs, i => i.Clone());
            foreach (var (operand, axis) in places)
                inputs[operand] = Masked(inputs[operand], axis, PositionsOf(_node.Inputs[operand], axis, dimension, index));
            return inputs;
        }

        public void CheckZeroClaims(Place[] places, Dimension dimension, Tensor[] zeroed, int index)
        {
            var query = new ZeroQuery(Dimensions, dimension, (operand, axis) => places.Contains(new Place(operand, axis)));
            var results = _op.ApplyAll(zeroed);
            foreach (var (result, axis) in PlacesOf(dimension, _node.Outputs))
            {
                if (!DimensionRules.Of(_op).IsZero(_op, result, axis, query))
                    continue;
                var there = Selection(results[result], axis, PositionsOf(_node.Outputs[result], axis, dimension, index));
                Assert.True(OpCases.ToDouble(there).All(v => v == 0), $"result {result} is said to be zero on axis {axis} when {string.Join(", ", places)} are");
            }
        }

        public bool ClaimsNoTrace(Place[] places, Dimension dimension) =>
            !Dimensions.Mixtures.Exists(m => m.Leaves().Contains(dimension))
            && Dimensions.Contractions.TrueForAll(c => !c.Extent.Leaves().Contains(dimension) || c.Places.Any(places.Contains));

        public static void AssertClose(Tensor expected, Tensor actual)
        {
            var (a, b) = (OpCases.ToDouble(actual), OpCases.ToDouble(expected));
            var scale = Math.Max(1, b.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty().Max());
            for (var i = 0; i < a.Length; i++)
                Assert.True(a[i].Equals(b[i]) || Math.Abs(a[i] - b[i]) <= 1e-4 * scale, $"element {i} is {a[i]}, expected {b[i]}");
        }

        private IEnumerable<Place> PlacesOf(Dimension dimension, IReadOnlyList<Value> values) =>
            from operand in Enumerable.Range(0, values.Count)
            from axis in Enumerable.Range(0, values[operand].Shape.Rank)
            where _analysis.Axes(values[operand])[axis].Leaves().Contains(dimension)
            select new Place(operand, axis);

        private int[] PositionsOf(Value value, int axis, Dimension dimension, int index) => _analysis.Axes(value)[axis].PositionsOf(dimension, index);

        private static Tensor Selected(Tensor x, Extent[] axes, Func<Dimension, int[]?> kept)
        {
            for (var axis = 0; axis < axes.Length; axis++)
            {
                if (axes[axis].Select(kept) is { } positions)
                    x = Selection(x, axis, positions);
            }
            return x;
        }

        private static Tensor Selection(Tensor x, int axis, int[] positions) =>
            x.IndexSelect(axis, Tensor.From(Array.ConvertAll(positions, p => (long)p), [positions.Length]));

        private static Tensor Masked(Tensor x, int axis, int[] zeros)
        {
            var mask = Enumerable.Range(0, x.Shape[axis]).Select(i => zeros.Contains(i) ? 0f : 1f).ToArray();
            int[] shape = [.. Enumerable.Repeat(1, x.Rank)];
            shape[axis] = mask.Length;
            return Tensor.From(mask, shape).Greater(0).Where(x, Tensor.Scalar(0));
        }
    }
}
