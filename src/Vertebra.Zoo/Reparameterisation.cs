namespace Vertebra.Zoo;

/// <summary>
/// A module that learns in several branches and can compute the same, with its running statistics fixed, in one: RepVGG,
/// MobileOne and their kin.
/// </summary>
public interface IReparameterisable
{
    /// <summary>Whether it has the form with one branch.</summary>
    bool IsReparameterised { get; }

    /// <summary>Takes that form: the branches' weights are folded into one kernel, and their modules are gone. Once is enough; there is no way back.</summary>
    void Reparameterise();
}

/// <summary>From the form in which a network is trained to the one in which it is used.</summary>
public static class Reparameterisation
{
    /// <summary>
    /// Replaces every multi-branch block by its one-branch form (Ding et al. 2021, "RepVGG"). In evaluation the outputs stay
    /// equal but for rounding. The network's description says so from then on, and so does its <c>config.json</c>.
    /// </summary>
    /// <param name="network">Any network or block; it is changed.</param>
    /// <returns>Number of blocks replaced; 0 for a network without such blocks, or whose blocks were replaced before.</returns>
    public static int Reparameterise(this Module network)
    {
        var count = Walk(network);
        if (count > 0 && network is Backbone backbone)
            backbone.NoteReparameterised();
        return count;
    }

    // A block before its parts: where both can, the block folds them itself.
    private static int Walk(Module module)
    {
        var count = 0;
        if (module is IReparameterisable { IsReparameterised: false } block)
        {
            block.Reparameterise();
            count++;
        }
        foreach (var (_, child) in module.Children.ToArray())
            count += Walk(child);
        return count;
    }
}
