using Vertebra.Ops;

namespace Vertebra.Lab.Training.Losses;

/// <summary>Which of the two supervised contrastive losses.</summary>
public enum ContrastiveForm
{
    /// <summary>The mean over positives outside the logarithm.</summary>
    Out,

    /// <summary>The mean over positives inside the logarithm.</summary>
    In,
}

/// <summary>Losses of embeddings.</summary>
public static class ContrastiveLosses
{
    // Takes the place of a similarity that must not count; e to it is 0.
    private const float Excluded = -1e9f;

    /// <summary>
    /// Supervised contrastive loss (Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equations 2 and 3): samples of
    /// one class attract each other against all others of the batch. The mean over the samples that have another of their class;
    /// 0 when none has.
    /// </summary>
    /// <param name="embeddings">float32 [N, D], of any length; only their directions count. Views of an image are rows of their own.</param>
    /// <param name="labels">int64 [N].</param>
    /// <param name="temperature">τ, above 0; 0.1 in the paper.</param>
    /// <param name="form">L_out or L_in.</param>
    public static Tensor Supervised(Tensor embeddings, Tensor labels, double temperature = 0.1, ContrastiveForm form = ContrastiveForm.Out)
    {
        var (self, positives, counts) = Masks(labels.ToArray<long>());
        var anchors = counts.Count(c => c > 0);
        if (anchors == 0)
            return (embeddings * 0).Sum();
        var unit = Normalise(embeddings);
        var similarities = unit.MatMul(unit, transposeB: true) / (float)temperature;
        var logs = (similarities + self).LogSoftmax();
        if (form == ContrastiveForm.Out)
            return ((logs * positives).Sum([1]) * Weights(counts, anchors, perPositive: true)).Sum();
        var ofPositives = logs + ((1 - positives) * Excluded);
        var largest = ofPositives.Max([1], keepAxes: true).Detach();
        var sums = (ofPositives - largest).Exp().Sum([1]).Log() + largest.Reshape([-1]);
        return ((sums - Tensor.From(Array.ConvertAll(counts, c => MathF.Log(Math.Max(1, c))), [counts.Length])) * Weights(counts, anchors, perPositive: false)).Sum();
    }

    // By anchor; one without a positive counts for nothing.
    private static Tensor Weights(int[] counts, int anchors, bool perPositive) =>
        Tensor.From(Array.ConvertAll(counts, c => c == 0 ? 0 : -1f / anchors / (perPositive ? c : 1)), [counts.Length]);

    /// <summary>Rows of length 1: x / max(|x|, 1e-12), as PyTorch's <c>normalize</c>.</summary>
    public static Tensor Normalise(Tensor x) => x / x.Square().Sum([-1], keepAxes: true).Clamp(1e-24f).Sqrt();

    private static (Tensor Self, Tensor Positives, int[] Counts) Masks(long[] labels)
    {
        var count = labels.Length;
        var (self, positives, counts) = (new float[count * count], new float[count * count], new int[count]);
        for (var i = 0; i < count; i++)
        {
            self[(i * count) + i] = Excluded;
            for (var j = 0; j < count; j++)
            {
                if (i == j || labels[i] != labels[j])
                    continue;
                positives[(i * count) + j] = 1;
                counts[i]++;
            }
        }
        return (Tensor.From(self, [count, count]), Tensor.From(positives, [count, count]), counts);
    }
}
