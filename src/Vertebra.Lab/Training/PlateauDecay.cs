namespace Vertebra.Lab.Training;

/// <summary>
/// Lowers the learning rate when evaluations stop getting better: PyTorch's <c>ReduceLROnPlateau</c> as timm's <c>plateau</c>
/// sets it up. The rate is a function of the finished epochs alone, so that a resumed run needs no state of it.
/// </summary>
/// <param name="Factor">Factor of one decay.</param>
/// <param name="Patience">Epochs without a better evaluation that are borne; the next one lowers the rate.</param>
/// <param name="MinRate">The rate does not fall below.</param>
public sealed record PlateauDecay(double Factor, int Patience, double MinRate)
{
    // What is better by less than this share is no better.
    private const double Threshold = 1e-4;

    // A change of the rate by less than this is left out.
    private const double LeastChange = 1e-8;

    /// <summary>The rate after so many epochs.</summary>
    /// <param name="rate">The rate to begin with.</param>
    /// <param name="metrics">The evaluation of each epoch; null where there was none.</param>
    /// <param name="isLoss">Less is better.</param>
    /// <param name="firstEpoch">Epochs before this one (the warm-up's) do not count.</param>
    public double After(double rate, IEnumerable<double?> metrics, bool isLoss, double firstEpoch)
    {
        var (best, bad, epoch) = (isLoss ? double.PositiveInfinity : double.NegativeInfinity, 0, 0);
        foreach (var metric in metrics)
        {
            // timm steps with the number of the coming epoch.
            epoch++;
            if (metric is not { } value || epoch <= firstEpoch)
                continue;
            var isBetter = isLoss ? value < best * (1 - Threshold) : value > best * (1 + Threshold);
            (best, bad) = isBetter ? (value, 0) : (best, bad + 1);
            if (bad <= Patience)
                continue;
            bad = 0;
            var lower = Math.Max(rate * Factor, MinRate);
            if (rate - lower > LeastChange)
                rate = lower;
        }
        return rate;
    }
}
