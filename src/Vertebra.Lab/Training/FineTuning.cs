using System.Globalization;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training;

/// <summary>What is asked of a network whose body has learned before: parts that stay, a classifier that learns faster.</summary>
public static class FineTuning
{
    /// <summary>The value of <c>--freeze-body</c> for everything but the head.</summary>
    public const string WholeBody = "all";

    /// <summary>
    /// Freezes the first layers of a network (<see cref="LayerGrouping.LayerGroups"/>: the stem, then block by block). Modules whose
    /// parameters are all frozen stay in evaluation mode, so that their batch norms keep their statistics.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="layers">How many layers; null for all but the head.</param>
    /// <returns>Number of parameter tensors that are frozen now.</returns>
    /// <exception cref="VertebraException">The network has not so many layers before its head.</exception>
    public static int FreezeBody(this Backbone network, int? layers = null)
    {
        var groups = network.LayerGroups();
        var body = groups.Count - 1;
        if (layers is not null and not >= 1 || layers > body)
            throw new VertebraException($"--freeze-body is {layers}; {network.Description.Architecture} has {body} layers before its head, {groups[0].Name} to {groups[Math.Max(0, body - 1)].Name}");
        var frozen = groups.Take(layers ?? body).SelectMany(g => g.Parameters).ToHashSet(StringComparer.Ordinal);
        var modules = network.NamedModules().Where(m => m.Path.Length > 0 && IsWithin(m.Path, m.Module, frozen)).Select(m => m.Path);
        return network.Freeze([.. modules, .. frozen]);
    }

    /// <summary>What <c>--freeze-body</c> says: null where it is not given, otherwise whether it can be understood, and how many layers (null: all but the head).</summary>
    internal static (bool IsValid, int? Layers)? ParseFreezeBody(string? text) => text switch
    {
        null => null,
        WholeBody => (true, null),
        _ => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var layers) && layers > 0 ? (true, layers) : (false, null),
    };

    /// <summary>The same groups, in which the classifier's parameters learn at another rate.</summary>
    /// <param name="groups">All parameters.</param>
    /// <param name="network">The network, which knows its classifier.</param>
    /// <param name="factor">Factor on the rate that the classifier has in them.</param>
    public static IReadOnlyList<ParameterGroup> WithHeadRate(this IReadOnlyList<ParameterGroup> groups, Backbone network, double factor)
    {
        var paths = network.ClassifierPaths;
        var result = new List<ParameterGroup>();
        foreach (var group in groups)
        {
            var parts = group.Parameters.ToLookup(p => paths.Any(path => p.Name == path || p.Name.StartsWith(path + ".", StringComparison.Ordinal)));
            result.AddRange(new[] { false, true }.Where(parts.Contains).Select(isHead => group with { Parameters = [.. parts[isHead]], RateScale = group.RateScale * (isHead ? factor : 1) }));
        }
        return result;
    }

    private static bool IsWithin(string path, Module module, HashSet<string> frozen)
    {
        var names = module.NamedParameters().Select(p => $"{path}.{p.Name}").ToList();
        return names.Count > 0 && names.TrueForAll(frozen.Contains);
    }
}
