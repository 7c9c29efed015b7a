using Vertebra.Ops;

namespace Vertebra.Lab.Training.Losses;

/// <summary>Losses of logits [N, C] and target matrices [N, C]; each is a scalar, the mean over the N samples.</summary>
public static class ClassificationLosses
{
    // A probability is kept off 0 by this much before its power or logarithm is taken, whose gradients have no bound there.
    private const float Tiny = 1e-12f;

    /// <summary>Softmax cross-entropy with target distributions; <paramref name="classWeights"/> [C] weigh each class's part, as in PyTorch's <c>cross_entropy</c> with probabilities.</summary>
    public static Tensor SoftTarget(Tensor logits, Tensor targets, Tensor? classWeights = null) =>
        logits.SoftCrossEntropy(classWeights is null ? targets : targets * classWeights);

    /// <summary>
    /// Every class a yes-or-no question ("ResNet strikes back", Wightman et al. 2021); timm's <c>BinaryCrossEntropy</c>.
    /// </summary>
    /// <param name="logits">[N, C].</param>
    /// <param name="targets">[N, C], in [0, 1].</param>
    /// <param name="options">Threshold, sum and weights.</param>
    public static Tensor Binary(Tensor logits, Tensor targets, BinaryLossOptions options)
    {
        if (options.TargetThreshold is { } threshold)
            targets = targets.Greater((float)threshold).To(DType.Float32);
        var losses = logits.BinaryCrossEntropyWithLogits(targets, LossReduction.None);
        // p·t·(-log σ) = t·(-log σ) + (p - 1)·t·(-log σ), and -log σ is the loss of a target 1.
        if (options.PositiveWeight is { } positive)
            losses += logits.BinaryCrossEntropyWithLogits(Tensor.Ones(logits.Shape), LossReduction.None) * targets * (float)(positive - 1);
        if (options.ClassWeights is { } weights)
            losses *= weights;
        return options.SumsClasses ? losses.Sum([1]).Mean() : losses.Mean();
    }

    /// <summary>
    /// Focal loss over sigmoids (Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", ICCV 2017): the
    /// sum over classes of -α_t · (1 - p_t)^γ · log p_t.
    /// </summary>
    /// <param name="logits">[N, C].</param>
    /// <param name="targets">[N, C], in [0, 1].</param>
    /// <param name="gamma">γ: 0 is the cross-entropy; larger, easy samples count less.</param>
    /// <param name="alpha">α for targets of 1, 1 - α for those of 0; null: neither.</param>
    public static Tensor FocalSigmoid(Tensor logits, Tensor targets, double gamma, double? alpha)
    {
        var others = 1 - targets;
        // 1 - p_t without cancellation.
        var missed = (targets * (-logits).Sigmoid()) + (others * logits.Sigmoid());
        var losses = logits.BinaryCrossEntropyWithLogits(targets, LossReduction.None) * missed.Clamp(Tiny).Pow((float)gamma);
        if (alpha is { } share)
            losses *= (targets * (float)share) + (others * (float)(1 - share));
        return losses.Sum([1]).Mean();
    }

    /// <summary>The same over a softmax: -Σ t_c · w_c · (1 - p_c)^γ · log p_c.</summary>
    /// <param name="logits">[N, C].</param>
    /// <param name="targets">[N, C] distributions.</param>
    /// <param name="gamma">γ.</param>
    /// <param name="classWeights">w [C], in place of α; null: 1.</param>
    public static Tensor FocalSoftmax(Tensor logits, Tensor targets, double gamma, Tensor? classWeights = null)
    {
        var logs = logits.LogSoftmax();
        var missed = (1 - logs.Exp()).Clamp(Tiny);
        return -((classWeights is null ? targets : targets * classWeights) * missed.Pow((float)gamma) * logs).Sum([1]).Mean();
    }

    /// <summary>
    /// Asymmetric loss for images of several classes (Ridnik, Ben-Baruch, Zamir, Noy, Friedman, Protter and Zelnik-Manor,
    /// "Asymmetric loss for multi-label classification", ICCV 2021): focusing γ- for absent and γ+ for present classes, and
    /// the probability of absent ones shifted down by a margin. The sum over classes.
    /// </summary>
    /// <param name="logits">[N, C].</param>
    /// <param name="targets">[N, C], in [0, 1].</param>
    /// <param name="negative">γ-.</param>
    /// <param name="positive">γ+.</param>
    /// <param name="clip">The margin m; an absent class of probability below it costs nothing.</param>
    public static Tensor AsymmetricMultiLabel(Tensor logits, Tensor targets, double negative, double positive, double clip)
    {
        const float Least = 1e-8f; // as in the authors' code
        var present = logits.Sigmoid();
        // p_m = max(p - m, 0): what enters the negative part, as 1 - p_m.
        var absent = ((-logits).Sigmoid() + (float)clip).Clamp(max: 1);
        var ofPresent = (1 - present).Clamp(Tiny).Pow((float)positive) * present.Clamp(Least).Log();
        var ofAbsent = (1 - absent).Clamp(Tiny).Pow((float)negative) * absent.Clamp(Least).Log();
        return -((targets * ofPresent) + ((1 - targets) * ofAbsent)).Sum([1]).Mean();
    }

    /// <summary>The same authors' form for one class an image, over a softmax: log-probabilities are focused by (1 - p)^γ+ on the target and p^γ- elsewhere, and then meet the smoothed targets.</summary>
    /// <param name="logits">[N, C].</param>
    /// <param name="targets">[N, C], not smoothed.</param>
    /// <param name="negative">γ-.</param>
    /// <param name="positive">γ+.</param>
    /// <param name="smoothing">Label smoothing.</param>
    public static Tensor AsymmetricSingleLabel(Tensor logits, Tensor targets, double negative, double positive, double smoothing)
    {
        var logs = logits.LogSoftmax();
        var p = logs.Exp();
        var others = 1 - targets;
        var missed = (1 - (p * targets) - ((1 - p) * others)).Clamp(Tiny);
        var exponent = (targets * (float)positive) + (others * (float)negative);
        var smoothed = (targets * (float)(1 - smoothing)) + (float)(smoothing / logits.Shape[1]);
        return -(smoothed * logs * missed.Power(exponent)).Sum([1]).Mean();
    }

    /// <summary>
    /// Cross-entropy of the first view, and α times the Jensen-Shannon divergence of all views (Hendrycks et al., "AugMix", ICLR
    /// 2020); timm's <c>JsdCrossEntropy</c>.
    /// </summary>
    /// <param name="logits">[S * N, C]: all first views, then all second ones, and so on.</param>
    /// <param name="firstLoss">The cross-entropy of the first N rows.</param>
    /// <param name="splits">S, at least 2.</param>
    /// <param name="alpha">Weight of the divergence.</param>
    public static Tensor JensenShannon(Tensor logits, Func<Tensor, Tensor> firstLoss, int splits, double alpha = 12)
    {
        var views = logits.Chunk(splits, 0);
        var logs = Array.ConvertAll(views, v => v.LogSoftmax());
        var probabilities = Array.ConvertAll(logs, l => l.Exp());
        var mixture = probabilities.Aggregate((a, b) => a + b) / splits;
        // The mixture stays off 0, so that the divergence stays finite.
        var logMixture = mixture.Clamp(1e-7f, 1).Log();
        var divergence = probabilities.Zip(logs, (p, l) => (p * (l - logMixture)).Sum([1]).Mean()).Aggregate((a, b) => a + b);
        return firstLoss(views[0]) + (divergence * (float)(alpha / splits));
    }
}

/// <summary>How <see cref="ClassificationLosses.Binary"/> counts.</summary>
public sealed record BinaryLossOptions
{
    /// <summary>Targets above it become 1 and the others 0; null: as they are.</summary>
    public double? TargetThreshold { get; init; }

    /// <summary>Sum over the classes of a sample instead of their mean.</summary>
    public bool SumsClasses { get; init; }

    /// <summary>Factor on the part of targets that are 1.</summary>
    public double? PositiveWeight { get; init; }

    /// <summary>[C]: factor on each class's part.</summary>
    public Tensor? ClassWeights { get; init; }
}
