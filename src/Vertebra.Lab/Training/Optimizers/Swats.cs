using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// SWATS (Keskar and Socher, "Improving generalization performance by switching from Adam to SGD", 2017): Adam, until the
/// learning rate at which SGD would make the projection of Adam's step has settled; then SGD with momentum at that rate. A
/// schedule goes on from there: later rates are taken relative to the one at the switch.
/// </summary>
public sealed class Swats : AdamFamily
{
    // [running mean of the projected rate, SGD's rate (0 before the switch), scheduled rate at the switch]
    private readonly Tensor _phase = Tensor.Zeros([3], DType.Float64);

    /// <param name="groups">What to train.</param>
    /// <param name="settings">Betas; the paper's epsilon, 1e-9, stands in the denominator and bounds how settled the rate is.</param>
    public Swats(IReadOnlyList<ParameterGroup> groups, AdamSettings settings)
        : base(groups, settings, "exp_avg", "exp_avg_sq")
    {
    }

    /// <summary>SGD's learning rate; null before the switch.</summary>
    public double? SgdRate => Phase[1] == 0 ? null : Phase[1];

    private Span<double> Phase => _phase.AsSpan<double>();

    private protected override bool LooksAtTensors => SgdRate is null;

    private double AdamRate(OptimizedParameter parameter) => RateOf(parameter) * Math.Sqrt(SquareCorrection) / MeanCorrection;

    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        if (SgdRate is not { } rate)
            return UpdateBy(new AdamRule(Moments(corrected: false)), parameter, scaling, AdamRate(parameter));
        var scheduled = Phase[2] == 0 ? 0 : LearningRate / Phase[2];
        return UpdateBy(new MomentumRule((float)Beta1, Nesterov: false), parameter, scaling, (1 - Beta1) * rate * scheduled * parameter.Group.RateScale);
    }

    private protected override void Summed(IReadOnlyList<(OptimizedParameter Parameter, DirectionSums Sums)> sums)
    {
        // Adam's step is p = -rate·u: the projection's rate is p·p / (-p·g).
        double length = 0, product = 0;
        foreach (var (parameter, sum) in sums)
        {
            var rate = AdamRate(parameter);
            length += rate * rate * sum.Squares;
            product += rate * sum.GradientProduct;
        }
        if (product == 0)
            return;
        var projected = length / product;
        var phase = Phase;
        phase[0] = (Settings.Beta2 * phase[0]) + ((1 - Settings.Beta2) * projected);
        var settled = phase[0] / SquareCorrection;
        if (StepCount > 1 && Math.Abs(settled - projected) < Settings.Epsilon)
            (phase[1], phase[2]) = (settled, LearningRate);
        _phase.MarkWritten();
    }

    private protected override void Update(GradientScaling scaling)
    {
        var wasAdam = SgdRate is null;
        base.Update(scaling);
        if (!wasAdam || SgdRate is not { } rate)
            return;
        // SGD's momentum begins at zero and takes the place of Adam's mean.
        foreach (var parameter in Parameters)
            parameter.Slots[0].Clear();
        Note?.Invoke(FormattableString.Invariant($"SWATS goes from Adam to SGD after update {StepCount}, at a learning rate of {rate:g4}."));
    }

    public override IEnumerable<(string Name, Tensor Tensor)> State() => base.State().Append(("swats/phase", _phase));
}
