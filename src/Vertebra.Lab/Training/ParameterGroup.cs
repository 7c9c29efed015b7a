using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>A trainable tensor with its state-dict name.</summary>
public readonly record struct NamedParameter(string Name, Tensor Tensor);

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
        var trainable = module.NamedParameters().Where(p => p.Tensor.RequiresGrad).Select(p => new NamedParameter(p.Name, p.Tensor)).ToLookup(HasDecay);
        return [new([.. trainable[true]], weightDecay), new([.. trainable[false]])];
    }

    private static bool HasDecay(NamedParameter parameter) =>
        parameter.Tensor.Rank > 1 && !parameter.Name.EndsWith(".bias", StringComparison.Ordinal);
}
