using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// LAMB (You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020): each tensor moves by
/// Adam's direction, weight decay included, brought to the length of its weights; tensors without weight decay move as Adam
/// moves them. As in timm, gradients are first brought down to a norm of 1 all together.
/// </summary>
public sealed class Lamb : AdamFamily
{
    private const double MaxGradientNorm = 1;

    private readonly bool _clipsTrust;
    private double _gradientFactor = 1;

    /// <param name="groups">What to train.</param>
    /// <param name="settings">Betas, epsilon (timm's is 1e-6), and whether the decay is decoupled.</param>
    /// <param name="clipsTrust">The trust ratio is 1 at most (LAMBC).</param>
    public Lamb(IReadOnlyList<ParameterGroup> groups, AdamSettings settings, bool clipsTrust = false)
        : base(groups, settings, "exp_avg", "exp_avg_sq") => _clipsTrust = clipsTrust;

    private protected override bool LooksAtTensors => true;

    private protected override void Begin(GradientScaling scaling) =>
        _gradientFactor = 1 / Math.Max(1, GradientNorm() * scaling.Scale / MaxGradientNorm);

    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var scaled = new GradientScaling((float)(scaling.Scale * _gradientFactor), scaling.Limit);
        var numbers = Decoupled(parameter, scaled, RateOf(parameter));
        return new ElementUpdate<AdamRule>(new(Moments()), Settings.DecoupledDecay ? numbers : numbers with { Shrink = 1 });
    }

    private protected override (double Keep, double Rate) Finish(OptimizedParameter parameter, in UpdateNumbers numbers, DirectionSums sums, double share)
    {
        var rate = RateOf(parameter);
        var factor = share / MeanCorrection;
        if (parameter.Group.WeightDecay == 0)
            return (1, rate * factor);
        // The update is factor·u + decay·w; its norm follows from the sums.
        var decay = Settings.DecoupledDecay ? 0 : parameter.Group.WeightDecay;
        var squares = (factor * factor * sums.Squares) + (2 * factor * decay * sums.WeightProduct) + (decay * decay * sums.WeightSquares);
        var trust = sums.WeightSquares > 0 && squares > 0 ? Math.Sqrt(sums.WeightSquares / squares) : 1;
        if (_clipsTrust)
            trust = Math.Min(trust, 1);
        return (1 - (rate * trust * decay), rate * trust * factor);
    }
}

/// <summary>
/// LARS (You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017): the gradient of each tensor with
/// weight decay is scaled by trust·|w| / (|g| + decay·|w|) before it enters the momentum; as in timm.
/// </summary>
public sealed class Lars : ElementwiseOptimizer
{
    private readonly double _momentum;
    private readonly bool _nesterov;
    private readonly bool _clipsTrust;
    private readonly double _trust;
    private readonly double _epsilon;
    private double[] _weightNorms = [];
    private double[] _gradientNorms = [];

    /// <param name="groups">What to train.</param>
    /// <param name="momentum">Momentum.</param>
    /// <param name="nesterov">Nesterov's momentum.</param>
    /// <param name="clipsTrust">A tensor's rate is the learning rate at most (LARC).</param>
    /// <param name="trust">The trust coefficient.</param>
    /// <param name="epsilon">Added to the denominator.</param>
    public Lars(IReadOnlyList<ParameterGroup> groups, double momentum = 0.9, bool nesterov = false, bool clipsTrust = false, double trust = 1e-3, double epsilon = 1e-8)
        : base(groups, "momentum_buffer") => (_momentum, _nesterov, _clipsTrust, _trust, _epsilon) = (momentum, nesterov, clipsTrust, trust, epsilon);

    private protected override void Begin(GradientScaling scaling)
    {
        _weightNorms = Norms([.. Parameters.Select(p => p.Tensor)]);
        _gradientNorms = Norms([.. Parameters.Select(p => p.Gradient is null ? null : p.Treated(scaling))]);
    }

    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var numbers = Coupled(parameter, scaling, RateOf(parameter));
        if (parameter.Group.WeightDecay != 0)
        {
            var trust = (float)TrustOf(parameter);
            numbers = numbers with { Decay = numbers.Decay * trust, Scale = numbers.Scale * trust, Limit = numbers.Limit * trust };
        }
        return new ElementUpdate<MomentumRule>(new((float)(Momentum ?? _momentum), _nesterov), numbers);
    }

    private double TrustOf(OptimizedParameter parameter)
    {
        var (weights, gradient) = (_weightNorms[parameter.Index], _gradientNorms[parameter.Index]);
        var trust = weights > 0 && gradient > 0 ? _trust * weights / (gradient + (weights * parameter.Group.WeightDecay) + _epsilon) : 1;
        return _clipsTrust ? Math.Min(trust / RateOf(parameter), 1) : trust;
    }
}
