using Vertebra.Ops;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>Distances of a student's logits [N, C] from distributions [N, C] of teachers, through which no gradient flows; each is a scalar, the mean over the N samples.</summary>
public static class DistillationLosses
{
    // A probability is kept off 0 by this much before its logarithm is taken.
    private const float Tiny = 1e-12f;

    /// <summary>
    /// T² · KL(p ‖ softmax(z / T)) (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015): T² keeps the size of
    /// gradients when the temperature changes.
    /// </summary>
    /// <param name="logits">z, the student's.</param>
    /// <param name="probabilities">p, the teachers' at the same temperature.</param>
    /// <param name="temperature">T.</param>
    public static Tensor KullbackLeibler(Tensor logits, Tensor probabilities, double temperature)
    {
        var negativeEntropy = (probabilities * probabilities.Clamp(Tiny).Log()).Sum([1]).Mean();
        return ((logits / (float)temperature).SoftCrossEntropy(probabilities) + negativeEntropy) * (float)(temperature * temperature);
    }

    /// <summary>The Jensen-Shannon divergence ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q) / 2, of the student's q = softmax(z).</summary>
    /// <param name="logits">z.</param>
    /// <param name="probabilities">p.</param>
    public static Tensor JensenShannon(Tensor logits, Tensor probabilities)
    {
        var logs = logits.LogSoftmax();
        var own = logs.Exp();
        var logMixture = ((own + probabilities) * 0.5f).Clamp(Tiny).Log();
        var ofTeacher = probabilities * (probabilities.Clamp(Tiny).Log() - logMixture);
        var ofStudent = own * (logs - logMixture);
        return (ofTeacher + ofStudent).Sum([1]).Mean() * 0.5f;
    }

    /// <summary>The cross-entropy with the most probable class.</summary>
    /// <param name="logits">The student's.</param>
    /// <param name="probabilities">The teachers'.</param>
    public static Tensor Hard(Tensor logits, Tensor probabilities) => logits.CrossEntropy(probabilities.ArgMax());
}

/// <summary>Soft targets of a temperature: <see cref="DistillationLosses.KullbackLeibler"/>.</summary>
internal sealed class SoftTargetTerm(double temperature) : IDistillationTerm
{
    public Tensor Compute(DistillationPass pass) => DistillationLosses.KullbackLeibler(pass.Logits, pass.TeacherProbabilities(temperature), temperature);
}

/// <summary>The teachers' class as a label (Touvron et al., "Training data-efficient image transformers and distillation through attention", ICML 2021), not smoothed.</summary>
internal sealed class HardTargetTerm : IDistillationTerm
{
    public Tensor Compute(DistillationPass pass) => DistillationLosses.Hard(pass.Logits, pass.TeacherProbabilities());
}

/// <summary>
/// SSLD (Cui et al., "Beyond self-supervision: a simple yet effective network distillation alternative to improve backbones", 2021):
/// nothing but the teachers' soft labels, by the Jensen-Shannon divergence, so that unlabelled images serve as well as labelled ones.
/// </summary>
internal sealed class JensenShannonTerm : IDistillationTerm
{
    public Tensor Compute(DistillationPass pass) => DistillationLosses.JensenShannon(pass.Logits, pass.TeacherProbabilities());
}

/// <summary>
/// The distillation token (Touvron et al., ICML 2021): a network with a class token and a distillation token, each with a head. The labels
/// teach the first head, the teachers the second, by their class or by soft targets; evaluation takes the mean of both.
/// </summary>
internal sealed class DistillationTokenTerm : IDistillationTerm
{
    private readonly double? _temperature;

    /// <exception cref="VertebraException">The student has no such token.</exception>
    public DistillationTokenTerm(DistillationContext context)
    {
        var heads = context.Student.ClassifierPaths;
        if (heads.Count != 2 || !heads[1].Contains("dist", StringComparison.Ordinal))
            throw new VertebraException($"--distill token needs a network with a head for distillation, as deit_tiny_distilled_patch16_224 is; {context.Options.Model} has {(heads.Count == 1 ? "one head" : $"the heads {string.Join(", ", heads)}")}");
        _temperature = context.Options.KdTokenDistillType == "soft" ? context.Options.KdTemperature : null;
    }

    public bool NeedsHeads => true;

    public Tensor Compute(DistillationPass pass) => _temperature is { } temperature
        ? DistillationLosses.KullbackLeibler(pass.HeadLogits[1], pass.TeacherProbabilities(temperature), temperature)
        : DistillationLosses.Hard(pass.HeadLogits[1], pass.TeacherProbabilities());
}
