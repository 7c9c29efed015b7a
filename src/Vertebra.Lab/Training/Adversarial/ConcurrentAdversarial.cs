using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Ops;

namespace Vertebra.Lab.Training.Adversarial;

/// <summary>
/// ConAdv (Liu, Chen, Cheng, Hsieh and You, "Concurrent adversarial learning for large-batch training", ICLR 2022): beside each image its
/// adversarial twin x + ε·sign ∇ₓL(θ_{t-τ}; x, y), found with weights of τ updates ago, so that it does not wait for the present ones and
/// may be computed while they come to be. Both losses are added up, and the twins have batch norms of their own, as in AdvProp (Xie et
/// al., "Adversarial examples improve image recognition", CVPR 2020), whose statistics and parameters never see a clean image.
/// </summary>
internal sealed class ConcurrentAdversarial : ITrainingObjective
{
    private readonly ITrainingLoss _loss;
    private readonly AdversarialCompanion _companion;
    private readonly Tensor _bound;

    /// <param name="loss">The labels' loss.</param>
    /// <param name="network">The network, with the weights to start from.</param>
    /// <param name="staleness">τ, at least 1.</param>
    /// <param name="bound">ε for each channel of the input, as normalised.</param>
    public ConcurrentAdversarial(ITrainingLoss loss, Module network, int staleness, float[] bound)
    {
        _loss = loss;
        _companion = new(network, staleness);
        _bound = Tensor.From(bound, [bound.Length]);
    }

    public Module Companion => _companion;

    /// <summary>What makes the objective of a run, if its options ask for it.</summary>
    /// <param name="options">The options, checked.</param>
    /// <param name="network">The network, with the weights to start from.</param>
    /// <param name="preprocessing">How images are normalised.</param>
    public static Func<ITrainingLoss, ITrainingObjective>? Of(TrainingOptions options, Module network, Preprocessing preprocessing) =>
        !options.Conadv ? null
        : loss => new ConcurrentAdversarial(loss, network, options.ConadvStaleness, [.. preprocessing.Std.Select(std => (float)(options.ConadvEps / 255 / std))]);

    /// <summary>Checks the options' ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag and the range.</exception>
    public static void Validate(TrainingOptions options)
    {
        TrainingOptions.Check(options.ConadvEps is > 0 and <= 255, "conadv-eps", options.ConadvEps, "above 0 and at most 255");
        TrainingOptions.Check(options.ConadvStaleness is >= 1 and <= 64, "conadv-staleness", options.ConadvStaleness, "1 to 64");
        TrainingOptions.Check(!options.Conadv || options.Sam is null, "sam", options.Sam, "left out with --conadv");
        TrainingOptions.Check(!options.Conadv || !options.HasTeacher, "conadv", options.Conadv, "left out with a teacher");
    }

    public (Tensor Logits, Tensor Loss) Compute(Module network, Batch batch)
    {
        _companion.Remember();
        var twins = Twins(network, batch);
        var logits = network.Forward(batch.Images);
        var loss = _loss.Compute(logits, batch);
        using var own = _companion.UseOwnNorms();
        return (logits, loss + _loss.Compute(network.Forward(twins), batch));
    }

    /// <summary>The adversarial images; neither weights nor running statistics have moved afterwards.</summary>
    private Tensor Twins(Module network, Batch batch)
    {
        var images = batch.Images.Clone();
        images.RequiresGrad = true;
        using var stale = _companion.UseStaleWeights(network);
        var gradient = _loss.Compute(network.Forward(images), batch).Gradients([images])[0];
        using var off = GradMode.Off();
        return batch.Images + (gradient.Sign() * _bound);
    }
}
