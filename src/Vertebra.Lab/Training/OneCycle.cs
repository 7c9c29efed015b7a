namespace Vertebra.Lab.Training;

/// <summary>
/// One cycle of the learning rate with the momentum running against it (Smith and Topin, "Super-convergence: very fast training
/// of neural networks using large learning rates", 2018); PyTorch's <c>OneCycleLR</c> with its defaults.
/// </summary>
/// <param name="MaxRate">Rate at the top.</param>
/// <param name="TotalSteps">Length of the cycle, at least 2.</param>
public sealed record OneCycle(double MaxRate, long TotalSteps)
{
    /// <summary>Share of the cycle in which the rate rises.</summary>
    public double RisingShare { get; init; } = 0.3;

    /// <summary>Half cosines between the corners; else straight lines.</summary>
    public bool IsCosine { get; init; } = true;

    /// <summary>The first rate is the top one divided by this.</summary>
    public double Divisor { get; init; } = 25;

    /// <summary>The last rate is the first one divided by this.</summary>
    public double FinalDivisor { get; init; } = 1e4;

    /// <summary>Down to the first rate as symmetrically as up, and only then to the last.</summary>
    public bool IsThreePhase { get; init; }

    /// <summary>Momentum at the top rate.</summary>
    public double BaseMomentum { get; init; } = 0.85;

    /// <summary>Momentum at the lowest rates.</summary>
    public double MaxMomentum { get; init; } = 0.95;

    private double First => MaxRate / Divisor;

    /// <summary>The rate of a step, counted from 0.</summary>
    public double RateAt(long step) => At(step, First, MaxRate, First, First / FinalDivisor);

    /// <summary>The momentum of a step.</summary>
    public double MomentumAt(long step) => At(step, MaxMomentum, BaseMomentum, MaxMomentum, MaxMomentum);

    /// <summary>From corner to corner: start, top, in three phases the foot, end.</summary>
    private double At(long step, double start, double top, double foot, double end)
    {
        var place = Math.Clamp(step, 0, TotalSteps - 1);
        // As in PyTorch the corners need not be whole steps.
        var (rise, last) = ((RisingShare * TotalSteps) - 1, TotalSteps - 1.0);
        if (place <= rise || rise >= last)
            return Between(start, top, rise <= 0 ? 1 : Math.Min(1, place / rise));
        if (!IsThreePhase)
            return Between(top, end, (place - rise) / (last - rise));
        var fall = (2 * RisingShare * TotalSteps) - 2;
        return place <= fall ? Between(top, foot, (place - rise) / (fall - rise)) : Between(foot, end, (place - fall) / (last - fall));
    }

    private double Between(double from, double to, double share) =>
        IsCosine ? to + ((from - to) / 2 * (1 + Math.Cos(Math.PI * share))) : from + ((to - from) * share);
}
