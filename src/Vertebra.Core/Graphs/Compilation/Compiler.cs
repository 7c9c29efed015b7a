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
        graph = graph.Rewrite([.. SimplifyingRules.All, .. FoldingRules.All, .. FusingRules.All]).Rewrite(EpilogueRules.All);
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
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes)
        {
            if (node.Op is not (FusedConv2d or FusedLinear) || node.Inputs[1].Data is not { } weight)
            {
                nodes.Add(node);
                continue;
            }
            var (op, own) = (node.Op, weight.Detach());
            if (op is FusedConv2d convolution)
            {
                var chosen = options.Winograd ? convolution.ByFastestMethod(node.Inputs[0].Shape, own.Shape, options.UsesTuned) : convolution;
                chosen.Pack(node.Inputs[0].Shape, own);
                op = chosen;
            }
            else
            {
                FusedLinear.Pack(node.Inputs[0].Shape, own);
            }
            nodes.Add(node with { Op = op, Inputs = [node.Inputs[0], new Value(node.Inputs[1].Name, node.Inputs[1].Spec, own), .. node.Inputs.Skip(2)] });
        }
        return new Graph(graph.Inputs, nodes, graph.Outputs, graph.ModuleOutputs);
    }
}
