namespace Vertebra.Lab.Training;

/// <summary>Someone who watches a run: a console, a log, a test. Called on the training thread; quick calls only.</summary>
public interface ITrainingProgress
{
    /// <summary>A training batch is done.</summary>
    void Trained(in TrainStep step);

    /// <summary>An evaluation batch is done.</summary>
    void Evaluated(in EvaluationStep step);

    /// <summary>An evaluation is done.</summary>
    void EvaluationFinished(EvaluationResult result, bool isEma);

    /// <summary>An epoch is trained, evaluated and saved.</summary>
    /// <param name="row">Its row of the summary.</param>
    /// <param name="best">The best epoch so far; null before the first evaluation.</param>
    void EpochFinished(EpochRow row, BestEpoch? best);

    /// <summary>Something the user should read.</summary>
    void Note(string message);
}

/// <summary>The epoch with the best evaluation.</summary>
/// <param name="Epoch">Its number.</param>
/// <param name="Metric">Its value of the metric of <c>--eval-metric</c>, more is better.</param>
public readonly record struct BestEpoch(int Epoch, double Metric);

/// <summary>Where training stands after a batch.</summary>
public readonly record struct TrainStep
{
    /// <summary>Number of the epoch, from 0.</summary>
    public required int Epoch { get; init; }

    /// <summary>Number of the batch in its epoch, from 0.</summary>
    public required int Batch { get; init; }

    /// <summary>Batches of an epoch.</summary>
    public required int Batches { get; init; }

    /// <summary>Loss of this batch.</summary>
    public required double Loss { get; init; }

    /// <summary>Mean loss of the epoch so far.</summary>
    public required double MeanLoss { get; init; }

    /// <summary>Top-1 accuracy of the epoch so far, on augmented images, in percent.</summary>
    public required double Top1 { get; init; }

    /// <summary>Time of this batch, waiting for its data included.</summary>
    public required double Seconds { get; init; }

    /// <summary>Mean of that over the epoch so far.</summary>
    public required double MeanSeconds { get; init; }

    /// <summary>How much of it was waiting for data.</summary>
    public required double DataSeconds { get; init; }

    /// <summary>Mean of that over the epoch so far.</summary>
    public required double MeanDataSeconds { get; init; }

    /// <summary>Images of this batch.</summary>
    public required int Images { get; init; }

    public required double LearningRate { get; init; }

    /// <summary>Estimate for the rest of the run, evaluations included.</summary>
    public required TimeSpan TimeLeft { get; init; }
}

/// <summary>Where an evaluation stands after a batch.</summary>
/// <param name="Batch">Number of the batch, from 0.</param>
/// <param name="Batches">Batches of the evaluation.</param>
/// <param name="IsEma">The weight average is being evaluated.</param>
/// <param name="Seconds">Time of this batch.</param>
/// <param name="MeanSeconds">Mean of that so far.</param>
/// <param name="Loss">Mean loss so far.</param>
/// <param name="Top1">Top-1 accuracy so far, in percent.</param>
/// <param name="Top5">Top-5 accuracy so far, in percent.</param>
public readonly record struct EvaluationStep(
    int Batch, int Batches, bool IsEma, double Seconds, double MeanSeconds, double Loss, double Top1, double Top5);

/// <summary>Nobody watches.</summary>
public sealed class NoProgress : ITrainingProgress
{
    /// <summary>The only one needed.</summary>
    public static NoProgress Instance { get; } = new();

    public void Trained(in TrainStep step) { }

    public void Evaluated(in EvaluationStep step) { }

    public void EvaluationFinished(EvaluationResult result, bool isEma) { }

    public void EpochFinished(EpochRow row, BestEpoch? best) { }

    public void Note(string message) { }
}
