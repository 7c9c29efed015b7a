using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;
using Vertebra.Zoo;
using Vertebra.Zoo.Layers;

namespace Vertebra.Lab.Training;

/// <summary>
/// Every piece of the network learns by a loss of its own goodness (<see cref="GoodnessHeads"/>). The paper's loss is the cross-entropy:
/// the goodness of the right class against the log-sum-exp of all.
/// </summary>
/// <param name="loss">The pieces' loss.</param>
internal sealed class LocalObjective(ITrainingLoss loss) : ITrainingObjective
{
    public Module? Companion => null;

    public (Tensor Logits, Tensor Loss) Compute(Module network, Batch batch) =>
        ((Backbone)network).LearnLocally(batch.Images, goodness => loss.Compute(goodness, batch));
}
