using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

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
            var slow = chunk.Of(parameter.Slots[0]);
            var fast = chunk.Of(parameter.Tensor);
            OptimizerSteps.MoveTowards(slow, fast, (float)share);
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
