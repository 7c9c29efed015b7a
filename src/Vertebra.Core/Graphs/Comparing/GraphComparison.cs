using Vertebra.Autograd;

namespace Vertebra.Graphs.Comparing;

/// <summary>A parameter or buffer of one graph and its counterpart.</summary>
/// <param name="Name">Its name in the first graph, or in the second if it is only there.</param>
/// <param name="ShapeA">Null when the first has none.</param>
/// <param name="ShapeB">Null when the second has none.</param>
/// <param name="Difference">Null when one is missing, the shapes differ, or they are no float32 numbers.</param>
/// <param name="IsEqual">For other numbers than float32: whether they are the same.</param>
public sealed record WeightPair(string Name, Shape? ShapeA, Shape? ShapeB, TensorDifference? Difference, bool IsEqual);

/// <summary>The first results of two nodes on the same inputs.</summary>
/// <param name="Pair">The nodes.</param>
/// <param name="Difference">How far their results are apart, over all inputs.</param>
public sealed record ActivationPair(NodePair Pair, TensorDifference Difference);

/// <summary>Two graphs side by side: structure, weights, and results on the same inputs.</summary>
public sealed class GraphComparison
{
    private readonly Graph _a;
    private readonly Graph _b;

    /// <summary>Compares structure and weights.</summary>
    public GraphComparison(Graph a, Graph b)
    {
        (_a, _b) = (a, b);
        Nodes = NodeAlignment.Align(a, b);
        Weights = CompareWeights();
    }

    /// <summary>All nodes of both, in the first graph's order.</summary>
    public IReadOnlyList<NodePair> Nodes { get; }

    /// <summary>All constants of both, in the first graph's order.</summary>
    public IReadOnlyList<WeightPair> Weights { get; }

    /// <summary>Results of counterparts with the same shape, in the first graph's order; empty until inputs were run.</summary>
    public IReadOnlyList<ActivationPair> Activations { get; private set; } = [];

    /// <summary>Results of the whole networks, output by output; empty until inputs were run or when their shapes differ.</summary>
    public IReadOnlyList<TensorDifference> Outputs { get; private set; } = [];

    /// <summary>No node was added, removed, moved or changed.</summary>
    public bool HasSameStructure => Nodes.All(p => p.Change == NodeChange.Same);

    /// <summary>Every weight has a counterpart of its shape within a relative difference.</summary>
    public bool HasSameWeights(double tolerance) => Weights.All(w => w.Difference is { } d ? d.Relative <= tolerance : w.IsEqual);

    /// <summary>Every pair of results lies within a relative difference.</summary>
    public bool HasSameActivations(double tolerance) => Activations.All(a => a.Difference.Relative <= tolerance);

    /// <summary>The networks' results lie within a relative difference; false when they cannot be compared.</summary>
    public bool HasSameOutputs(double tolerance) => Outputs.Count > 0 && Outputs.All(d => d.Relative <= tolerance);

    /// <summary>The first pair of nodes whose results are further apart than this (NaN counts as far); null when there is none.</summary>
    public ActivationPair? FirstDivergence(double tolerance) => Activations.FirstOrDefault(a => !(a.Difference.Relative <= tolerance));

    /// <summary>True when both take inputs of the same shapes.</summary>
    public bool CanRun => _a.Inputs.Select(v => v.Spec).SequenceEqual(_b.Inputs.Select(v => v.Spec));

    /// <summary>Runs both and gathers the differences of all counterparts; call it again for further inputs.</summary>
    public void Run(ReadOnlySpan<Tensor> inputsA, ReadOnlySpan<Tensor> inputsB)
    {
        using var off = GradMode.Off();
        if (Activations.Count == 0)
        {
            Activations = [.. Nodes.Where(p => p.A is not null && p.B is not null && IsComparable(p.A.Outputs[0], p.B.Outputs[0])).Select(p => new ActivationPair(p, new()))];
            if (_a.Outputs.Count == _b.Outputs.Count && _a.Outputs.Zip(_b.Outputs).All(o => IsComparable(o.First, o.Second)))
                Outputs = [.. _a.Outputs.Select(_ => new TensorDifference())];
        }
        var pairs = Activations.ToDictionary(p => p.Pair.B!, (IEqualityComparer<Node>)ReferenceEqualityComparer.Instance);
        var wanted = new HashSet<Node>(Activations.Select(p => p.Pair.A!), ReferenceEqualityComparer.Instance);
        var kept = new Dictionary<Node, float[]>(ReferenceEqualityComparer.Instance);
        var outputsA = _a.Run(inputsA, (node, operands) =>
        {
            var results = node.Op.ApplyAll(operands);
            if (wanted.Contains(node))
                kept[node] = results[0].ToArray<float>();
            return results;
        });
        var outputsB = _b.Run(inputsB, (node, operands) =>
        {
            var results = node.Op.ApplyAll(operands);
            if (pairs.TryGetValue(node, out var pair) && kept.Remove(pair.Pair.A!, out var expected))
                pair.Difference.Add(expected, results[0].ToArray<float>());
            return results;
        });
        for (var i = 0; i < Outputs.Count; i++)
            Outputs[i].Add(outputsA[i].ToArray<float>(), outputsB[i].ToArray<float>());
    }

    private static bool IsComparable(Value a, Value b) => a.Spec == b.Spec && a.Spec.DType == DType.Float32;

    // By name; what has no namesake, by its place among the operands of counterparts.
    private List<WeightPair> CompareWeights()
    {
        var others = _b.Constants.Where(c => c.Data is not null).GroupBy(c => c.Name).ToDictionary(g => g.Key, g => g.First());
        var partner = new Dictionary<Value, Value>(ReferenceEqualityComparer.Instance);
        var taken = new HashSet<Value>(ReferenceEqualityComparer.Instance);
        foreach (var constant in _a.Constants)
        {
            if (others.TryGetValue(constant.Name, out var namesake) && taken.Add(namesake))
                partner[constant] = namesake;
        }
        foreach (var pair in Nodes.Where(p => p.A is not null && p.B is not null))
        {
            foreach (var (a, b) in pair.A!.Inputs.Zip(pair.B!.Inputs).Where(o => o.First.IsConstant && o.Second.IsConstant))
            {
                if (!partner.ContainsKey(a) && taken.Add(b))
                    partner[a] = b;
            }
        }
        var result = _a.Constants.Select(c => Compare(c, partner.GetValueOrDefault(c))).ToList();
        result.AddRange(_b.Constants.Where(c => !taken.Contains(c)).Select(c => new WeightPair(c.Name, null, c.Shape, null, false)));
        return result;
    }

    private static WeightPair Compare(Value a, Value? b)
    {
        if (b is null)
            return new(a.Name, a.Shape, null, null, false);
        if (a.Spec != b.Spec || a.Data!.IsMeta || b.Data!.IsMeta)
            return new(a.Name, a.Shape, b.Shape, null, false);
        if (a.Spec.DType == DType.Float32)
            return new(a.Name, a.Shape, b.Shape, new TensorDifference().Add(a.Data.ToArray<float>(), b.Data.ToArray<float>()), false);
        var isEqual = a.Spec.DType switch
        {
            DType.Int64 => a.Data.ToArray<long>().AsSpan().SequenceEqual(b.Data.ToArray<long>()),
            DType.Int32 => a.Data.ToArray<int>().AsSpan().SequenceEqual(b.Data.ToArray<int>()),
            DType.Bool => a.Data.ToArray<bool>().AsSpan().SequenceEqual(b.Data.ToArray<bool>()),
            DType.Int8 => a.Data.ToArray<sbyte>().AsSpan().SequenceEqual(b.Data.ToArray<sbyte>()),
            DType.UInt8 => a.Data.ToArray<byte>().AsSpan().SequenceEqual(b.Data.ToArray<byte>()),
            DType.Float64 => a.Data.ToArray<double>().AsSpan().SequenceEqual(b.Data.ToArray<double>()),
            _ => false,
        };
        return new(a.Name, a.Shape, b.Shape, null, isEqual);
    }
}
