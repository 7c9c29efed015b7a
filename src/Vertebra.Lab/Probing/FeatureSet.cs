using Vertebra.Autograd;
using Vertebra.Lab.Data;
using Vertebra.Lab.Training;
using Vertebra.Zoo;

namespace Vertebra.Lab.Probing;

/// <summary>What a frozen network makes of a labelled set: a vector for each image.</summary>
/// <param name="Values">float32 [images, dimensions].</param>
/// <param name="Labels">Class of each image.</param>
/// <param name="Indices">Which images of the data set they are.</param>
public sealed record FeatureSet(Tensor Values, int[] Labels, int[] Indices)
{
    /// <summary>Number of images.</summary>
    public int Count => Labels.Length;

    /// <summary>Length of a vector.</summary>
    public int Dimensions => Values.Shape[1];

    /// <summary>Runs a network over all images of a loader once.</summary>
    /// <param name="network">The network; its classifier is taken off, so that it gives the pooled vector which the classifier would see.</param>
    /// <param name="loader">The images, in order.</param>
    /// <param name="progress">Told how many batches of how many are done.</param>
    /// <param name="cancellation">Stops between batches with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="VertebraException">Not one image can be read, or the network gives no vectors.</exception>
    public static FeatureSet Of(Backbone network, BatchLoader loader, Action<long, long>? progress = null, CancellationToken cancellation = default)
    {
        network.ResetClassifier(0);
        network.Eval();
        using var off = GradMode.Off();
        var (values, labels, indices) = (new List<float[]>(), new List<int>(), new List<int>());
        Func<Tensor, Tensor>? infer = null;
        foreach (var batch in loader.Epoch(0, 0, cancellation))
        {
            cancellation.ThrowIfCancellationRequested();
            infer ??= Evaluator.Inference(network, batch.Images.Shape);
            var output = infer(batch.Images);
            if (output.Rank != 2)
                throw new VertebraException($"the network gives {output.Shape} instead of a vector for each image; a probe needs pooled features");
            values.Add(output.ToArray<float>());
            labels.AddRange(batch.Labels.ToArray<long>().Select(l => (int)l));
            indices.AddRange(batch.Indices);
            progress?.Invoke(batch.Number + 1, loader.BatchesPerEpoch);
        }
        if (labels.Count == 0)
            throw new VertebraException("not one image could be read");
        return Of([.. values.SelectMany(v => v)], [.. labels], [.. indices]);
    }

    /// <summary>Vectors that are there already.</summary>
    /// <param name="values">One after the other.</param>
    /// <param name="labels">Class of each.</param>
    /// <param name="indices">Which images they are; null for 0, 1, ...</param>
    public static FeatureSet Of(float[] values, int[] labels, int[]? indices = null) =>
        new(Tensor.From(values, [labels.Length, values.Length / labels.Length]), labels, indices ?? [.. Enumerable.Range(0, labels.Length)]);

    /// <summary>Some of the images.</summary>
    /// <param name="rows">Their places in this set.</param>
    public FeatureSet Select(int[] rows)
    {
        var all = Values.ToArray<float>();
        var values = new float[rows.Length * Dimensions];
        for (var i = 0; i < rows.Length; i++)
            all.AsSpan(rows[i] * Dimensions, Dimensions).CopyTo(values.AsSpan(i * Dimensions));
        return Of(values, Array.ConvertAll(rows, r => Labels[r]), Array.ConvertAll(rows, r => Indices[r]));
    }

    /// <summary>Judges scores of this set's images.</summary>
    /// <param name="scores">float32 [images, classes].</param>
    internal EvaluationResult Judge(Tensor scores)
    {
        var evaluation = new Evaluation(scores.Shape[1]);
        evaluation.Add(scores, Tensor.From(Array.ConvertAll(Labels, l => (long)l), [Count]), Indices);
        return evaluation.Finish();
    }
}
