using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;

namespace Vertebra.Graphs;

/// <summary>Rules for inference that spare the copy of a concatenation.</summary>
public static class JoiningRules
{
    /// <summary>Batch norms that alone read a concatenation read its pieces, as in dense blocks.</summary>
    public static RewriteRule BatchNorm { get; } = RewriteRule.Define("batch norm reads the pieces of a concatenation", () =>
    {
        var joined = Any();
        var norm = Op<BatchNorm>(joined, Constant(), Constant(), Constant(), Constant()).Where(op => !op.AddsResidual);
        return (norm, (m, write) => IsSpared(m.Graph, m[joined])
            ? write.Apply(new JoinedBatchNorm(m.Op(norm).Epsilon, m.Op(norm).Activation), [.. Pieces(m.Graph, m[joined]), .. m[norm].Inputs.Skip(1)]) : null);
    });

    /// <summary>All rules of this class.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } = [BatchNorm];

    // Dense blocks join what they joined before with one piece more.
    private static IEnumerable<Value> Pieces(Graph graph, Value value) =>
        IsSpared(graph, value) ? graph.ProducerOf(value)!.Inputs.SelectMany(input => Pieces(graph, input)) : [value];

    // A concatenation that something else reads is needed all the same.
    private static bool IsSpared(Graph graph, Value value) =>
        graph.ProducerOf(value) is { Op: Concat concat } && (concat.Axis == -1 || concat.Axis == value.Shape.Rank - 1)
        && !graph.Outputs.Contains(value) && graph.ConsumersOf(value).All(n => IsNorm(n, value) || (n.Op is Concat && IsSpared(graph, n.Outputs[0])));

    private static bool IsNorm(Node node, Value value) => node.Op is BatchNorm { AddsResidual: false } && ReferenceEquals(node.Inputs[0], value);
}
