namespace Vertebra.Lab.Training;

/// <summary>The learning rate and momentum of a run's updates, by schedule and, on a plateau schedule, by its evaluations.</summary>
internal sealed class RateControl
{
    private readonly TrainingOptions _options;
    private readonly int _updatesPerEpoch;
    private readonly LearningRateSchedule _schedule;

    /// <param name="options">Effective options.</param>
    /// <param name="updatesPerEpoch">Updates of an epoch.</param>
    public RateControl(TrainingOptions options, int updatesPerEpoch)
    {
        (_options, _updatesPerEpoch) = (options, updatesPerEpoch);
        _schedule = options.Schedule(updatesPerEpoch);
    }

    /// <summary>The rate of an update.</summary>
    /// <param name="update">Its number, from 0.</param>
    /// <param name="epoch">The epoch it is in.</param>
    /// <param name="rows">The finished epochs.</param>
    public double RateAt(long update, int epoch, IReadOnlyList<EpochRow> rows)
    {
        var step = Step(update, epoch);
        var rate = _schedule.At(step);
        if (_schedule.Kind != ScheduleKind.Plateau || step < _schedule.WarmupSteps)
            return rate;
        var decay = new PlateauDecay(_options.DecayRate, _options.PatienceEpochs, _options.MinLr);
        return decay.After(rate, rows.Select(Metric), _options.EvalMetric == "loss", _options.WarmupEpochs ?? 0);
    }

    /// <summary>The momentum of an update; null leaves the optimiser's own.</summary>
    public double? MomentumAt(long update, int epoch) =>
        _options.OneCycleMomentum ? _schedule.Cycle?.MomentumAt(Step(update, epoch)) : null;

    private long Step(long update, int epoch) => _options.SchedOnUpdates ? update : (long)epoch * _updatesPerEpoch;

    // What decides which epoch is the best decides here too: the average's evaluation where there is one.
    private double? Metric(EpochRow row) => (row.Ema ?? row.Eval) is { } scores
        ? scores.Metric(_options.EvalMetric) * (_options.EvalMetric == "loss" ? -1 : 1)
        : null;
}
