namespace Vertebra.Lab.Training;

/// <summary>What an evaluation found. Accuracies are in percent.</summary>
public sealed class EvaluationResult
{
    /// <summary>Number of images judged.</summary>
    public required int Count { get; init; }

    /// <summary>Number of classes.</summary>
    public required int ClassCount { get; init; }

    /// <summary>Mean cross-entropy, without label smoothing.</summary>
    public required double Loss { get; init; }

    /// <summary>Share of images whose highest logit is that of their class.</summary>
    public required double Top1 { get; init; }

    /// <summary>Share of images whose class is among the five highest logits.</summary>
    public required double Top5 { get; init; }

    /// <summary>Number of images by true and predicted class; pairs that do not occur are absent.</summary>
    public required IReadOnlyDictionary<(int Actual, int Predicted), int> Confusion { get; init; }

    /// <summary>The wrong answers given with the most confidence, the worst first.</summary>
    public required IReadOnlyList<Mistake> Mistakes { get; init; }

    /// <summary>
    /// For images of several classes; null for others. <see cref="Loss"/> is the binary cross-entropy then, the mean over classes; an image
    /// counts in <see cref="Top1"/> and <see cref="Top5"/> when any of its classes is there, those without one do not count; and
    /// <see cref="Confusion"/> is empty.
    /// </summary>
    public MultiLabelScores? MultiLabel { get; init; }

    /// <summary>How many images of a class were judged.</summary>
    public int CountOf(int label) => Confusion.Where(c => c.Key.Actual == label).Sum(c => c.Value);

    /// <summary>Share of a class's images that were recognised, in percent; null when there were none.</summary>
    public double? AccuracyOf(int label) =>
        CountOf(label) is > 0 and var count ? 100.0 * Confusion.GetValueOrDefault((label, label)) / count : null;

    /// <summary>The pairs of classes taken for each other most often, the most frequent first.</summary>
    public IEnumerable<(int Actual, int Predicted, int Count)> Confusions() =>
        Confusion.Where(c => c.Key.Actual != c.Key.Predicted).OrderByDescending(c => c.Value).ThenBy(c => c.Key)
            .Select(c => (c.Key.Actual, c.Key.Predicted, c.Value));
}

/// <summary>A wrong answer.</summary>
/// <param name="Index">Which image of the data set.</param>
/// <param name="Actual">Its class.</param>
/// <param name="Predicted">The class it was taken for.</param>
/// <param name="Confidence">Softmax of that, in [0, 1].</param>
/// <param name="ActualConfidence">Softmax of its own class.</param>
public readonly record struct Mistake(int Index, int Actual, int Predicted, double Confidence, double ActualConfidence);
