using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What a term is made of.</summary>
/// <param name="Options">The run's options, effective values.</param>
/// <param name="Student">The network that is trained, with the weights it starts from.</param>
/// <param name="Teachers">The teachers; none when their answers were stored (<c>--reinforced</c>).</param>
/// <param name="ClassCount">Number of classes.</param>
public sealed record DistillationContext(TrainingOptions Options, Backbone Student, IReadOnlyList<Backbone> Teachers, int ClassCount);

/// <summary>A way to be taught.</summary>
/// <param name="Make">Makes its term, with parameters initialised.</param>
/// <param name="Weight">Weight of the term unless options give one.</param>
/// <param name="TaskWeight">Weight of the labels' loss beside it unless options give one.</param>
public sealed record DistillationMethod(Func<DistillationContext, IDistillationTerm> Make, double Weight = 1, double TaskWeight = 1)
{
    /// <summary>Whether it looks into the teachers, and not at their answers alone: stored answers do not suffice then.</summary>
    public bool NeedsNetworks { get; init; }
}

/// <summary>The ways to be taught, by the names of <c>--distill</c>. A new one is a row here.</summary>
public static class DistillationTerms
{
    private static readonly Dictionary<string, DistillationMethod> Methods = new(StringComparer.Ordinal)
    {
        // Weights as in the baselines of Tian, Krishnan and Isola, "Contrastive representation distillation", ICLR 2020.
        ["kl"] = new(c => new SoftTargetTerm(c.Options.KdTemperature!.Value), Weight: 0.9, TaskWeight: 0.1),
        ["hard"] = new(_ => new HardTargetTerm(), Weight: 0.5, TaskWeight: 0.5),
        ["token"] = new(c => new DistillationTokenTerm(c), Weight: 0.5, TaskWeight: 0.5),
        ["ssld"] = new(_ => new JensenShannonTerm(), Weight: 1, TaskWeight: 0),
    };

    /// <summary>The names.</summary>
    public static IReadOnlyCollection<string> Names => Methods.Keys;

    /// <summary>The method of a name.</summary>
    /// <exception cref="VertebraException">There is none.</exception>
    public static DistillationMethod Find(string name) => Methods.TryGetValue(name, out var method) ? method
        : throw new VertebraException($"--distill is {name}; it must be one of {string.Join(", ", Names)}");
}
