using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training;

/// <summary>What a parameter is to an optimiser.</summary>
public enum ParameterKind
{
    /// <summary>One of the network's body.</summary>
    Body,

    /// <summary>One of the classifier: Muon and adaptive clipping leave it to others.</summary>
    Classifier,

    /// <summary>Subspaces, [count, dimension, features] with orthonormal rows: see <see cref="ISubspaceLayer"/>. They have no weight decay.</summary>
    Subspaces,
}

/// <summary>A trainable tensor with its state-dict name.</summary>
public readonly record struct NamedParameter(string Name, Tensor Tensor, ParameterKind Kind = ParameterKind.Body);

/// <summary>Parameters that are updated with the same settings.</summary>
/// <param name="Parameters">The parameters, in state-dict order.</param>
/// <param name="WeightDecay">Weight decay coefficient of this group.</param>
/// <param name="RateScale">Factor on the optimiser's learning rate.</param>
public sealed record ParameterGroup(IReadOnlyList<NamedParameter> Parameters, double WeightDecay = 0, double RateScale = 1)
{
    /// <summary>
    /// The usual two groups of a network: convolution and linear weights with weight decay; norms and biases (every tensor of
    /// one axis or fewer) without. Parameters that do not require a gradient are left out: they are frozen.
    /// </summary>
    public static IReadOnlyList<ParameterGroup> Of(Module module, double weightDecay)
    {
        var kinds = Kinds(module);
        var trainable = module.NamedParameters().Where(p => p.Tensor.RequiresGrad).Select(p => new NamedParameter(p.Name, p.Tensor, kinds(p.Name))).ToLookup(HasDecay);
        return [new([.. trainable[true]], weightDecay), new([.. trainable[false]])];
    }

    /// <summary>
    /// The same two groups for each layer, with the learning rate falling from the classifier to the stem by a factor at each:
    /// layer i of n learns at <paramref name="layerDecay"/> ^ (n - 1 - i) of the rate (Clark et al. 2020, "ELECTRA"; timm's rule).
    /// </summary>
    /// <param name="network">The network, whose layers <see cref="LayerGrouping.LayerGroups"/> tells.</param>
    /// <param name="weightDecay">Weight decay of weights.</param>
    /// <param name="layerDecay">The factor, in (0, 1].</param>
    public static IReadOnlyList<ParameterGroup> ByLayer(Backbone network, double weightDecay, double layerDecay)
    {
        var layers = network.LayerGroups();
        var tensors = network.NamedParameters().ToDictionary(p => p.Name, p => p.Tensor, StringComparer.Ordinal);
        var kinds = Kinds(network);
        var groups = new List<ParameterGroup>();
        foreach (var layer in layers)
        {
            var scale = Math.Pow(layerDecay, layers.Count - 1 - layer.Id);
            var trainable = layer.Parameters.Select(n => new NamedParameter(n, tensors[n], kinds(n))).Where(p => p.Tensor.RequiresGrad).ToLookup(HasDecay);
            groups.AddRange(new[] { true, false }.Where(trainable.Contains).Select(decays => new ParameterGroup([.. trainable[decays]], decays ? weightDecay : 0, scale)));
        }
        return groups;
    }

    /// <summary>The groups with those of their parameters that a condition holds for, and with the others; empty groups are left out.</summary>
    public static (IReadOnlyList<ParameterGroup> Yes, IReadOnlyList<ParameterGroup> No) Split(IReadOnlyList<ParameterGroup> groups, Func<NamedParameter, bool> condition)
    {
        return (Part(true), Part(false));

        ParameterGroup[] Part(bool yes) =>
            [.. groups.Select(g => g with { Parameters = [.. g.Parameters.Where(p => condition(p) == yes)] }).Where(g => g.Parameters.Count > 0)];
    }

    private static Func<string, ParameterKind> Kinds(Module module)
    {
        var subspaces = module.NamedModules().Where(m => m.Module is ISubspaceLayer)
            .SelectMany(m => ((ISubspaceLayer)m.Module).SubspaceParameters.Select(name => m.Path.Length == 0 ? name : $"{m.Path}.{name}"))
            .ToHashSet(StringComparer.Ordinal);
        var classifiers = module is Backbone backbone ? backbone.Classifier.Split(',').Select(path => $"{path}.").ToArray() : [];
        return name =>
            subspaces.Contains(name) ? ParameterKind.Subspaces
            : classifiers.Any(path => name.StartsWith(path, StringComparison.Ordinal)) ? ParameterKind.Classifier
            : ParameterKind.Body;
    }

    private static bool HasDecay(NamedParameter parameter) =>
        parameter.Kind != ParameterKind.Subspaces && parameter.Tensor.Rank > 1 && !parameter.Name.EndsWith(".bias", StringComparison.Ordinal);
}
