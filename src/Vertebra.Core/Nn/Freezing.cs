using System.IO.Enumeration;

namespace Vertebra.Nn;

/// <summary>Keeps parts of a network as they are while the rest is trained.</summary>
public static class Freezing
{
    /// <summary>
    /// Freezes modules with everything below them, and single parameters: no gradient is computed for their weights, and the modules stay in evaluation
    /// mode, so that batch norms keep their statistics and nothing is dropped.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="paths">Paths of modules or parameters, with <c>*</c> and <c>?</c> as wildcards: <c>stem</c>, <c>stages.0</c>, <c>*.norm1</c>, <c>pos_embed</c>.</param>
    /// <returns>Number of parameter tensors that are frozen now.</returns>
    /// <exception cref="VertebraException">A path fits nothing; nothing has been changed then.</exception>
    public static int Freeze(this Module network, params IReadOnlyList<string> paths) => Set(network, paths, isFrozen: true);

    /// <summary>Lets frozen parts be trained again; they stay in evaluation mode until <see cref="Module.Train"/>.</summary>
    /// <param name="network">The network.</param>
    /// <param name="paths">As for <see cref="Freeze"/>.</param>
    /// <returns>Number of parameter tensors that are still frozen.</returns>
    /// <exception cref="VertebraException">A path fits nothing; nothing has been changed then.</exception>
    public static int Unfreeze(this Module network, params IReadOnlyList<string> paths) => Set(network, paths, isFrozen: false);

    private static int Set(Module network, IReadOnlyList<string> paths, bool isFrozen)
    {
        var modules = network.NamedModules().Where(m => m.Path.Length > 0).ToList();
        var parameters = network.NamedParameters().ToList();
        foreach (var path in paths)
        {
            if (!modules.Exists(m => Fits(path, m.Path)) && !parameters.Exists(p => Fits(path, p.Name)))
                throw new VertebraException($"nothing in the network is named '{path}': its parts are {string.Join(", ", network.Children.Select(c => c.Name))}, and theirs go on with a dot");
        }
        foreach (var path in paths)
        {
            foreach (var (_, module) in modules.Where(m => Fits(path, m.Path)).SelectMany(m => m.Module.NamedModules()))
            {
                module.IsFrozen = isFrozen;
                if (isFrozen)
                    module.Eval();
            }
            foreach (var (_, tensor) in modules.Where(m => Fits(path, m.Path)).SelectMany(m => m.Module.NamedParameters()).Concat(parameters.Where(p => Fits(path, p.Name))))
                tensor.RequiresGrad = !isFrozen;
        }
        return parameters.Count(p => !p.Tensor.RequiresGrad);
    }

    private static bool Fits(string pattern, string path) => FileSystemName.MatchesSimpleExpression(pattern, path, ignoreCase: false);
}
