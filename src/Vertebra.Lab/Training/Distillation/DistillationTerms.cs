using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What a term is made of.</summary>
/// <param name="Options">The run's options, checked.</param>
/// <param name="Student">The network that is trained, with the weights it starts from.</param>
/// <param name="Teachers">The teachers; one or more, and none when their answers were stored (<c>--reinforced</c>).</param>
/// <param name="ClassCount">Number of classes.</param>
public sealed record DistillationContext(TrainingOptions Options, Backbone Student, IReadOnlyList<Backbone> Teachers, int ClassCount);

/// <summary>The ways to be taught, by the names of <c>--distill</c>. A new one is a row here.</summary>
public static class DistillationTerms
{
    private static readonly Dictionary<string, Func<DistillationContext, IDistillationTerm>> Makers = new(StringComparer.Ordinal)
    {
    };

    /// <summary>The names.</summary>
    public static IReadOnlyCollection<string> Names => Makers.Keys;

    /// <summary>Makes a term.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="context">What it is made of.</param>
    /// <exception cref="VertebraException">There is no such term, or it does not fit these networks.</exception>
    public static IDistillationTerm Create(string name, DistillationContext context) =>
        Makers.TryGetValue(name, out var make) ? make(context) : throw new VertebraException($"--distill is {name}; it must be {string.Join(", ", Names)}");
}
