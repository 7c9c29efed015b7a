namespace Vertebra.Graphs;

/// <summary>
/// Follows zeros through a graph: the parameters that make a dimension are zero at its index i; where is what is computed
/// from them zero too, and does anything else change when the index goes?
/// </summary>
internal static class ZeroInvariance
{
    /// <summary>The first node at which an element of zeros is felt, in words; null if nowhere.</summary>
    public static string? FindTrace(DimensionAnalysis analysis, DimensionGroup group)
    {
        var dimension = group.Dimension;
        var zeros = new HashSet<(Value, int)>();
        foreach (var member in group.ZeroedMembers)
            zeros.Add((member.Constant, member.Axis));
        var computed = new HashSet<Value>(analysis.Graph.Inputs, ReferenceEqualityComparer.Instance);
        foreach (var node in analysis.Graph.Nodes)
        {
            var axes = analysis[node];
            if (node.Inputs.Any(computed.Contains))
                computed.UnionWith(node.Outputs);
            if (axes.Mixtures.Exists(m => m.Leaves().Contains(dimension)))
                return $"{node} computes something of all elements together";
            if (axes.Contractions.Exists(c => c.Extent.Leaves().Contains(dimension) && !IsSilent(c.Places)))
                return $"{node} sums over it, and nothing there is zero";
            var query = new ZeroQuery(axes, dimension, (operand, axis) => zeros.Contains((node.Inputs[operand], axis)));
            var rule = DimensionRules.Of(node.Op);
            for (var result = 0; result < node.Outputs.Count; result++)
            {
                for (var axis = 0; axis < node.Outputs[result].Shape.Rank; axis++)
                {
                    if (query.IsIn(axes.Result(result, axis)) && rule.IsZero(node.Op, result, axis, query))
                        zeros.Add((node.Outputs[result], axis));
                }
            }

            // Of a product with a weight it is the other factor that must be zero: the weight is not pruned by its input.
            bool IsSilent(Place[] places)
            {
                var anyComputed = Array.Exists(places, p => computed.Contains(node.Inputs[p.Operand]));
                return Array.Exists(places, p => (!anyComputed || computed.Contains(node.Inputs[p.Operand])) && zeros.Contains((node.Inputs[p.Operand], p.Axis)));
            }
        }
        return null;
    }
}
