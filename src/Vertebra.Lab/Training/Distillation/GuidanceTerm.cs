using Vertebra.Graphs;
using Vertebra.Nn;
using Vertebra.Zoo;
using static Vertebra.Ops.TensorOps;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// Guidance (Subramaniam et al., "Training the untrainable: introducing inductive bias via representational alignment", 2024): layers
/// of a guide, which may never have been trained, are paired with the target's evenly over the depth, and what each pair lacks of
/// alignment (<see cref="KernelAlignment.Linear"/>) is added up. Layers are those with weights of their own but for the classifier.
/// </summary>
internal sealed class GuidanceTerm : IDistillationTerm
{
    // Images of a trace by which layers are told that keep one row for each: no network cuts an image into so many windows only.
    private const int ProbeBatch = 3;

    private readonly IReadOnlyList<(string Guide, string Target)> _pairs;

    /// <exception cref="VertebraException">A network has no layers.</exception>
    public GuidanceTerm(DistillationContext context)
    {
        var guide = context.Teachers[0];
        var (guides, targets) = (LayersOf(guide, context.TeacherImages[0]), LayersOf(context.Student, context.StudentImages));
        _pairs = [.. KernelAlignment.Pair(guides.Count, targets.Count).Select(p => (guides[p.Guide], targets[p.Target]))];
        Layers = [.. _pairs.Select(p => p.Target)];
        TeacherLayers = [.. _pairs.Select(p => p.Guide)];
    }

    public IReadOnlyList<string> Layers { get; }

    public IReadOnlyList<string> TeacherLayers { get; }

    public Tensor Compute(DistillationPass pass) =>
        _pairs.Select(p => 1 - KernelAlignment.Linear(pass.Layers[p.Target], pass.TeacherLayers[p.Guide])).Aggregate((a, b) => a + b);

    /// <summary>Paths of the layers in the order in which they run.</summary>
    private static List<string> LayersOf(Backbone network, Shape images)
    {
        var graph = Graph.Trace(network, images.With(0, ProbeBatch));
        var order = graph.Nodes.SelectMany(n => n.Outputs).Select((v, i) => (v, i)).ToDictionary(p => p.v, p => p.i);
        var layers = graph.ModuleOutputs
            .Where(m => order.ContainsKey(m.Value) && m.Value.Shape.Rank > 1 && m.Value.Shape[0] == ProbeBatch)
            .Where(m => network[m.Key] is Conv2d or Linear or LayerNorm && !network.ClassifierPaths.Contains(m.Key))
            .OrderBy(m => order[m.Value]).Select(m => m.Key).ToList();
        return layers.Count > 0 ? layers : throw new VertebraException($"{network.Description.Architecture} has no convolutions, linear layers or layer norms to align");
    }
}
