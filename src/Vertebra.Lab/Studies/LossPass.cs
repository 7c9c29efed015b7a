using Vertebra.Lab.Data;

namespace Vertebra.Lab.Studies;

/// <summary>Loss and probabilities of each image at some weights.</summary>
/// <param name="count">Images of the data set.</param>
internal sealed class LossPass(int count)
{
    private readonly float[]?[] _probabilities = new float[count][];
    private readonly double[] _losses = new double[count];

    /// <summary>Images that could be read.</summary>
    public int Count { get; private set; }

    /// <summary>Whether an image could be read.</summary>
    public bool Has(int image) => _probabilities[image] is not null;

    /// <summary>Cross-entropy of an image.</summary>
    public double Loss(int image) => _losses[image];

    /// <summary>Mean over the images that could be read.</summary>
    public double Mean => _losses.Sum() / Count;

    /// <summary>Takes in logits [N, classes] of a batch; softmax in float64.</summary>
    public void Add(Batch batch, Tensor logits)
    {
        var classes = logits.Shape[1];
        var scores = logits.AsSpan<float>();
        var labels = batch.Labels.AsSpan<long>();
        for (var i = 0; i < batch.Count; i++)
        {
            var row = scores.Slice(i * classes, classes);
            double largest = float.NegativeInfinity, sum = 0;
            foreach (var score in row)
                largest = Math.Max(largest, score);
            foreach (var score in row)
                sum += Math.Exp(score - largest);
            var probabilities = new float[classes];
            for (var c = 0; c < classes; c++)
                probabilities[c] = (float)(Math.Exp(row[c] - largest) / sum);
            var image = batch.Indices[i];
            (_probabilities[image], _losses[image]) = (probabilities, Math.Log(sum) + largest - row[(int)labels[i]]);
            Count++;
        }
        GC.KeepAlive(logits);
        GC.KeepAlive(batch);
    }

    /// <summary>The class that lost most probability of an image on the way to another pass, and the one that won most.</summary>
    public (int From, int To) Flow(LossPass next, int image)
    {
        var (before, after) = (_probabilities[image]!, next._probabilities[image]!);
        var (from, to) = (0, 0);
        for (var c = 1; c < before.Length; c++)
        {
            from = after[c] - before[c] < after[from] - before[from] ? c : from;
            to = after[c] - before[c] > after[to] - before[to] ? c : to;
        }
        return (from, to);
    }

    /// <summary>How much the losses have moved on the way to another pass in that direction in which they moved less.</summary>
    public double MovedBothWays(LossPass next)
    {
        double risen = 0, fallen = 0;
        for (var i = 0; i < _losses.Length; i++)
        {
            var change = next._losses[i] - _losses[i];
            (risen, fallen) = (risen + Math.Max(0, change), fallen + Math.Max(0, -change));
        }
        return Math.Min(risen, fallen);
    }

    /// <summary>Mean absolute change of the loss of an image on the way to another pass.</summary>
    public double MeanChange(LossPass next) => _losses.Zip(next._losses, (a, b) => Math.Abs(b - a)).Sum() / Count;
}
