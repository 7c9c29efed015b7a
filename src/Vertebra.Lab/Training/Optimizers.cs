namespace Vertebra.Lab.Training;

/// <summary>Optimisers by the names of <c>--opt</c>.</summary>
public static class Optimizers
{
    private static readonly Dictionary<string, Func<IReadOnlyList<ParameterGroup>, TrainingOptions, Optimizer>> Makers = new(StringComparer.Ordinal)
    {
        // timm's "sgd" is Nesterov's; "momentum" is the plain one.
        ["sgd"] = (groups, o) => new Sgd(groups, o.Momentum, nesterov: true),
        ["nesterov"] = (groups, o) => new Sgd(groups, o.Momentum, nesterov: true),
        ["momentum"] = (groups, o) => new Sgd(groups, o.Momentum),
        ["adam"] = (groups, o) => MakeAdam(groups, o, decoupled: false),
        ["adamw"] = (groups, o) => MakeAdam(groups, o, decoupled: true),
    };

    /// <summary>The names, in the order of their introduction.</summary>
    public static IReadOnlyCollection<string> Names => Makers.Keys;

    /// <summary>Makes the optimiser that the options name.</summary>
    /// <exception cref="VertebraException">There is no such optimiser; the message lists them.</exception>
    public static Optimizer Create(IReadOnlyList<ParameterGroup> groups, TrainingOptions options) =>
        Makers.TryGetValue(options.Opt, out var make) ? make(groups, options)
        : throw new VertebraException($"--opt {options.Opt} is unknown; there are {string.Join(", ", Names)}");

    private static Adam MakeAdam(IReadOnlyList<ParameterGroup> groups, TrainingOptions o, bool decoupled) =>
        new(groups, o.OptBetas?[0] ?? 0.9, o.OptBetas?[1] ?? 0.999, o.OptEps ?? 1e-8, decoupled);
}
