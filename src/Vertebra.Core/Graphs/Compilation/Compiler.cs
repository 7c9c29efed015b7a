using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>The passes of <see cref="GraphCompilation.Compile"/>.</summary>
internal static class Compiler
{
    public static Graph Lower(Graph graph, CompileOptions options)
    {
        if (graph.Constants.FirstOrDefault(v => v.Data!.IsMeta) is { } empty)
            throw new VertebraException($"the graph cannot be compiled: '{empty}' has no data; load weights before tracing");
        graph = WithOwnHandles(graph);
        if (!options.Fuses)
            return graph.Rewrite();
        graph = graph.Rewrite([.. SimplifyingRules.All, .. FoldingRules.All, .. FusingRules.All]).Rewrite([.. EpilogueRules.All, .. JointAttentionRules.All]).Rewrite([.. InvertedResidualRules.All, .. JoiningRules.All]);
        return WithPackedWeights(graph, options);
    }

    // Handles on the same data that are not trained, so that constants fold, and that can let go of the data.
    private static Graph WithOwnHandles(Graph graph)
    {
        var own = graph.Constants.Concat(graph.Outputs.Where(v => v.IsConstant)).Distinct().ToDictionary(v => v, v => new Value(v.Name, v.Spec, v.Data!.Detach()));
        Value Own(Value value) => own.GetValueOrDefault(value, value);
        return new Graph(graph.Inputs, [.. graph.Nodes.Select(n => n with { Inputs = [.. n.Inputs.Select(Own)] })], [.. graph.Outputs.Select(Own)], graph.ModuleOutputs);
    }

    // A weight that several nodes read gets a handle for each: the packed form is that of one op.
    private static Graph WithPackedWeights(Graph graph, CompileOptions options)
    {
        return new Graph(graph.Inputs, [.. graph.Nodes.Select(node => node.Op switch
        {
            FusedConv2d op => WithPackedWeights(node, options.Winograd ? op.ByFastestMethod(node.Inputs[0].Shape, node.Inputs[1].Shape, options.UsesTuned) : op, [1]),
            InvertedResidual op => WithPackedWeights(node, op, op.WeightInputs),
            FusedLinear op => WithPackedWeights(node, op, [1]),
            _ => node,
        })], graph.Outputs, graph.ModuleOutputs);
    }

    private static Node WithPackedWeights(Node node, Op op, IEnumerable<int> weights)
    {
        if (weights.Any(i => node.Inputs[i].Data is null))
            return node;
        var own = weights.ToDictionary(i => i, i => new Value(node.Inputs[i].Name, node.Inputs[i].Spec, node.Inputs[i].Data!.Detach()));
        node = node with { Op = op, Inputs = [.. node.Inputs.Select((value, i) => own.GetValueOrDefault(i, value))] };
        switch (op)
        {
            case FusedConv2d convolution: convolution.Pack(node.Inputs[0].Shape, node.Inputs[1].Data!); break;
            case InvertedResidual block: block.Pack(node.Inputs[0].Shape, weights.Select(i => node.Inputs[i].Data!)); break;
            default: FusedLinear.Pack(node.Inputs[0].Shape, node.Inputs[1].Data!); break;
        }
        return node;
    }
}

