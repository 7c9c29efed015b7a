using Vertebra.Nn;
using Vertebra.Zoo.Layers;

namespace Vertebra.Lab.Training;

/// <summary>Learning rates that belong to a parameterisation (<see cref="Parameterisation"/>).</summary>
internal static class ParameterisationRates
{
    /// <summary>Fixup's single numbers learn at a tenth of the rate, as in the authors' code.</summary>
    public const double FixupScalars = 0.1;

    // Their updates grow with the gradient, which the factor before a branch makes small already. All others take away a gradient's size, so that
    // updates of L branches would add up to √L times as much.
    private static readonly HashSet<string> s_linear = ["sgd", "nesterov", "momentum", "sgdw", "csgdw"];

    /// <summary>Whether updates of a method are proportional to the gradients.</summary>
    public static bool IsLinear(string optimizer) => s_linear.Contains(optimizer.Replace("lookahead_", "", StringComparison.Ordinal));

    /// <summary>Groups in which every parameter has the rate that its network's parameterisation wants.</summary>
    /// <param name="groups">The groups otherwise.</param>
    /// <param name="network">The network.</param>
    /// <param name="optimizer">Name of the method: with depth-muP the branches' rate is 1 / √L of the others' unless updates are proportional to gradients (Yang et al. 2023, table 1).</param>
    public static IReadOnlyList<ParameterGroup> Apply(IReadOnlyList<ParameterGroup> groups, Module network, string optimizer)
    {
        var factors = Factors(network, IsLinear(optimizer));
        if (factors.Count == 0)
            return groups;
        return [.. groups.SelectMany(g => g.Parameters.GroupBy(p => factors.GetValueOrDefault(p.Name, 1))
            .OrderByDescending(p => p.Key).Select(p => g with { Parameters = [.. p], RateScale = g.RateScale * p.Key }))];
    }

    private static Dictionary<string, double> Factors(Module network, bool isLinear)
    {
        var factors = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var (path, module) in network.NamedModules())
        {
            if (module is ScalarBias)
                factors[$"{path}.bias"] = FixupScalars;
            else if (module is FixupBlock)
                factors[$"{path}.scale"] = FixupScalars;
            else if (!isLinear && module.Children.Select(c => c.Module).OfType<DepthFactor>().FirstOrDefault() is { } depth)
                AddBranch(path, module, depth.Factor);
        }
        return factors;

        void AddBranch(string path, Module block, double factor)
        {
            foreach (var (name, _) in block.NamedParameters().Where(p => !p.Name.StartsWith("downsample.", StringComparison.Ordinal)))
                factors[path.Length == 0 ? name : $"{path}.{name}"] = factor;
        }
    }
}
