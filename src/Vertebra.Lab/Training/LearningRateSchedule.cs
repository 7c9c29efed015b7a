namespace Vertebra.Lab.Training;

/// <summary>What <c>--sched</c> names.</summary>
public enum ScheduleKind
{
    /// <summary>Half a cosine from the rate down to the minimum, once or with restarts (Loshchilov and Hutter, "SGDR", 2017).</summary>
    Cosine,

    /// <summary>A hyperbolic tangent from -7 to 3, once or with restarts (Hsueh et al., "Stochastic gradient descent with hyperbolic-tangent decay on classification", 2019).</summary>
    Tanh,

    /// <summary>A power of what is left of the run, once or with restarts.</summary>
    Poly,

    /// <summary>Cosine power annealing (Hundt et al., "sharpDARTS: faster and more accurate differentiable architecture search", 2019), once or with restarts.</summary>
    CosinePower,

    /// <summary>A factor every so many steps.</summary>
    Step,

    /// <summary>A factor at each of several steps.</summary>
    MultiStep,

    /// <summary>A factor whenever evaluations stop getting better: see <see cref="PlateauDecay"/>.</summary>
    Plateau,

    /// <summary>Up and down again once, with the momentum going the other way: see <see cref="OneCycle"/>.</summary>
    OneCycle,

    /// <summary>The same rate throughout.</summary>
    Constant,
}

/// <summary>
/// The learning rate as a closed form of the step number, so that a resumed run needs no scheduler state. As in timm, the
/// warm-up lies over the beginning of the schedule (it does not shift it), unless <see cref="WarmupPrefix"/> is set.
/// </summary>
/// <param name="Kind">Form of the curve.</param>
/// <param name="Rate">Rate at the top.</param>
/// <param name="TotalSteps">Length of the first cycle.</param>
public sealed record LearningRateSchedule(ScheduleKind Kind, double Rate, long TotalSteps)
{
    /// <summary>Rate at the end of a cycle.</summary>
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

    /// <summary>Factor of one decay; timm also takes it for the power of <see cref="ScheduleKind.Poly"/>.</summary>
    public double DecayRate { get; init; } = 0.1;

    /// <summary>Number of cycles; after them the rate stays at <see cref="MinRate"/>.</summary>
    public int CycleLimit { get; init; } = 1;

    /// <summary>Factor on the length from each cycle to the next.</summary>
    public double CycleMul { get; init; } = 1;

    /// <summary>Factor on the top rate from each cycle to the next.</summary>
    public double CycleDecay { get; init; } = 1;

    /// <summary>Exponent k of the place in a cycle, (t/T)^k (Zhang and Li, "k-decay: a new method for learning rate schedule", 2020).</summary>
    public double KDecay { get; init; } = 1;

    /// <summary>Base p of cosine power annealing; the nearer to 1, the nearer to a cosine.</summary>
    public double CosinePower { get; init; } = 10;

    /// <summary>The curve of <see cref="ScheduleKind.OneCycle"/>.</summary>
    public OneCycle? Cycle { get; init; }

    /// <summary>Whether the curve comes to an end, and may begin anew.</summary>
    public bool HasCycles => Kind is ScheduleKind.Cosine or ScheduleKind.Tanh or ScheduleKind.Poly or ScheduleKind.CosinePower;

    /// <summary>Steps until the last cycle is over, warm-up before the schedule included; timm makes a run as long as this.</summary>
    public long Length
    {
        get
        {
            var cycles = !HasCycles ? TotalSteps
                : CycleMul == 1 ? TotalSteps * CycleLimit
                : (long)Math.Floor(-TotalSteps * (Math.Pow(CycleMul, CycleLimit) - 1) / (1 - CycleMul));
            return WarmupPrefix ? cycles + WarmupSteps : cycles;
        }
    }

    /// <summary>The rate of a step, counted from 0. On a plateau schedule this is the rate before any decay.</summary>
    public double At(long step)
    {
        if (Cycle is { } cycle)
            return cycle.RateAt(step);
        if (step < WarmupSteps)
            return WarmupRate + ((WarmupTarget - WarmupRate) * step / WarmupSteps);
        return After(WarmupPrefix ? step - WarmupSteps : step);
    }

    // As in timm: the hyperbolic tangent has fallen noticeably by the end of the warm-up, which then leads to where it is.
    private double WarmupTarget => Kind == ScheduleKind.Tanh && !WarmupPrefix ? After(WarmupSteps) : Rate;

    private double After(long position) => Kind switch
    {
        _ when HasCycles => InCycle(position),
        ScheduleKind.Step => Rate * Math.Pow(DecayRate, position / DecaySteps),
        ScheduleKind.MultiStep => Rate * Math.Pow(DecayRate, Milestones.Count(m => m <= position)),
        _ => Rate,
    };

    private double InCycle(long position)
    {
        var (cycle, place) = Cycled(position);
        if (cycle >= CycleLimit)
            return MinRate;
        var span = (Rate * Math.Pow(CycleDecay, cycle)) - MinRate;
        var bent = Math.Pow(place, KDecay);
        return MinRate + (span * Kind switch
        {
            ScheduleKind.Tanh => 0.5 * (1 - Math.Tanh((-7 * (1 - place)) + (3 * place))),
            ScheduleKind.Poly => Math.Pow(1 - bent, DecayRate),
            ScheduleKind.CosinePower => PowerOfCosine(place),
            _ => 0.5 * (1 + Math.Cos(Math.PI * bent)),
        });
    }

    // sharpDARTS, equation 2: (p^(c+1) - p) / (p² - p), where c falls from 1 to 0 along half a cosine.
    private double PowerOfCosine(double place)
    {
        var cosine = 0.5 * (1 + Math.Cos(Math.PI * place));
        return CosinePower == 1 ? cosine : (Math.Pow(CosinePower, cosine + 1) - CosinePower) / ((CosinePower * CosinePower) - CosinePower);
    }

    /// <summary>The number of the cycle, and the place in it from 0 to 1.</summary>
    private (long Cycle, double Place) Cycled(long position)
    {
        if (CycleMul == 1 || position < TotalSteps)
            return (position / TotalSteps, (double)(position % TotalSteps) / TotalSteps);
        // Added up, not by a logarithm: at a restart that would be off by one for rounding.
        var (cycle, start, length) = (0L, 0.0, (double)TotalSteps);
        while (position >= start + length && cycle < CycleLimit)
            (cycle, start, length) = (cycle + 1, start + length, length * CycleMul);
        return (cycle, (position - start) / length);
    }
}
