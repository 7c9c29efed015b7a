using Vertebra.Lab.Data;
using Vertebra.Nn;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>What student and teachers made of one batch.</summary>
public sealed record DistillationPass
{
    /// <summary>Images, labels, and targets where images were mixed. An unlabelled image has the label <see cref="PooledDataset.NoLabel"/>.</summary>
    public required Batch Batch { get; init; }

    /// <summary>The network that is trained.</summary>
    public required Backbone Student { get; init; }

    /// <summary>float32 [S * N, classes]: the student's answer; of a network with several heads their mean.</summary>
    public required Tensor Logits { get; init; }

    /// <summary>The student's answers head by head, in the order of <see cref="Backbone.ClassifierPaths"/>; only where a term asks (<see cref="IDistillationTerm.NeedsHeads"/>).</summary>
    public IReadOnlyList<Tensor> HeadLogits { get; init; } = [];

    /// <summary>float32 [S * N, classes] from each teacher, without gradients.</summary>
    public required IReadOnlyList<Tensor> TeacherLogits { get; init; }

    /// <summary>The teachers, in evaluation mode.</summary>
    public IReadOnlyList<Backbone> Teachers { get; init; } = [];

    /// <summary>The student's maps [S * N, H, W, C] at the levels of its <see cref="Backbone.FeatureInfo"/>, finest first; only where a term asks.</summary>
    public IReadOnlyList<Tensor> Features { get; init; } = [];

    /// <summary>The same of each teacher, without gradients; only where a term asks.</summary>
    public IReadOnlyList<IReadOnlyList<Tensor>> TeacherFeatures { get; init; } = [];

    /// <summary>What modules of the student returned, by path: those of <see cref="IDistillationTerm.Layers"/>.</summary>
    public IReadOnlyDictionary<string, Tensor> Layers { get; init; } = new Dictionary<string, Tensor>();

    /// <summary>The same of the first teacher, without gradients: those of <see cref="IDistillationTerm.TeacherLayers"/>.</summary>
    public IReadOnlyDictionary<string, Tensor> TeacherLayers { get; init; } = new Dictionary<string, Tensor>();

    /// <summary>What the teachers say together: the mean of their probabilities [S * N, classes].</summary>
    /// <param name="temperature">Divides the logits of each.</param>
    public Tensor TeacherProbabilities(double temperature = 1) => TeacherAnswers.MeanProbabilities(TeacherLogits, temperature);
}

/// <summary>One part of what a student is taught by: a scalar of a pass, to which options give a weight.</summary>
public interface IDistillationTerm
{
    /// <summary>Whether <see cref="DistillationPass.Features"/> and <see cref="DistillationPass.TeacherFeatures"/> are wanted.</summary>
    bool NeedsFeatures => false;

    /// <summary>Whether <see cref="DistillationPass.HeadLogits"/> are wanted. The labels then teach the first head alone.</summary>
    bool NeedsHeads => false;

    /// <summary>Paths of modules of the student whose outputs are wanted in <see cref="DistillationPass.Layers"/>.</summary>
    IReadOnlyList<string> Layers => [];

    /// <summary>Paths of modules of the first teacher whose outputs are wanted in <see cref="DistillationPass.TeacherLayers"/>.</summary>
    IReadOnlyList<string> TeacherLayers => [];

    /// <summary>What is learned beside the student, by the same optimiser; null: nothing. Its parameters are initialised by the maker of the term.</summary>
    Module? Companion => null;

    /// <summary>The term, not weighted: a differentiable scalar.</summary>
    Tensor Compute(DistillationPass pass);
}
