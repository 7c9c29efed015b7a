using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Losses;

/// <summary>What a network's logits for a batch cost.</summary>
public interface ITrainingLoss
{
    /// <summary>The loss, a differentiable scalar.</summary>
    /// <param name="logits">float32 [S * N, classes], a row for every row of the batch's images.</param>
    /// <param name="batch">Labels, and where images were mixed or have several labels the targets.</param>
    Tensor Compute(Tensor logits, Batch batch);
}

/// <summary>A loss given as a function.</summary>
/// <param name="compute">Logits and batch to scalar.</param>
public sealed class TrainingLoss(Func<Tensor, Batch, Tensor> compute) : ITrainingLoss
{
    public Tensor Compute(Tensor logits, Batch batch) => compute(logits, batch);
}
