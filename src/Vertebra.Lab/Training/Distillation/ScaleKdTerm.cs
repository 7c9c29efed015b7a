using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// ScaleKD (Fan, Li, Liu and Yao, "ScaleKD: strong vision transformers could be excellent teachers", NeurIPS 2024). The student's last
/// map but one is projected to the teacher's (<see cref="CrossAttentionProjector"/>) and handed to the teacher's last stage, whose
/// weights so teach too; its last map is projected by what came out of that as queries. Both results are compared with the
/// teacher's last map in two views (<see cref="DualViewMimicking"/>), each view with projectors of its own.
/// </summary>
internal sealed class ScaleKdTerm : IDistillationTerm
{
    // The authors' weights of the two views.
    private const float OriginalWeight = 0.08f;
    private const float AlternativeWeight = 0.06f;
    private const int MostHeads = 8;

    private readonly (FeatureInfo Middle, FeatureInfo Last) _student;
    private readonly (FeatureInfo Middle, FeatureInfo Last) _teacher;
    private readonly Shape _teacherImages;
    private readonly NetworkTail _tail;
    private readonly (CrossAttentionProjector Middle, CrossAttentionProjector Last)[] _views;

    /// <exception cref="VertebraException">A network has one level only, or the teacher's stages do not follow one another.</exception>
    public ScaleKdTerm(DistillationContext context)
    {
        var teacher = context.Teachers[0];
        // Gradients flow through its last stage, and none is wanted for its weights.
        teacher.Freeze("*");
        (_student, _teacher, _teacherImages) = (LevelsOf(context.Student), LevelsOf(teacher), context.TeacherImages[0]);
        _tail = new(teacher, _teacher.Middle, _teacher.Last);
        var maps = context.Student.ForwardWithFeatures(Tensor.Meta(context.StudentImages), [_student.Middle, _student.Last]).Maps;
        var wanted = teacher.ForwardWithFeatures(Tensor.Meta(_teacherImages), [_teacher.Middle, _teacher.Last]).Maps;
        _views = [.. Enumerable.Range(0, 2).Select(_ => (Projector(maps[0].Shape, wanted[0].Shape, ownQueries: true), Projector(maps[1].Shape, wanted[1].Shape, ownQueries: false)))];
        Companion = new ModuleList<CrossAttentionProjector>(_views.SelectMany(v => new[] { v.Middle, v.Last }));
        Companion.Initialise((ulong)context.Options.Seed);
    }

    public Module Companion { get; }

    public IReadOnlyList<string> Layers => [_student.Middle.Path, _student.Last.Path];

    public IReadOnlyList<string> TeacherLayers => [_teacher.Middle.Path, _teacher.Last.Path];

    public Tensor Compute(DistillationPass pass) =>
        (Loss(pass, _views[0], DualViewMimicking.Original) * OriginalWeight) + (Loss(pass, _views[1], DualViewMimicking.Alternative) * AlternativeWeight);

    private Tensor Loss(DistillationPass pass, (CrossAttentionProjector Middle, CrossAttentionProjector Last) view, Func<Tensor, Tensor, Tensor> compare)
    {
        var (images, seen) = (pass.Batch.Images.Shape, _teacherImages.With(0, pass.Batch.Images.Shape[0]));
        var wanted = _teacher.Last.ToMap(pass.TeacherLayers[_teacher.Last.Path], seen);
        var middle = view.Middle.Forward(_student.Middle.ToMap(pass.Layers[_student.Middle.Path], images));
        var perceived = _teacher.Last.ToMap(_tail.Forward(AsReturned(middle, pass.TeacherLayers[_teacher.Middle.Path]), seen), seen);
        var last = view.Last.Project(_student.Last.ToMap(pass.Layers[_student.Last.Path], images), perceived);
        return compare(perceived, wanted) + compare(last, wanted);
    }

    /// <summary>A map in the form in which the teacher's module returns it; tokens that are no part of a map are the teacher's own.</summary>
    private Tensor AsReturned(Tensor map, Tensor returned)
    {
        if (_teacher.Middle.PrefixTokens is not { } prefix)
            return map;
        var tokens = map.Reshape([map.Shape[0], -1, map.Shape[3]]);
        return prefix == 0 ? tokens : Tensor.Concat([returned.Slice(1, 0, prefix), tokens], 1);
    }

    /// <summary>The last level, and the one before the last stage: where a network is an even row of blocks, that is its last third.</summary>
    private static (FeatureInfo Middle, FeatureInfo Last) LevelsOf(Backbone network)
    {
        var (levels, blocks) = (network.FeatureInfo, network.AllFeatureInfo);
        if (levels.Count > 1 && levels[^2].Reduction != levels[^1].Reduction)
            return (levels[^2], levels[^1]);
        return blocks.Count > 1 ? (blocks[Math.Max(0, (blocks.Count * 2 / 3) - 1)], blocks[^1])
            : throw new VertebraException($"--distill scalekd needs networks of two levels or more; {network.Description.Architecture} has {blocks.Count}");
    }

    private static CrossAttentionProjector Projector(Shape map, Shape wanted, bool ownQueries) => new(
        map[3], new(map[1], map[2]), wanted[3], new(wanted[1], wanted[2]), Enumerable.Range(1, MostHeads).Last(h => wanted[3] % h == 0), ownQueries);
}
