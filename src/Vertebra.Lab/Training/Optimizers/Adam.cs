using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>What Adam and its kin can be told.</summary>
/// <param name="Beta1">Decay of the gradient's mean.</param>
/// <param name="Beta2">Decay of its square's.</param>
/// <param name="Epsilon">Added to the denominator.</param>
/// <param name="DecoupledDecay">Weight decay acts on the weights, not on the gradient.</param>
public sealed record AdamSettings(double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8, bool DecoupledDecay = false);

/// <summary>Methods that keep running means of the gradient and of a square.</summary>
public abstract class AdamFamily : ElementwiseOptimizer
{
    private protected AdamFamily(IReadOnlyList<ParameterGroup> groups, AdamSettings settings, params string[] slotNames)
        : base(groups, slotNames) => Settings = settings;

    private protected AdamSettings Settings { get; }

    private protected double Beta1 => Momentum ?? Settings.Beta1;

    /// <summary>1 - β1^t.</summary>
    private protected double MeanCorrection => 1 - Math.Pow(Beta1, StepCount);

    /// <summary>1 - β2^t.</summary>
    private protected double SquareCorrection => 1 - Math.Pow(Settings.Beta2, StepCount);

    /// <summary>The running means' numbers, with the square's bias corrected or not.</summary>
    private protected Moments Moments(bool corrected = true) => new(
        (float)Beta1, (float)(1 - Beta1), (float)Settings.Beta2, (float)(1 - Settings.Beta2), (float)Settings.Epsilon,
        corrected ? (float)Math.Sqrt(SquareCorrection) : 1);

    private protected ElementUpdate UpdateBy<TRule>(TRule rule, OptimizedParameter parameter, GradientScaling scaling, double rate) where TRule : struct, IUpdateRule =>
        new ElementUpdate<TRule>(rule, Numbers(parameter, scaling, rate, Settings.DecoupledDecay));

    /// <summary>
    /// The length of the exponential average's simple equivalent ρ_t, and the rectification r_t where it is defined, else null
    /// (Liu et al., "On the variance of the adaptive learning rate and beyond", 2020).
    /// </summary>
    private protected (double Length, double? Factor) Rectification()
    {
        var power = Math.Pow(Settings.Beta2, StepCount);
        var limit = (2 / (1 - Settings.Beta2)) - 1;
        var length = limit - (2 * StepCount * power / (1 - power));
        return (length, length > 4 ? Math.Sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)) : null);
    }
}

/// <summary>
/// Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015), or AdamW (Loshchilov and Hutter, "Decoupled
/// weight decay regularization", 2019) where the decay acts on the weights and not on the gradient; as in PyTorch.
/// </summary>
public sealed class Adam(IReadOnlyList<ParameterGroup> groups, AdamSettings settings) : AdamFamily(groups, settings, "exp_avg", "exp_avg_sq")
{
    public Adam(IReadOnlyList<ParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8, bool decoupledDecay = false)
        : this(groups, new(beta1, beta2, epsilon, decoupledDecay))
    {
    }

    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling) =>
        UpdateBy(new AdamRule(Moments()), parameter, scaling, RateOf(parameter) / MeanCorrection);
}

/// <summary>
/// Adam with Nesterov momentum (Dozat, "Incorporating Nesterov momentum into Adam", 2016), with PyTorch's momentum schedule:
/// μ_t = β1·(1 - 0.96^(0.004·t) / 2).
/// </summary>
public sealed class NAdam(IReadOnlyList<ParameterGroup> groups, AdamSettings settings) : AdamFamily(groups, settings, "exp_avg", "exp_avg_sq")
{
    private (long Step, double Product) _product = (0, 1);

    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var (now, next, product) = (MomentumAt(StepCount), MomentumAt(StepCount + 1), Product());
        return UpdateBy(
            new NesterovAdamRule(Moments(), (float)(next / (1 - (product * next))), (float)((1 - now) / (1 - product))),
            parameter, scaling, RateOf(parameter));
    }

    private double MomentumAt(long step) => Beta1 * (1 - (0.5 * Math.Pow(0.96, step * 0.004)));

    // Multiplied up from the first step on, so that a resumed run has the same bits.
    private double Product()
    {
        if (_product.Step > StepCount)
            _product = (0, 1);
        while (_product.Step < StepCount)
            _product = (_product.Step + 1, _product.Product * MomentumAt(_product.Step + 1));
        return _product.Product;
    }
}

/// <summary>
/// The simple form of Nesterov's Adam with decoupled decay that timm calls <c>nadamw</c>: the mean looks one step ahead,
/// β1·m + (1-β1)·g, with Adam's own corrections.
/// </summary>
public sealed class NAdamW(IReadOnlyList<ParameterGroup> groups, AdamSettings settings)
    : AdamFamily(groups, settings with { DecoupledDecay = true }, "exp_avg", "exp_avg_sq")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling) =>
        UpdateBy(new NesterovAdamRule(Moments(), (float)Beta1, (float)(1 - Beta1)), parameter, scaling, RateOf(parameter) / MeanCorrection);
}

/// <summary>Rectified Adam (Liu et al., "On the variance of the adaptive learning rate and beyond", 2020), as in PyTorch.</summary>
public sealed class RAdam(IReadOnlyList<ParameterGroup> groups, AdamSettings settings) : AdamFamily(groups, settings, "exp_avg", "exp_avg_sq")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var (length, factor) = Rectification();
        var adapts = length > 5;
        var rate = RateOf(parameter) / MeanCorrection * (adapts ? factor!.Value * Math.Sqrt(SquareCorrection) : 1);
        return UpdateBy(new RectifiedAdamRule(Moments(corrected: false), adapts), parameter, scaling, rate);
    }
}

/// <summary>
/// AdaBelief (Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", 2020), with or
/// without RAdam's rectification; as in timm.
/// </summary>
public sealed class AdaBelief(IReadOnlyList<ParameterGroup> groups, AdamSettings settings, bool rectify = false)
    : AdamFamily(groups, settings, "exp_avg", "exp_avg_var")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var rate = RateOf(parameter) / MeanCorrection;
        if (!rectify)
            return UpdateBy(new BeliefRule(Moments(), Adapts: true), parameter, scaling, rate);
        var (length, factor) = Rectification();
        var adapts = length >= 5;
        return UpdateBy(new BeliefRule(Moments(corrected: false), adapts), parameter, scaling, rate * (adapts ? factor!.Value * Math.Sqrt(SquareCorrection) : 1));
    }
}

/// <summary>diffGrad (Dubey et al., "diffGrad: an optimization method for convolutional neural networks", 2020): less step where the gradient changes little.</summary>
public sealed class DiffGrad(IReadOnlyList<ParameterGroup> groups, AdamSettings settings)
    : AdamFamily(groups, settings, "exp_avg", "exp_avg_sq", "previous_grad")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling) =>
        UpdateBy(new FrictionRule(Moments()), parameter, scaling, RateOf(parameter) / MeanCorrection);
}

/// <summary>
/// Adan (Xie et al., "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models", 2022). Weight decay is
/// the paper's proximal step, w / (1 + rate·decay) after the update, or AdamW's before it.
/// </summary>
/// <param name="groups">What to train.</param>
/// <param name="beta1">Decay of the gradient's mean.</param>
/// <param name="beta2">Decay of its change's mean.</param>
/// <param name="beta3">Decay of the mean square; all three are timm's and PyTorch's way round, 1 minus the paper's.</param>
/// <param name="epsilon">Added to the denominator.</param>
/// <param name="proximal">The paper's weight decay.</param>
public sealed class Adan(IReadOnlyList<ParameterGroup> groups, double beta1 = 0.98, double beta2 = 0.92, double beta3 = 0.99, double epsilon = 1e-8, bool proximal = true)
    : AdamFamily(groups, new(beta1, beta3, epsilon, DecoupledDecay: true), "exp_avg", "exp_avg_sq", "exp_avg_diff", "pre_grad")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var rule = new AdanRule(
            Moments(), (float)beta2, (float)(1 - beta2), (float)(1 / MeanCorrection), (float)(beta2 / (1 - Math.Pow(beta2, StepCount))), StepCount == 1);
        if (!proximal)
            return UpdateBy(rule, parameter, scaling, RateOf(parameter));
        var shrink = 1 / (1 + (RateOf(parameter) * parameter.Group.WeightDecay));
        return new ElementUpdate<AdanRule>(rule, new((float)(RateOf(parameter) * shrink), 0, (float)shrink, scaling.Scale, scaling.Limit));
    }
}
