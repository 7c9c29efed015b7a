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

/// <summary>
/// Lookahead (Zhang et al., "Lookahead optimizer: k steps forward, 1 step back", 2019): after every k steps of another method the
/// slow weights move a share of the way to the fast ones, which begin anew there. The slow weights begin at the first ones, as
/// in the paper.
/// </summary>
/// <param name="inner">The other method.</param>
/// <param name="interval">k.</param>
/// <param name="share">The share, α.</param>
public sealed class Lookahead(Optimizer inner, int interval = 6, double share = 0.5)
    : Optimizer(inner.Groups, p => [("lookahead_slow_buff", p.Tensor.Clone())])
{
    private protected override void Update(GradientScaling scaling)
    {
        inner.StepAs(this, scaling);
        if (StepCount % interval != 0)
            return;
        Chunks.ForEach((_, chunk) =>
        {
            var parameter = Parameters[chunk.Tensor];
            var (slow, fast) = (chunk.Of(parameter.Slots[0]), chunk.Of(parameter.Tensor));
            Kernels.OptimizerSteps.MoveTowards(slow, fast, (float)share);
            slow.CopyTo(fast);
        });
        foreach (var parameter in Parameters)
            parameter.MarkWritten();
    }

    public override IEnumerable<(string Name, Tensor Tensor)> State() => base.State().Concat(inner.State());

    public override void Load(IReadOnlyDictionary<string, Tensor> state, long stepCount)
    {
        base.Load(state, stepCount);
        inner.Load(state, stepCount);
    }
}
