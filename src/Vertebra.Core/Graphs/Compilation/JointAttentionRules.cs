using Vertebra.Ops;
using static Vertebra.Graphs.Pattern;

namespace Vertebra.Graphs;

/// <summary>
/// Rules for inference: attention whose queries, keys and values one layer makes reads them where they are, and leaves the heads side by
/// side (<see cref="JointAttention"/>), instead of moving every token twice.
/// </summary>
public static class JointAttentionRules
{
    /// <summary>Heads cut from one value, and joined again.</summary>
    public static RewriteRule Tokens { get; } = Joined("attention reads the joint layer", static attention => attention);

    /// <summary>The same, where windows of an image stood beside the heads for the sake of the mask.</summary>
    public static RewriteRule Windows { get; } = Joined("attention in windows reads the joint layer", static attention => Op<Reshape>(attention));

    /// <summary>All rules of this class.</summary>
    public static IReadOnlyList<RewriteRule> All { get; } = [Tokens, Windows];

    private static RewriteRule Joined(string name, Func<Pattern, Pattern> around) => RewriteRule.Define(name, () =>
    {
        var attention = Op<Attention>(Any(), Any(), Any(), Any().Optional());
        var permuted = Op<Permute>(around(attention)).Where(op => op.Order == [0, 2, 1, 3]);
        var root = Op<Reshape>(permuted);
        return (root, (m, write) =>
        {
            // [N, L, heads, D], and attention has [N, heads, L, D], or the same numbers in other batches.
            var (heads, apart) = (m[permuted].Outputs[0].Shape, m[attention].Outputs[0].Shape);
            var tokens = m[root].Outputs[0].Shape;
            if (tokens != [heads[0], heads[1], heads[2] * heads[3]] || apart[2] != heads[1] || apart[3] != heads[3] || JointOf(m.Graph, m[attention], heads) is not { } joint)
                return null;
            var op = new JointAttention(heads[2], m.Op(attention).Scale);
            if (m[attention].Inputs.Count == 3)
                return write.Apply(op, joint);
            return MaskOf(m[attention].Inputs[3], apart, heads, write) is { } mask ? write.Apply(op, joint, mask) : null;
        });
    });

    /// <summary>The value [N, L, 3 · heads · D] of which the operands are the three parts; null where they are not.</summary>
    private static Value? JointOf(Graph graph, Node attention, Shape heads)
    {
        Node? split = null;
        for (var i = 0; i < 3; i++)
        {
            var part = BeforeViews(graph, attention.Inputs[i]);
            if (graph.ProducerOf(part) is not { Op: Split, Outputs.Count: 3 } node || !ReferenceEquals(node.Outputs[i], part) || (split is not null && !ReferenceEquals(split, node)))
                return null;
            split = node;
        }
        if (split!.Outputs[0].Shape != [1, heads[0], heads[2], heads[1], heads[3]]
            || graph.ProducerOf(split.Inputs[0]) is not { Op: Permute permute } turned || permute.Order != [2, 0, 3, 1, 4] || turned.Inputs[0].Shape != [heads[0], heads[1], 3, heads[2], heads[3]])
            return null;
        var joint = BeforeViews(graph, turned.Inputs[0]);
        return joint.Shape == [heads[0], heads[1], 3 * heads[2] * heads[3]] ? joint : null;
    }

    private static Value BeforeViews(Graph graph, Value value)
    {
        while (graph.ProducerOf(value) is { Op: ViewOp } view)
            value = view.Inputs[0];
        return value;
    }

    // Beside heads, the windows of an image share one mask; as batches they take turns.
    private static Value? MaskOf(Value mask, Shape apart, Shape heads, Writer write)
    {
        if (apart[1] == heads[2])
            return mask;
        var windows = apart[1] / heads[2];
        return mask.Shape == [1, apart[1], apart[2], apart[2]] ? write.Apply(new Reshape([windows, heads[2], apart[2], apart[2]]), mask) : null;
    }
}
