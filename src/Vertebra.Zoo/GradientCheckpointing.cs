using Vertebra.Graphs;
using Vertebra.Nn;

namespace Vertebra.Zoo;

/// <summary>Gradient checkpointing (<see cref="Checkpointing"/>) of the zoo's networks, block by block.</summary>
public static class GradientCheckpointing
{
    // Fewer modules in a row have no two pieces worth having.
    private const int ShortestRow = 4;

    /// <summary>
    /// Lets the backward walk compute the blocks of a network again instead of keeping their activations (timm's
    /// <c>set_grad_checkpointing</c>). Where a block hands on more than one tensor, its parts take its place; where blocks are not all of it, stages or the network's children do; where a network is a plain row of
    /// layers, the row is cut into about √n pieces.
    /// </summary>
    /// <param name="network">The network; values, gradients and statistics keep their bits.</param>
    /// <param name="enable">False: keeps all activations again.</param>
    /// <returns>Number of modules that are computed again.</returns>
    public static int SetGradCheckpointing(this Backbone network, bool enable = true)
    {
        foreach (var (_, module) in network.NamedModules())
            module.IsCheckpointed = false;
        if (!enable)
            return 0;
        var image = LayerGrouping.ImageOf(network);
        var applied = NetworkCuts.Applied(network, image);
        var isTraining = network.IsTraining;
        network.Eval();
        var macs = Graph.Trace(new FeatureMaker(network), image).Nodes.ToLookup(n => n.ModulePath, n => n.Macs);
        network.Train(isTraining);
        bool Fits(Module m) => applied.Contains(m) && HasSeveralLayers(m);
        foreach (var (stage, blocks) in LayerGrouping.Stages(network))
        {
            foreach (var path in blocks)
                Mark(network[path], Fits);
            if (!CoversMost($"{FeatureMaker.Prefix}{stage}", network[stage], macs))
                Mark(network[stage], Fits);
        }
        if (!CoversMost(FeatureMaker.Prefix.TrimEnd('.'), network, macs))
            Mark(network, m => m != network && Fits(m));
        if (!network.NamedModules().Any(m => m.Module.IsCheckpointed))
            Mark(network, m => m is Sequential { Count: >= ShortestRow });
        return network.NamedModules().Count(m => m.Module.IsCheckpointed);
    }

    // The outermost ones that can be marked, and none within another, which would be computed three times.
    private static void Mark(Module module, Func<Module, bool> fits)
    {
        if (fits(module))
        {
            foreach (var (_, part) in module.NamedModules())
                part.IsCheckpointed = part == module;
            return;
        }
        foreach (var (_, child) in module.Children)
            Mark(child, fits);
    }

    private static bool CoversMost(string path, Module module, ILookup<string, long> macs)
    {
        var (all, covered) = (0L, 0L);
        Add(path, module, false);
        return covered >= 0.5 * all;

        void Add(string path, Module part, bool isCovered)
        {
            var own = macs[path].Sum();
            isCovered |= part.IsCheckpointed;
            (all, covered) = (all + own, covered + (isCovered ? own : 0));
            foreach (var (name, child) in part.Children)
                Add($"{path}.{name}", child, isCovered);
        }
    }

    private static bool HasSeveralLayers(Module module) =>
        module.NamedParameters().Select(p => p.Name[..Math.Max(0, p.Name.LastIndexOf('.'))]).Distinct().Skip(1).Any();
}
