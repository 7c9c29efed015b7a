using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training;

/// <summary>Adds up logits against labels, batch by batch; softmax and sums are in float64.</summary>
public sealed class Evaluation(int classCount)
{
    private const int MistakesKept = 48;

    private readonly Dictionary<(int, int), int> _confusion = [];
    private readonly PriorityQueue<Mistake, (double, int)> _mistakes = new();
    private int _count;
    private int _top1;
    private int _top5;
    private double _loss;
    private int _labelled;
    private readonly List<float[]> _answers = [];
    private readonly List<float[]> _truths = [];

    /// <summary>Images judged so far.</summary>
    public int Count => _count;

    /// <summary>Mean cross-entropy so far.</summary>
    public double Loss => _loss / Math.Max(1, _count);

    /// <summary>Top-1 accuracy so far, in percent.</summary>
    public double Top1 => 100.0 * _top1 / Math.Max(1, _labelled);

    /// <summary>Top-5 accuracy so far, in percent.</summary>
    public double Top5 => 100.0 * _top5 / Math.Max(1, _labelled);

    /// <summary>Takes one batch in.</summary>
    /// <param name="logits">float32 [N, classes].</param>
    /// <param name="labels">int64 [N].</param>
    /// <param name="indices">Which images of the data set they are.</param>
    /// <param name="targets">float32 [N, classes], where images have several classes: 1 or 0; null: the labels say all.</param>
    /// <exception cref="ShapeException">The network has another number of classes.</exception>
    /// <exception cref="VertebraException">A label is no class of the network.</exception>
    public void Add(Tensor logits, Tensor labels, IReadOnlyList<int> indices, Tensor? targets = null)
    {
        if (logits.Rank != 2 || logits.Shape[1] != classCount || labels.ElementCount != logits.Shape[0])
            throw new ShapeException($"logits of shape {logits.Shape} for {labels.ElementCount} labels of {classCount} classes");
        if (targets is not null)
        {
            AddMultiLabel(logits, targets, indices);
            return;
        }
        var scores = logits.AsSpan<float>();
        var classes = labels.AsSpan<long>();
        for (var i = 0; i < classes.Length; i++)
        {
            if ((ulong)classes[i] >= (ulong)classCount)
                throw new VertebraException($"image {indices[i]} has label {classes[i]}, but the network has {classCount} classes");
            Add(scores.Slice(i * classCount, classCount), (int)classes[i], indices[i]);
        }
        GC.KeepAlive(logits);
        GC.KeepAlive(labels);
    }

    private void AddMultiLabel(Tensor logits, Tensor targets, IReadOnlyList<int> indices)
    {
        if (targets.Shape != logits.Shape)
            throw new ShapeException($"logits of shape {logits.Shape} for targets of shape {targets.Shape}");
        var (scores, truths) = (logits.ToArray<float>(), targets.ToArray<float>());
        _answers.Add(scores);
        _truths.Add(truths);
        for (var i = 0; i < indices.Count; i++)
            AddMultiLabel(scores.AsSpan(i * classCount, classCount), truths.AsSpan(i * classCount, classCount), indices[i]);
    }

    private void AddMultiLabel(ReadOnlySpan<float> scores, ReadOnlySpan<float> truths, int index)
    {
        var (best, loss) = (-1, 0.0);
        for (var c = 0; c < classCount; c++)
        {
            double x = scores[c];
            loss += Math.Max(x, 0) - (x * truths[c]) + Math.Log(1 + Math.Exp(-Math.Abs(x)));
            if (truths[c] > 0.5f && (best < 0 || scores[c] > scores[best]))
                best = c;
        }
        _count++;
        _loss += loss / classCount;
        if (best < 0)
            return;
        var (rank, predicted) = (RankOf(scores, best), Largest(scores));
        _labelled++;
        _top1 += rank < 1 ? 1 : 0;
        _top5 += rank < 5 ? 1 : 0;
        if (rank > 0)
            Keep(new(index, best, predicted, Sigmoid(scores[predicted]), Sigmoid(scores[best])));

        static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
    }

    private void Add(ReadOnlySpan<float> scores, int label, int index)
    {
        var predicted = Largest(scores);
        double sum = 0;
        foreach (var score in scores)
            sum += Math.Exp((double)score - scores[predicted]);
        var rank = RankOf(scores, label);
        _count++;
        _labelled++;
        _top1 += rank < 1 ? 1 : 0;
        _top5 += rank < 5 ? 1 : 0;
        _loss += Math.Log(sum) + scores[predicted] - scores[label];
        System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_confusion, (label, predicted), out _)++;
        if (predicted != label)
            Keep(new(index, label, predicted, 1 / sum, Math.Exp((double)scores[label] - scores[predicted]) / sum));
    }

    private void Keep(Mistake mistake)
    {
        // The queue's first is the least confident, and among equals the later image, so that the order of batches is all that matters.
        _mistakes.Enqueue(mistake, (double.IsNaN(mistake.Confidence) ? 1 : mistake.Confidence, -mistake.Index));
        if (_mistakes.Count > MistakesKept)
            _mistakes.Dequeue();
    }

    /// <summary>The result over all batches.</summary>
    public EvaluationResult Finish() => new()
    {
        Count = _count,
        ClassCount = classCount,
        Loss = Loss,
        Top1 = Top1,
        Top5 = Top5,
        MultiLabel = _answers.Count == 0 ? null : MultiLabelScores.Of(Joined(_answers), Joined(_truths), classCount),
        Confusion = new Dictionary<(int, int), int>(_confusion),
        Mistakes = [.. _mistakes.UnorderedItems.OrderByDescending(m => m.Priority).Select(m => m.Element)],
    };

    private static float[] Joined(List<float[]> parts) => [.. parts.SelectMany(p => p)];

    /// <summary>How many images of a batch, by their first views, have their highest logit at their class, or at one of several.</summary>
    public static int CountCorrect(Tensor logits, Batch batch)
    {
        if (!batch.IsMultiLabel)
            return CountCorrect(logits, batch.Labels, batch.Count);
        var (scores, targets, classes) = (logits.ToArray<float>(), batch.Targets!.ToArray<float>(), logits.Shape[1]);
        return Enumerable.Range(0, batch.Count).Count(i => targets[(i * classes) + Largest(scores.AsSpan(i * classes, classes))] >= 0.5f);
    }

    /// <summary>How many rows of a batch, or of its first ones, have their highest logit at their label.</summary>
    public static int CountCorrect(Tensor logits, Tensor labels, int rows = int.MaxValue)
    {
        var classCount = logits.Shape[1];
        var scores = logits.AsSpan<float>();
        var classes = labels.AsSpan<long>();
        var correct = 0;
        for (var i = 0; i < Math.Min(rows, classes.Length); i++)
            correct += Largest(scores.Slice(i * classCount, classCount)) == classes[i] ? 1 : 0;
        GC.KeepAlive(logits);
        GC.KeepAlive(labels);
        return correct;
    }

    /// <summary>The first of the highest.</summary>
    private static int Largest(ReadOnlySpan<float> scores)
    {
        var best = 0;
        for (var i = 1; i < scores.Length; i++)
        {
            if (scores[i] > scores[best])
                best = i;
        }
        return best;
    }

    /// <summary>How many classes stand before this one; equal scores go by class number. NaN stands behind everything.</summary>
    private static int RankOf(ReadOnlySpan<float> scores, int label)
    {
        if (float.IsNaN(scores[label]))
            return scores.Length;
        var rank = 0;
        for (var i = 0; i < scores.Length; i++)
            rank += scores[i] > scores[label] || (scores[i] == scores[label] && i < label) ? 1 : 0;
        return rank;
    }
}
