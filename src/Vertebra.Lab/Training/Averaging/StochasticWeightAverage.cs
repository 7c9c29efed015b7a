using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>
/// The plain mean of a network's states at the ends of epochs (Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging
/// weights leads to wider optima and better generalization", UAI 2018). Its running statistics belong to no network: they are
/// to be found anew by <see cref="BatchStatistics"/> before it is used.
/// </summary>
/// <param name="module">The network.</param>
public sealed class StochasticWeightAverage(Module module) : WeightAverage(module)
{
    /// <summary>How many states it is the mean of.</summary>
    public long Count { get; internal set; }

    /// <summary>Takes the network's present state in.</summary>
    public void Add()
    {
        Count++;
        MoveTowardsNetwork((float)(1.0 / Count));
    }
}
