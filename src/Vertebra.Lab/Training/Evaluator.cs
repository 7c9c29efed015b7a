using System.Diagnostics;
using Vertebra.Autograd;
using Vertebra.Communication;
using Vertebra.Graphs;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Distributed;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>Judges a network on a data set.</summary>
public static class Evaluator
{
    /// <summary>Runs the network in evaluation mode over all images; the mode it was in is restored.</summary>
    /// <param name="network">Takes images [N, H, W, C], returns logits [N, classes].</param>
    /// <param name="loader">The images, in order.</param>
    /// <param name="classCount">Number of classes.</param>
    /// <param name="progress">Told of every batch; null for nobody.</param>
    /// <param name="isEma">What progress calls the weights.</param>
    /// <param name="cancellation">Stops between batches with <see cref="OperationCanceledException"/>.</param>
    /// <param name="processes">Processes that share the work, each with its part of the images (<see cref="LoaderOptions.Share"/>), and all learn the result; null: this one alone.</param>
    /// <exception cref="VertebraException">Not one image could be read, or labels and network do not fit.</exception>
    public static EvaluationResult Run(
        Module network, BatchLoader loader, int classCount, ITrainingProgress? progress = null, bool isEma = false, CancellationToken cancellation = default, IProcessGroup? processes = null)
    {
        var wasTraining = network.IsTraining;
        network.Eval();
        try
        {
            using var recording = GradMode.Off();
            var evaluation = new Evaluation(classCount);
            Func<Tensor, Tensor>? infer = null;
            var start = Stopwatch.GetTimestamp();
            var former = start;
            var judged = JudgedRows.Of(loader.Epoch(0, 0, cancellation), images => (infer ??= Inference(network, images.Shape))(images));
            foreach (var batch in processes is null ? judged : JudgedRows.Shared(judged, loader.BatchesPerEpoch, processes))
            {
                cancellation.ThrowIfCancellationRequested();
                evaluation.Add(batch.Logits, batch.Labels, batch.Indices, batch.Targets);
                var now = Stopwatch.GetTimestamp();
                progress?.Evaluated(new(
                    batch.Number, loader.BatchesPerEpoch, isEma, Stopwatch.GetElapsedTime(former, now).TotalSeconds,
                    Stopwatch.GetElapsedTime(start, now).TotalSeconds / (batch.Number + 1), evaluation.Loss, evaluation.Top1, evaluation.Top5));
                former = now;
            }
            if (evaluation.Count == 0)
                throw new VertebraException("not one image of the evaluation set could be read");
            return evaluation.Finish();
        }
        finally
        {
            network.Train(wasTraining);
        }
    }

    // A compiled graph takes less time and memory. What cannot be traced (its computation depends on the data) runs as it is.
    internal static Func<Tensor, Tensor> Inference(Module network, Shape images)
    {
        try
        {
            var compiled = Graph.Trace(network, OpenAxes.Batch, images).Compile();
            return batch => compiled.Run(batch)[0];
        }
        catch (VertebraException)
        {
            return network.Forward;
        }
    }
}
