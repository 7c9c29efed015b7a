namespace Vertebra.Lab.Training;

/// <summary>Several methods, each with parameters of its own, as one optimiser.</summary>
internal sealed class OptimizerUnion(IReadOnlyList<ParameterGroup> groups, params Optimizer[] parts) : Optimizer(groups, _ => [])
{
    private protected override void Update(GradientScaling scaling)
    {
        foreach (var part in parts)
            part.StepAs(this, scaling);
    }

    public override IEnumerable<(string Name, Tensor Tensor)> State() => parts.SelectMany(p => p.State());

    public override void Load(IReadOnlyDictionary<string, Tensor> state, long stepCount)
    {
        base.Load(state, stepCount);
        foreach (var part in parts)
            part.Load(state, stepCount);
    }
}
