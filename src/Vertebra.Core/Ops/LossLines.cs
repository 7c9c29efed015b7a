using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>The lines of logits that a cross-entropy walks, one per sample, and the statistics it keeps of them.</summary>
internal sealed unsafe class LossLines(Tensor logits, Tensor statistics)
{
    private readonly float* _logits = logits.Pointer<float>();
    private readonly float* _statistics = statistics.Pointer<float>();

    public int Classes { get; } = logits.Shape[-1];

    public long Count { get; } = logits.Shape.CountBetween(0, logits.Rank - 1);

    public float* Logits(long sample) => _logits + (sample * Classes);

    public void Keep(long sample, (float Max, float Sum) statistics) =>
        (_statistics[2 * sample], _statistics[(2 * sample) + 1]) = statistics;

    public (float Max, float Sum) Statistics(long sample) => (_statistics[2 * sample], _statistics[(2 * sample) + 1]);

    public void ForEach(Action<long> body) => Softmaxes.ForEachLine(Count, Classes, (body, Classes), static (in job, offset, _) => job.body(offset / job.Classes));

    /// <summary>The shape of the samples of logits [..., C].</summary>
    /// <exception cref="ShapeException">There is no class axis, or it is empty.</exception>
    public static Shape Check(Op op, TensorSpec logits)
    {
        Rules.Is(op, logits, DType.Float32, "the logits");
        return logits.Shape.Rank > 0 && logits.Shape[-1] > 0 ? logits.Shape.Span[..^1].ToArray()
            : throw Rules.Broken(op, $"logits must be [..., classes] with at least one class, got shape {logits.Shape}");
    }

    public static TensorSpec[] Outputs(Shape samples, LossReduction reduction) =>
    [
        new(reduction == LossReduction.None ? samples : Shape.Scalar, DType.Float32),
        new([checked((int)samples.ElementCount), 2], DType.Float32),
    ];

    /// <summary>The gradient of -Σ t · log softmax(x) built of ops, for where it is to be differentiated again: (softmax · Σ t - t) · dy.</summary>
    public static Tensor GradientOfOps(Tensor logits, Tensor targets, Tensor dy) =>
        ((logits.Softmax() * targets.Sum([-1], keepAxes: true)) - targets) * dy;

    public static void Reduce(double[] losses, LossReduction reduction, double divisor, Tensor output)
    {
        var target = output.AsSpan<float>();
        if (reduction != LossReduction.None)
        {
            target[0] = (float)(losses.Sum() / divisor);
            return;
        }
        for (var sample = 0; sample < losses.Length; sample++)
            target[sample] = (float)losses[sample];
    }
}
