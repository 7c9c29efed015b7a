using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Losses;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>
/// What a run minimises: how a loss comes from a network and a batch. The usual one compares the network's answer with the
/// labels; others ask teachers, look inside the network or train its layers one by one.
/// </summary>
public interface ITrainingObjective
{
    /// <summary>What is learned beside the network, by the same optimiser, and saved with the run's state but not with its weights; null: nothing.</summary>
    Module? Companion { get; }

    /// <summary>Runs the network on a batch, in a scope of <see cref="TrainingRandom"/> that depends on the batch alone.</summary>
    /// <param name="network">The network that is trained, in training mode.</param>
    /// <param name="batch">Images, labels or targets.</param>
    /// <returns>Logits [S * N, classes], by which the training accuracy is counted, and the loss, a scalar to differentiate.</returns>
    (Tensor Logits, Tensor Loss) Compute(Module network, Batch batch);
}

/// <summary>The usual objective: a loss of the network's logits and the labels.</summary>
internal sealed class LabelObjective(ITrainingLoss loss) : ITrainingObjective
{
    public Module? Companion => null;

    public (Tensor Logits, Tensor Loss) Compute(Module network, Batch batch)
    {
        var logits = network.Forward(batch.Images);
        return (logits, loss.Compute(logits, batch));
    }
}
