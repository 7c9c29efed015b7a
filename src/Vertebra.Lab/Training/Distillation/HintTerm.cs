using Vertebra.Nn;
using Vertebra.Ops;
using Vertebra.Zoo;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>
/// Feature hints: a regressor guesses the teachers' middle map from the student's (<see cref="HintRegressor"/>). The paper trains by hints
/// alone first, and by soft targets then; both at once is what later comparisons do.
/// </summary>
internal sealed class HintTerm : IDistillationTerm
{
    private readonly int _level;
    private readonly int[] _hints;
    private readonly HintRegressor[] _regressors;

    /// <exception cref="VertebraException">There is no such level.</exception>
    public HintTerm(DistillationContext context)
    {
        var map = Level(context.Student, context.StudentMaps(), context.Options.HintLevel, out _level);
        _hints = new int[context.Teachers.Count];
        _regressors = [.. context.Teachers.Select((teacher, t) =>
        {
            var hint = Level(teacher, context.TeacherMaps(t), context.Options.HintLevel, out _hints[t]);
            return new HintRegressor(map[3], new(map[1], map[2]), hint[3], new(hint[1], hint[2]), EndsInRelu(teacher, _hints[t], context.TeacherImages[t]));
        })];
        Companion = new ModuleList<HintRegressor>(_regressors);
        Companion.Initialise((ulong)context.Options.Seed);
    }

    public bool NeedsFeatures => true;

    public Module Companion { get; }

    public Tensor Compute(DistillationPass pass)
    {
        var losses = _regressors.Select((regressor, t) => regressor.Loss(pass.Features[_level], pass.TeacherFeatures[t][_hints[t]]));
        return losses.Aggregate((a, b) => a + b) / _regressors.Length;
    }

    private static Shape Level(Backbone network, IReadOnlyList<Shape> maps, int? wanted, out int level)
    {
        level = wanted is { } given ? given < 0 ? given + maps.Count : given : maps.Count / 2;
        return level >= 0 && level < maps.Count ? maps[level]
            : throw new VertebraException($"--hint-level is {wanted}; {network.Description.Architecture} has the levels 0 to {maps.Count - 1}, or -{maps.Count} to -1");
    }

    private static bool EndsInRelu(Backbone network, int level, Shape images)
    {
        var graph = Graphs.Graph.Trace(network, images);
        return graph.ProducerOf(graph.OutputOf(network.FeatureInfo[level].Path))?.Op is Relu;
    }
}
