using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>How a group of networks teaches itself (ORC).</summary>
public sealed record RoleChangeOptions
{
    /// <summary>How many students teach in each round, k; 1 was best in the paper.</summary>
    public int Promoted { get; init; } = 1;

    /// <summary>β: share of what teachers say; the rest is the labels'.</summary>
    public double TeacherShare { get; init; } = 0.5;

    /// <summary>Divides logits before the softmax of what is taught.</summary>
    public double Temperature { get; init; } = 4;

    /// <summary>α of the Beta(α, α) from which the share of an image and of the feedback sample mixed into it comes.</summary>
    public double MixAlpha { get; init; } = 1;
}

/// <summary>
/// The choices of ORC (Choi, Cho, Cheung and Hwang, "ORC: network group-based knowledge distillation using online role change", ICCV
/// 2023) in one round: who teaches, and which images the students find hard.
/// </summary>
public static class RoleChange
{
    /// <summary>The students that are made teachers for a round: those of the least losses, best first; of equals the earlier.</summary>
    /// <param name="losses">Mean loss of each student on the round's images, before it learns from them.</param>
    /// <param name="count">How many, less than there are.</param>
    public static IReadOnlyList<int> Promote(IReadOnlyList<double> losses, int count) =>
        [.. Enumerable.Range(0, losses.Count).OrderBy(s => losses[s]).Take(count)];

    /// <summary>
    /// The feedback samples of a round, as many as it has images: each student hands in those that it finds hardest, the more of them
    /// the greater its loss is beside the others', by the softmax of their mean losses.
    /// </summary>
    /// <param name="losses">By student, by image.</param>
    /// <returns>Places of images in the round; one that several students find hard comes several times.</returns>
    public static IReadOnlyList<int> Feedback(IReadOnlyList<float[]> losses)
    {
        var count = losses[0].Length;
        var counts = Shares([.. losses.Select(l => l.Average(x => (double)x))], count);
        return [.. losses.SelectMany((own, s) => Enumerable.Range(0, count).OrderByDescending(i => own[i]).Take(counts[s]))];
    }

    /// <summary>Parts of a whole by the softmax of numbers, the largest remainders rounded up.</summary>
    private static int[] Shares(double[] numbers, int whole)
    {
        var largest = numbers.Max();
        var weights = Array.ConvertAll(numbers, x => Math.Exp(x - largest));
        var total = weights.Sum();
        var exact = Array.ConvertAll(weights, w => w / total * whole);
        var parts = Array.ConvertAll(exact, x => (int)x);
        foreach (var i in Enumerable.Range(0, parts.Length).OrderByDescending(i => exact[i] - parts[i]).Take(whole - parts.Sum()))
            parts[i]++;
        return parts;
    }

    /// <summary>For each image of a round one of the feedback samples, in an order of chance.</summary>
    internal static int[] Deal(IReadOnlyList<int> feedback, ref SampleRandom random)
    {
        var dealt = feedback.ToArray();
        for (var i = dealt.Length - 1; i > 0; i--)
        {
            var j = random.Below(i + 1);
            (dealt[i], dealt[j]) = (dealt[j], dealt[i]);
        }
        return dealt;
    }
}
