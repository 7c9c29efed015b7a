using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>The last part of a run with <c>--swa</c>: from its first epoch on the learning rate is constant, and the mean takes in every epoch's end.</summary>
internal sealed class SwaPhase
{
    // The share of a run that comes before it, where --swa-start leaves it open; as in the paper.
    private const double DefaultStart = 0.75;

    private readonly int _start;
    private readonly double? _rate;

    /// <param name="network">The network.</param>
    /// <param name="options">The options.</param>
    /// <param name="epochs">Epochs of the whole run.</param>
    public SwaPhase(Module network, TrainingOptions options, int epochs)
    {
        _start = options.SwaStart ?? Math.Min(epochs - 1, (int)(DefaultStart * epochs));
        if (_start >= epochs)
            throw new VertebraException($"--swa-start {_start} is no epoch of the run: they are 0 to {epochs - 1}");
        _rate = options.SwaLr;
        Average = new(network);
    }

    /// <summary>The mean so far.</summary>
    public StochasticWeightAverage Average { get; }

    /// <summary>The learning rate in an epoch; null: the schedule's.</summary>
    public double? RateAt(int epoch) => epoch >= _start ? _rate : null;

    /// <summary>Takes in the network's state at the end of an epoch.</summary>
    public void EpochFinished(int epoch)
    {
        if (epoch >= _start)
            Average.Add();
    }
}
