using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Lab.Training.Losses;

/// <summary>
/// Norm loss (Georgiou, Schmitt, Bäck, Chen and Lew, "Norm loss: an efficient yet effective regularization method for deep neural
/// networks", ICPR 2020): λ · Σ (1 - |w|)² over the weight vectors w of all units of convolutions and linear layers, which are so
/// drawn softly to the oblique manifold. In place of weight decay, or beside it.
/// </summary>
/// <param name="network">The network; frozen weights are left out.</param>
/// <param name="strength">λ.</param>
public sealed class NormLoss(Module network, double strength)
{
    private readonly Tensor[] _weights =
    [
        .. network.NamedModules().Select(m => m.Module switch { Nn.Conv2d c => c.Weight, Nn.Linear l => l.Weight, _ => null }).OfType<Tensor>()
            .Where(w => w.RequiresGrad).Distinct(),
    ];

    /// <summary>A loss with this one added.</summary>
    public Tensor AddTo(Tensor loss) => loss + Compute();

    /// <summary>The loss at the present weights, a differentiable scalar.</summary>
    public Tensor Compute()
    {
        var total = Tensor.Scalar(0);
        foreach (var weight in _weights)
        {
            // The length's gradient has no bound at a weight of zero.
            var lengths = weight.Reshape([weight.Shape[0], -1]).Square().Sum([1]).Clamp(1e-24f).Sqrt();
            total += (1 - lengths).Square().Sum();
        }
        return total * (float)strength;
    }
}
