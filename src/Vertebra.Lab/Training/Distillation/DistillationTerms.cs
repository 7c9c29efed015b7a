using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What a term is made of.</summary>
/// <param name="Options">The run's options, effective values.</param>
/// <param name="Student">The network that is trained, with the weights it starts from.</param>
/// <param name="Teachers">The teachers; none when their answers were stored (<c>--reinforced</c>).</param>
/// <param name="ClassCount">Number of classes.</param>
public sealed record DistillationContext(TrainingOptions Options, Backbone Student, IReadOnlyList<Backbone> Teachers, int ClassCount)
{
    /// <summary>Shape of one image [1, H, W, C] as the student takes it.</summary>
    public Shape StudentImages { get; init; }

    /// <summary>The same of each teacher.</summary>
    public IReadOnlyList<Shape> TeacherImages { get; init; } = [];

    /// <summary>Shapes of the student's maps of one image, finest first.</summary>
    internal IReadOnlyList<Shape> StudentMaps() => MapsOf(Student, StudentImages);

    /// <summary>The same of a teacher.</summary>
    internal IReadOnlyList<Shape> TeacherMaps(int teacher) => MapsOf(Teachers[teacher], TeacherImages[teacher]);

    private static IReadOnlyList<Shape> MapsOf(Backbone network, Shape images) => [.. network.ForwardWithFeatures(Tensor.Meta(images)).Maps.Select(m => m.Shape)];
}

/// <summary>A way to be taught.</summary>
/// <param name="Make">Makes its term, with parameters initialised.</param>
/// <param name="Weight">Weight of the term unless options give one.</param>
/// <param name="TaskWeight">Weight of the labels' loss beside it unless options give one.</param>
public sealed record DistillationMethod(Func<DistillationContext, IDistillationTerm> Make, double Weight = 1, double TaskWeight = 1)
{
    /// <summary>Whether it looks into the teachers, and not at their answers alone: stored answers do not suffice then.</summary>
    public bool NeedsNetworks { get; init; }

    /// <summary>Whether it is for one teacher, and not for an ensemble.</summary>
    public bool TakesOneTeacher { get; init; }
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
        ["meal-v2"] = new(c => new DiscriminatedTerm(c), Weight: 1, TaskWeight: 0),
        // 100 times the mean square and 25 times distances, 50 times angles, in the same place.
        ["hint"] = new(c => new HintTerm(c), Weight: 200) { NeedsNetworks = true },
        ["rkd"] = new(_ => new RelationalTerm(), Weight: 25) { NeedsNetworks = true },
        ["scalekd"] = new(c => new ScaleKdTerm(c)) { NeedsNetworks = true, TakesOneTeacher = true },
        ["guidance"] = new(c => new GuidanceTerm(c)) { NeedsNetworks = true, TakesOneTeacher = true },
    };

    /// <summary>The names.</summary>
    public static IReadOnlyCollection<string> Names => Methods.Keys;

    /// <summary>The method of a name.</summary>
    /// <exception cref="VertebraException">There is none.</exception>
    public static DistillationMethod Find(string name) => Methods.TryGetValue(name, out var method) ? method
        : throw new VertebraException($"--distill is {name}; it must be one of {string.Join(", ", Names)}");
}
