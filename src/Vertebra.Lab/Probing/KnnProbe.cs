using Vertebra.Ops;

namespace Vertebra.Lab.Probing;

/// <summary>
/// Weighted nearest neighbours by cosine (Wu et al., "Unsupervised feature learning via non-parametric instance
/// discrimination", CVPR 2018; as DINO evaluates, Caron et al. 2021, eval_knn): the k most similar training images each give
/// their class exp(similarity / temperature).
/// </summary>
/// <param name="k">Neighbours that vote, at least 1.</param>
/// <param name="temperature">Above 0; the smaller, the more the nearest one decides.</param>
public sealed class KnnProbe(int k = 20, double temperature = 0.07)
{
    private const int BlockRows = 256;

    /// <summary>Votes for the classes of images.</summary>
    /// <param name="training">Images whose classes are known.</param>
    /// <param name="images">Images to tell.</param>
    /// <param name="classCount">Number of classes.</param>
    /// <param name="cancellation">Stops between blocks with <see cref="OperationCanceledException"/>.</param>
    /// <returns>float32 [images, classes]; votes over exp(1 / temperature), so that no sum overflows.</returns>
    /// <exception cref="VertebraException">A parameter is out of range, or there are fewer training images than neighbours.</exception>
    public Tensor Votes(FeatureSet training, FeatureSet images, int classCount, CancellationToken cancellation = default)
    {
        RequireFor(training.Count);
        var (known, asked) = (Tensor.From(UnitRows(training), training.Values.Shape), UnitRows(images));
        var votes = new float[images.Count * classCount];
        for (var first = 0; first < images.Count; first += BlockRows)
        {
            cancellation.ThrowIfCancellationRequested();
            var (begin, rows) = (first, Math.Min(BlockRows, images.Count - first));
            var block = Tensor.From(asked.AsSpan(begin * images.Dimensions, rows * images.Dimensions).ToArray(), [rows, images.Dimensions]);
            var similarities = block.MatMul(known, transposeB: true).ToArray<float>();
            Parallel.For(0, rows, row => Vote(similarities.AsSpan(row * training.Count, training.Count), training.Labels, votes.AsSpan((begin + row) * classCount, classCount)));
        }
        return Tensor.From(votes, [images.Count, classCount]);
    }

    /// <summary>Checks the parameters before features are computed.</summary>
    /// <param name="images">Number of training images.</param>
    /// <exception cref="VertebraException">A parameter is out of range.</exception>
    public void RequireFor(int images)
    {
        if (k < 1 || k > images)
            throw new VertebraException($"--k is {k}; it must be 1 to {images}, the number of training images");
        if (!(temperature > 0 && double.IsFinite(temperature)))
            throw new VertebraException($"--temperature is {temperature}; it must be above 0");
    }

    /// <summary>Accuracy on labelled images.</summary>
    /// <inheritdoc cref="Votes"/>
    public Training.EvaluationResult Run(FeatureSet training, FeatureSet images, int classCount, CancellationToken cancellation = default) =>
        images.Judge(Votes(training, images, classCount, cancellation));

    private void Vote(ReadOnlySpan<float> similarities, int[] labels, Span<float> votes)
    {
        // The least similar of the best so far comes out first, and among equals the later image.
        var best = new PriorityQueue<int, (float Similarity, int Place)>(k + 1);
        for (var i = 0; i < similarities.Length; i++)
        {
            if (best.Count < k)
                best.Enqueue(i, (similarities[i], -i));
            else if (best.TryPeek(out _, out var least) && similarities[i] > least.Similarity)
                best.EnqueueDequeue(i, (similarities[i], -i));
        }
        // In the order of the images, so that sums do not depend on that of the queue.
        foreach (var i in best.UnorderedItems.Select(e => e.Element).Order())
            votes[labels[i]] += (float)Math.Exp((similarities[i] - 1) / temperature);
    }

    private static float[] UnitRows(FeatureSet set)
    {
        var values = set.Values.ToArray<float>();
        for (var start = 0; start < values.Length; start += set.Dimensions)
        {
            var row = values.AsSpan(start, set.Dimensions);
            double sum = 0;
            foreach (var value in row)
                sum += (double)value * value;
            var scale = 1 / Math.Max(Math.Sqrt(sum), 1e-12);
            for (var i = 0; i < row.Length; i++)
                row[i] = (float)(row[i] * scale);
        }
        return values;
    }
}
