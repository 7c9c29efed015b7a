using Vertebra.Autograd;
using Vertebra.Kernels;
using Vertebra.Ops;

namespace Vertebra.Graphs;

/// <summary>
/// Merges inference batch norms into the convolutions before them: with s = weight / √(variance + ε), the convolution's
/// weights are scaled by s per output channel and its bias becomes (bias - mean) · s + bias of the norm. What the norm also
/// did (activation, residual) becomes ops of its own.
/// </summary>
public static class BatchNormFolding
{
    /// <summary>A graph with the same results (up to rounding) and fewer nodes. Batch norms that no convolution precedes stay.</summary>
    public static Graph Apply(Graph graph)
    {
        using var off = GradMode.Off();
        var uses = graph.Nodes.SelectMany(n => n.Inputs).Concat(graph.Outputs).CountBy(v => v).ToDictionary();
        var producers = graph.Nodes.Where(n => n.Op is Conv2d).ToDictionary(n => n.Outputs[0]);
        var folded = new Dictionary<Node, Node>(ReferenceEqualityComparer.Instance); // convolution -> its batch norm
        foreach (var node in graph.Nodes)
        {
            if (node.Op is BatchNorm { Activation: Activation.None or Activation.Relu } && producers.TryGetValue(node.Inputs[0], out var convolution) && uses[node.Inputs[0]] == 1
                && convolution.Inputs.Concat(node.Inputs.Skip(1).Take(4)).Skip(1).All(v => v.IsConstant && !v.Data!.IsMeta))
                folded[convolution] = node;
        }
        var norms = folded.ToDictionary(f => f.Value, f => f.Key);
        var nodes = new List<Node>();
        foreach (var node in graph.Nodes)
        {
            if (folded.ContainsKey(node))
                continue;
            nodes.AddRange(norms.TryGetValue(node, out var convolution) ? Merge(convolution, node) : [node]);
        }
        return new Graph(graph.Inputs, nodes, graph.Outputs, graph.ModuleOutputs);
    }

    // The merged convolution stands where the norm stood: a residual operand is computed by then.
    private static List<Node> Merge(Node convolution, Node norm)
    {
        var op = (BatchNorm)norm.Op;
        var (weight, bias) = MergedWeights(convolution, norm, op.Epsilon);
        var result = new List<Node>();
        Value Step(int index, bool isLast) => isLast ? norm.Outputs[0] : new Value($"{norm.Outputs[0].Name}.{index}", norm.Outputs[0].Spec);
        var steps = 1 + (op.AddsResidual ? 1 : 0) + (op.Activation != Activation.None ? 1 : 0);
        var value = Step(0, steps == 1);
        result.Add(new Node(convolution.Id, convolution.Op, [convolution.Inputs[0], weight, bias], [value], convolution.ModulePath));
        if (op.AddsResidual)
        {
            var sum = Step(1, steps == 2);
            result.Add(new Node(norm.Id, new Add(), [value, norm.Inputs[5]], [sum], norm.ModulePath));
            value = sum;
        }
        if (op.Activation != Activation.None)
        {
            result.Add(new Node(norm.Id, new Relu(), [value], [norm.Outputs[0]], norm.ModulePath));
        }
        return result;
    }

    private static (Value Weight, Value Bias) MergedWeights(Node convolution, Node norm, float epsilon)
    {
        var weight = convolution.Inputs[1];
        var values = weight.Data!.ToArray<float>();
        var before = convolution.Inputs.Count > 2 ? convolution.Inputs[2].Data!.ToArray<float>() : new float[weight.Shape[0]];
        var (gamma, beta) = (norm.Inputs[1].Data!.ToArray<float>(), norm.Inputs[2].Data!.ToArray<float>());
        var (mean, variance) = (norm.Inputs[3].Data!.ToArray<float>(), norm.Inputs[4].Data!.ToArray<float>());
        var perChannel = values.Length / weight.Shape[0];
        var bias = new float[weight.Shape[0]];
        for (var c = 0; c < bias.Length; c++)
        {
            var scale = gamma[c] / Math.Sqrt(variance[c] + (double)epsilon);
            bias[c] = (float)(((before[c] - (double)mean[c]) * scale) + beta[c]);
            for (var i = c * perChannel; i < (c + 1) * perChannel; i++)
                values[i] = (float)(values[i] * scale);
        }
        var biasName = weight.Name.EndsWith(".weight", StringComparison.Ordinal) ? weight.Name[..^"weight".Length] + "bias" : weight.Name + ".bias";
        return (new Value(weight.Name, weight.Spec, Tensor.From(values, weight.Shape)),
            new Value(biasName, new([bias.Length], DType.Float32), Tensor.From(bias, [bias.Length])));
    }
}
