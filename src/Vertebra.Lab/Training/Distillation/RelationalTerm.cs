using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>Relations of the pooled last maps of a batch, angles twice as heavy as distances, as in the paper (<see cref="RelationalLosses"/>).</summary>
internal sealed class RelationalTerm : IDistillationTerm
{
    private const float AngleWeight = 2;

    public bool NeedsFeatures => true;

    public Tensor Compute(DistillationPass pass)
    {
        var student = Pooled(pass.Features[^1]);
        var losses = pass.TeacherFeatures.Select(maps =>
        {
            var teacher = Pooled(maps[^1]);
            return RelationalLosses.Distances(student, teacher) + (RelationalLosses.Angles(student, teacher) * AngleWeight);
        });
        return losses.Aggregate((a, b) => a + b) / pass.TeacherFeatures.Count;
    }

    private static Tensor Pooled(Tensor map) => map.Mean([1, 2]);
}
