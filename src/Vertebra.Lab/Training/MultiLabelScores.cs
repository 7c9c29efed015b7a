namespace Vertebra.Lab.Training;

/// <summary>How well yes-or-no answers for each class were given. In percent.</summary>
public sealed class MultiLabelScores
{
    /// <summary>Number of images that show each class.</summary>
    public required IReadOnlyList<int> Counts { get; init; }

    /// <summary>
    /// Average precision of each class: Σ (Rₙ - Rₙ₋₁) · Pₙ over the images by falling score, those of equal scores together, not
    /// interpolated; scikit-learn's <c>average_precision_score</c>. Null for a class that no image shows.
    /// </summary>
    public required IReadOnlyList<double?> AveragePrecision { get; init; }

    /// <summary>F1 = 2·TP / (2·TP + FP + FN) of each class at <see cref="Threshold"/>; null for one that neither occurs nor is named.</summary>
    public required IReadOnlyList<double?> F1 { get; init; }

    /// <summary>Mean of <see cref="AveragePrecision"/> over the classes that have one: mAP.</summary>
    public required double MeanAveragePrecision { get; init; }

    /// <summary>Mean of <see cref="F1"/> over the classes that have one.</summary>
    public required double MacroF1 { get; init; }

    /// <summary>F1 of all answers together.</summary>
    public required double MicroF1 { get; init; }

    /// <summary>Probability from which on a class is named.</summary>
    public double Threshold => 0.5;

    /// <summary>Scores of answers.</summary>
    /// <param name="logits">[images, classes], row by row; sigmoid makes probabilities of them.</param>
    /// <param name="targets">The same for what is true: 1 or 0.</param>
    /// <param name="classCount">Number of classes.</param>
    public static MultiLabelScores Of(ReadOnlySpan<float> logits, ReadOnlySpan<float> targets, int classCount)
    {
        var images = logits.Length / classCount;
        var precision = new double?[classCount];
        var f1 = new double?[classCount];
        var counts = new int[classCount];
        var (allRight, allWrong) = (0L, 0L);
        var (scores, isTrue) = (new float[images], new bool[images]);
        for (var c = 0; c < classCount; c++)
        {
            var (right, wrong) = (0L, 0L);
            for (var i = 0; i < images; i++)
            {
                (scores[i], isTrue[i]) = (-logits[(i * classCount) + c], targets[(i * classCount) + c] > 0.5f);
                counts[c] += isTrue[i] ? 1 : 0;
                // σ(x) > ½ where x > 0.
                var isNamed = scores[i] < 0;
                right += isNamed && isTrue[i] ? 1 : 0;
                wrong += isNamed != isTrue[i] ? 1 : 0;
            }
            (allRight, allWrong) = (allRight + right, allWrong + wrong);
            f1[c] = F1Of(right, wrong);
            Array.Sort(scores, isTrue);
            precision[c] = AveragePrecisionOf(scores, isTrue, counts[c]);
        }
        return new()
        {
            Counts = counts,
            AveragePrecision = precision,
            F1 = f1,
            MeanAveragePrecision = precision.Average() ?? double.NaN,
            MacroF1 = f1.Average() ?? double.NaN,
            MicroF1 = F1Of(allRight, allWrong) ?? double.NaN,
        };
    }

    private static double? F1Of(long right, long wrong) => right + wrong == 0 ? null : 100.0 * 2 * right / ((2 * right) + wrong);

    /// <summary>Of images by rising negative score.</summary>
    private static double? AveragePrecisionOf(float[] scores, bool[] isTrue, int positives)
    {
        if (positives == 0)
            return null;
        var (sum, found, former) = (0.0, 0, 0);
        for (var i = 0; i < scores.Length; i++)
        {
            found += isTrue[i] ? 1 : 0;
            if (i + 1 < scores.Length && scores[i + 1] == scores[i])
                continue;
            sum += (found - former) * (double)found / (i + 1);
            former = found;
        }
        return 100 * sum / positives;
    }
}
