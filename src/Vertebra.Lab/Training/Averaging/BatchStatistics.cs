using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Nn;

namespace Vertebra.Lab.Training;

/// <summary>Running statistics of batch norms for weights that training has never seen, such as averages.</summary>
public static class BatchStatistics
{
    /// <summary>
    /// Puts in the place of every running mean and variance the plain mean of the batches' ones, over one epoch of training images
    /// in training mode; PyTorch's <c>update_bn</c>. A network without batch norms is left as it is.
    /// </summary>
    /// <param name="network">The network.</param>
    /// <param name="loader">Training images.</param>
    /// <param name="epoch">Number of the epoch that is drawn.</param>
    /// <param name="seed">Seed of dropout and its like.</param>
    /// <param name="cancellation">Ends it with <see cref="OperationCanceledException"/>, the statistics half done.</param>
    public static void Reestimate(Module network, BatchLoader loader, int epoch, ulong seed, CancellationToken cancellation = default)
    {
        var trackers = network.NamedModules().Where(m => m.Module is NormLayer { Momentum: not null, IsFrozen: false }).SelectMany(m => Trackers((NormLayer)m.Module)).ToList();
        if (trackers.Count == 0)
            return;
        network.Train();
        using var off = GradMode.Off();
        var seen = 0;
        foreach (var batch in loader.Epoch(epoch, 0, cancellation))
        {
            trackers.ForEach(t => t.Begin());
            using (TrainingRandom.Begin(seed, ((long)epoch * loader.BatchesPerEpoch) + batch.Number))
                network.Forward(batch.Images);
            seen++;
            trackers.ForEach(t => t.End(seen));
        }
        network.Eval();
    }

    private static IEnumerable<Tracker> Trackers(NormLayer layer) =>
        layer.NamedBuffers().Where(b => b.Name is "running_mean" or "running_var").Select(b => new Tracker(b.Tensor, layer.Momentum!.Value));

    /// <summary>One buffer: set to zero before a batch it holds the batch's statistic times the momentum afterwards.</summary>
    private sealed class Tracker(Tensor running, float momentum)
    {
        private readonly double[] _sum = new double[running.ElementCount];

        public void Begin() => running.CopyFrom<float>(new float[_sum.Length]);

        public void End(int seen)
        {
            var batch = running.ToArray<float>();
            for (var i = 0; i < batch.Length; i++)
            {
                _sum[i] += (double)batch[i] / momentum;
                batch[i] = (float)(_sum[i] / seen);
            }
            running.CopyFrom<float>(batch);
        }
    }
}
