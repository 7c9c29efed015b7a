using Vertebra.Kernels;

namespace Vertebra.Lab.Training;

/// <summary>
/// Stochastic gradient descent with momentum, plain or Nesterov's; PyTorch's <c>SGD</c> with dampening 0. Weight decay is added
/// to the gradient, or shrinks the weights as timm's <c>SGDW</c> has it (Loshchilov and Hutter 2019).
/// </summary>
public sealed class Sgd(IReadOnlyList<ParameterGroup> groups, double momentum = 0, bool nesterov = false, bool decoupledDecay = false)
    : ElementwiseOptimizer(groups, "momentum_buffer")
{
    private protected override ElementUpdate Prepare(OptimizedParameter parameter, GradientScaling scaling) =>
        new ElementUpdate<MomentumRule>(new((float)(Momentum ?? momentum), nesterov), Numbers(parameter, scaling, RateOf(parameter), decoupledDecay));
}
