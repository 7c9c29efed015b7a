namespace Vertebra.Lab.Training;

/// <summary>What <c>--sched</c> names.</summary>
public enum ScheduleKind
{
    /// <summary>Half a cosine from the rate down to the minimum (Loshchilov and Hutter, "SGDR", 2017).</summary>
    Cosine,

    /// <summary>A factor every so many steps.</summary>
    Step,

    /// <summary>A factor at each of several steps.</summary>
    MultiStep,

    /// <summary>The same rate throughout.</summary>
    Constant,
}

/// <summary>
/// The learning rate as a closed form of the step number, so that a resumed run needs no scheduler state. As in timm, the
/// warm-up lies over the beginning of the schedule (it does not shift it), unless <see cref="WarmupPrefix"/> is set.
/// </summary>
/// <param name="Kind">Form of the curve.</param>
/// <param name="Rate">Rate at the top.</param>
/// <param name="TotalSteps">Length of the cosine.</param>
public sealed record LearningRateSchedule(ScheduleKind Kind, double Rate, long TotalSteps)
{
    /// <summary>Rate at the end of the cosine.</summary>
    public double MinRate { get; init; }

    /// <summary>Length of the linear warm-up from <see cref="WarmupRate"/>.</summary>
    public long WarmupSteps { get; init; }

    /// <summary>Rate of step 0 where there is a warm-up.</summary>
    public double WarmupRate { get; init; }

    /// <summary>The schedule begins after the warm-up, instead of together with it.</summary>
    public bool WarmupPrefix { get; init; }

    /// <summary>Distance between decays (<see cref="ScheduleKind.Step"/>).</summary>
    public long DecaySteps { get; init; } = long.MaxValue;

    /// <summary>Steps from which on one more decay applies, ascending (<see cref="ScheduleKind.MultiStep"/>).</summary>
    public IReadOnlyList<long> Milestones { get; init; } = [];

    /// <summary>Factor of one decay.</summary>
    public double DecayRate { get; init; } = 0.1;

    /// <summary>The rate of a step, counted from 0.</summary>
    public double At(long step)
    {
        if (step < WarmupSteps)
            return WarmupRate + ((Rate - WarmupRate) * step / WarmupSteps);
        var position = WarmupPrefix ? step - WarmupSteps : step;
        return Kind switch
        {
            ScheduleKind.Cosine when position >= TotalSteps => MinRate,
            ScheduleKind.Cosine => MinRate + (0.5 * (Rate - MinRate) * (1 + Math.Cos(Math.PI * position / TotalSteps))),
            ScheduleKind.Step => Rate * Math.Pow(DecayRate, position / DecaySteps),
            ScheduleKind.MultiStep => Rate * Math.Pow(DecayRate, Milestones.Count(m => m <= position)),
            _ => Rate,
        };
    }
}
