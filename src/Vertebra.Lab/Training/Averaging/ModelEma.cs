using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>An exponential moving average; the rule and its warm-up are timm's <c>ModelEmaV3</c>.</summary>
/// <param name="module">The network; its present state is the first average.</param>
/// <param name="decay">Share of the former average that a step keeps, in [0, 1).</param>
/// <param name="warmup">Let the share grow as 1 - (1 + step)^(-2/3) until it reaches <paramref name="decay"/>.</param>
public sealed class ModelEma(Module module, double decay, bool warmup) : WeightAverage(module)
{
    /// <summary>The share kept at an update, the first being 1: nothing of the initial weights remains after the first two.</summary>
    public double DecayAt(long update)
    {
        var step = update - 1;
        if (step <= 0)
            return 0;
        return warmup ? Math.Clamp(1 - Math.Pow(1 + step, -2.0 / 3), 0, decay) : decay;
    }

    /// <summary>Takes the network's present state into the average.</summary>
    /// <param name="update">Number of updates of the network so far, at least 1.</param>
    public void Update(long update) => MoveTowardsNetwork((float)(1 - DecayAt(update)));
}
