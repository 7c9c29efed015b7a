using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What teachers answered for a batch.</summary>
/// <param name="Logits">float32 [S * N, classes] of each.</param>
/// <param name="Features">The maps of each, finest first; empty where they were not asked for.</param>
public sealed record TeacherAnswers(IReadOnlyList<Tensor> Logits, IReadOnlyList<IReadOnlyList<Tensor>> Features)
{
    /// <summary>What teachers say together: the mean of their probabilities.</summary>
    /// <param name="logits">[N, classes] of each.</param>
    /// <param name="temperature">Divides the logits.</param>
    public static Tensor MeanProbabilities(IReadOnlyList<Tensor> logits, double temperature)
    {
        var sum = logits.Select(l => (temperature == 1 ? l : l / (float)temperature).Softmax()).Aggregate((a, b) => a + b);
        return logits.Count == 1 ? sum : sum / logits.Count;
    }

    /// <summary>What modules of the first teacher returned, by path: those of <see cref="ITeaching.Layers"/>.</summary>
    public IReadOnlyDictionary<string, Tensor> Layers { get; init; } = new Dictionary<string, Tensor>();
}

/// <summary>Someone who knows what teachers say about a batch: the teachers themselves, or a file of their answers.</summary>
public interface ITeaching
{
    /// <summary>The teachers; none where only their answers are known.</summary>
    IReadOnlyList<Backbone> Networks { get; }

    /// <summary>Shape of one image [1, H, W, C] as each of them takes it.</summary>
    IReadOnlyList<Shape> Images => [];

    /// <summary>Paths of modules of the first teacher whose outputs are part of the answers.</summary>
    IReadOnlyList<string> Layers { get => []; set { } }

    /// <summary>Their answers, through which no gradient flows.</summary>
    TeacherAnswers Answer(Batch batch, bool withFeatures);
}

/// <summary>A term with its name and weight.</summary>
public sealed record WeightedTerm(string Name, IDistillationTerm Term, double Weight);

/// <summary>Learning from teachers: the sum of weighted terms and the weighted loss of the labels, as far as there are labels.</summary>
public sealed class DistillationObjective : ITrainingObjective
{
    private readonly ITrainingLoss _labelLoss;
    private readonly double _labelWeight;
    private readonly IReadOnlyList<WeightedTerm> _terms;
    private readonly ITeaching _teaching;
    private readonly bool _needsFeatures;
    private readonly bool _needsHeads;
    private readonly string[] _layers;

    /// <param name="labelLoss">Loss of the labels.</param>
    /// <param name="labelWeight">Its weight; 0: labels are not looked at.</param>
    /// <param name="terms">What the teachers teach by.</param>
    /// <param name="teaching">The teachers.</param>
    public DistillationObjective(ITrainingLoss labelLoss, double labelWeight, IReadOnlyList<WeightedTerm> terms, ITeaching teaching)
    {
        (_labelLoss, _labelWeight, _terms, _teaching) = (labelLoss, labelWeight, terms, teaching);
        _needsFeatures = terms.Any(t => t.Term.NeedsFeatures);
        _needsHeads = terms.Any(t => t.Term.NeedsHeads);
        _layers = [.. terms.SelectMany(t => t.Term.Layers).Distinct()];
        teaching.Layers = [.. terms.SelectMany(t => t.Term.TeacherLayers).Distinct()];
        Companion = Companions.Of(terms);
    }

    /// <summary>What the terms learn, by their names.</summary>
    public Module? Companion { get; }

    /// <inheritdoc/>
    public (Tensor Logits, Tensor Loss) Compute(Module network, Batch batch)
    {
        var pass = Observe((Backbone)network, batch);
        var loss = LabelLoss(_needsHeads ? pass.HeadLogits[0] : pass.Logits, batch);
        foreach (var (_, term, weight) in _terms)
        {
            var part = term.Compute(pass) * (float)weight;
            loss = loss is null ? part : loss + part;
        }
        return (pass.Logits, loss!);
    }

    private DistillationPass Observe(Backbone student, Batch batch)
    {
        var heads = _needsHeads ? student.ClassifierPaths.Select(p => student[p]).ToArray() : [];
        var layers = Array.ConvertAll(_layers, l => student[l]);
        using var watch = heads.Length + layers.Length > 0 ? new ModuleWatch([.. heads, .. layers]) : null;
        var (logits, maps) = _needsFeatures ? student.ForwardWithFeatures(batch.Images) : (student.Forward(batch.Images), []);
        var answers = _teaching.Answer(batch, _needsFeatures);
        return new()
        {
            Batch = batch,
            Student = student,
            Logits = logits,
            HeadLogits = [.. heads.Select(h => watch![h])],
            TeacherLogits = answers.Logits,
            Teachers = _teaching.Networks,
            Features = maps,
            TeacherFeatures = answers.Features,
            Layers = _layers.Zip(layers).ToDictionary(l => l.First, l => watch![l.Second]),
            TeacherLayers = answers.Layers,
        };
    }

    /// <summary>The labels' weighted loss over the labelled images; null when it does not count, or there is none.</summary>
    private Tensor? LabelLoss(Tensor logits, Batch batch)
    {
        if (_labelWeight == 0)
            return null;
        var labels = batch.Labels.ToArray<long>();
        var known = Enumerable.Range(0, labels.Length).Where(i => labels[i] != PooledDataset.NoLabel).Select(i => (long)i).ToArray();
        if (known.Length == 0)
            return null;
        if (known.Length < labels.Length)
            (logits, batch) = Labelled(logits, batch, known);
        return _labelLoss.Compute(logits, batch) * (float)_labelWeight;
    }

    private static (Tensor Logits, Batch Batch) Labelled(Tensor logits, Batch batch, long[] known)
    {
        var rows = Tensor.From(known, [known.Length]);
        return (logits.IndexSelect(0, rows), batch with
        {
            Images = batch.Images.IndexSelect(0, rows),
            Labels = batch.Labels.IndexSelect(0, rows),
            Targets = batch.Targets?.IndexSelect(0, rows),
            Indices = [.. known.Take(known.Length / batch.Splits).Select(i => batch.Indices[(int)i])],
        });
    }

    /// <summary>The companions of several terms as one module.</summary>
    private sealed class Companions : Module
    {
        private Companions(IEnumerable<WeightedTerm> terms)
        {
            foreach (var (name, term, _) in terms)
                Child(name, term.Companion!);
        }

        public static Companions? Of(IReadOnlyList<WeightedTerm> terms) =>
            terms.Any(t => t.Term.Companion is not null) ? new(terms.Where(t => t.Term.Companion is not null)) : null;

        protected override Tensor OnForward(Tensor x) => throw new InvalidOperationException("companions are applied by their terms");
    }
}
