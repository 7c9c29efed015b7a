using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Zoo.Layers;

namespace Vertebra.Zoo;

/// <summary>Where the body of a network can be cut in two: modules whose result is all that the rest of it sees.</summary>
internal static class NetworkCuts
{
    /// <summary>The places, in order, with multiply-accumulates before each and after.</summary>
    /// <param name="network">The network.</param>
    /// <param name="image">Shape of an image for it, [1, H, W, C].</param>
    /// <param name="granularity"><see cref="GoodnessHeads.ByBlock"/> or <see cref="GoodnessHeads.ByLayer"/>.</param>
    /// <returns>The modules and the channels of what they return; the end of the body is not among them.</returns>
    public static IReadOnlyList<(Module Module, int Channels)> Of(Backbone network, Shape image, string granularity)
    {
        var graph = Graph.Trace(new FeatureMaker(network), image);
        var blocks = LayerGrouping.Stages(network).SelectMany(s => s.Blocks).ToList();
        var applied = Applied(network, image);
        var modules = graph.ModuleOutputs.Where(m => m.Key.StartsWith(FeatureMaker.Prefix, StringComparison.Ordinal))
            .Select(m => (Path: m.Key[FeatureMaker.Prefix.Length..], m.Value))
            .Where(m => applied.Contains(network[m.Path]) && (granularity == GoodnessHeads.ByLayer || blocks.Exists(b => b == m.Path || b.StartsWith($"{m.Path}.", StringComparison.Ordinal))))
            .ToLookup(m => m.Value, m => network[m.Path], ReferenceEqualityComparer.Instance);
        var macs = MacsBefore(graph);
        var places = graph.Dominators().Bottlenecks().Select(n => (Node: n, Value: n.Outputs[0])).Where(p => modules.Contains(p.Value) && !graph.Outputs.Contains(p.Value)).ToList();
        var (cuts, done) = (new List<(Module, int)>(), 0L);
        for (var i = 0; i < places.Count; i++)
        {
            var (before, next) = (macs[places[i].Node], i + 1 < places.Count ? macs[places[i + 1].Node] : graph.Macs);
            // A piece has weights, and takes what follows them: norms, activations, pools.
            if (before == done || next == before)
                continue;
            cuts.Add((modules[places[i].Value].First(), places[i].Value.Shape[-1]));
            done = before;
        }
        return cuts;
    }

    // Up to and with each node.
    private static Dictionary<Node, long> MacsBefore(Graph graph)
    {
        var (result, sum) = (new Dictionary<Node, long>(ReferenceEqualityComparer.Instance), 0L);
        foreach (var node in graph.Nodes)
            result[node] = sum += node.Macs;
        return result;
    }

    /// <summary>
    /// The modules whose own result others see when no trace is taken: not those that hand on several tensors, nor activations that the
    /// normalisers before them apply.
    /// </summary>
    public static HashSet<Module> Applied(Backbone network, Shape image)
    {
        var (applied, isTraining) = (new HashSet<Module>(), network.IsTraining);
        var modules = network.NamedModules().Select(m => m.Module).ToList();
        var forms = modules.ConvertAll(m => m.ResultForm);
        foreach (var module in modules)
        {
            module.ResultForm = x =>
            {
                applied.Add(module);
                return x;
            };
        }
        network.Eval();
        network.ForwardFeatures(Tensor.Meta(image));
        network.Train(isTraining);
        for (var i = 0; i < modules.Count; i++)
            modules[i].ResultForm = forms[i];
        return applied;
    }
}

/// <summary>The body of a network as a module of its own: makes the features.</summary>
internal sealed class FeatureMaker : Module
{
    /// <summary>Stands before the paths of the network's modules.</summary>
    public const string Prefix = "network.";

    private readonly Backbone _network;

    public FeatureMaker(Backbone network) => _network = Child("network", network);

    protected override Tensor OnForward(Tensor x) => _network.ForwardFeatures(x);
}
