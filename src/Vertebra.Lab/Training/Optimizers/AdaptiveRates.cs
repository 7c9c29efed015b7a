using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// RMSprop with momentum (Tieleman and Hinton 2012): PyTorch's, which adds ε to the root of the mean square, or TensorFlow's, as
/// in timm, with ε under the root, a mean square that begins at 1, and the learning rate inside the momentum.
/// </summary>
public sealed class RmsProp : ElementwiseOptimizer
{
    private readonly double _alpha;
    private readonly double _momentum;
    private readonly double _epsilon;
    private readonly bool _asTensorFlow;

    /// <param name="groups">What to train.</param>
    /// <param name="alpha">Decay of the mean square.</param>
    /// <param name="momentum">Momentum.</param>
    /// <param name="epsilon">Added to the root, or under it.</param>
    /// <param name="asTensorFlow">TensorFlow's form.</param>
    public RmsProp(IReadOnlyList<ParameterGroup> groups, double alpha = 0.9, double momentum = 0.9, double epsilon = 1e-8, bool asTensorFlow = false)
        : base(groups, "square_avg", "momentum_buffer")
    {
        (_alpha, _momentum, _epsilon, _asTensorFlow) = (alpha, momentum, epsilon, asTensorFlow);
        if (asTensorFlow)
        {
            foreach (var parameter in Parameters)
                parameter.Slots[0].CopyFrom(Tensor.Ones(parameter.Tensor.Shape));
        }
    }

    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var rate = RateOf(parameter);
        var rule = new RmsPropRule(
            (float)_alpha, (float)(1 - _alpha), (float)(Momentum ?? _momentum), (float)_epsilon, _asTensorFlow, _asTensorFlow ? (float)rate : 1);
        return new ElementUpdate<RmsPropRule>(rule, Coupled(parameter, scaling, _asTensorFlow ? 1 : rate));
    }
}

/// <summary>Adagrad (Duchi, Hazan and Singer 2011), as in PyTorch.</summary>
public sealed class Adagrad(IReadOnlyList<ParameterGroup> groups, double epsilon = 1e-8) : ElementwiseOptimizer(groups, "sum")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling) =>
        new ElementUpdate<AdagradRule>(new((float)epsilon), Coupled(parameter, scaling, RateOf(parameter)));
}

/// <summary>Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023): the sign of a mixture of momentum and gradient, decoupled decay.</summary>
public sealed class Lion(IReadOnlyList<ParameterGroup> groups, double beta1 = 0.9, double beta2 = 0.99) : ElementwiseOptimizer(groups, "exp_avg")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling)
    {
        var first = Momentum ?? beta1;
        return new ElementUpdate<LionRule>(
            new((float)first, (float)(1 - first), (float)beta2, (float)(1 - beta2)), Decoupled(parameter, scaling, RateOf(parameter)));
    }
}
