using Vertebra.Lab.Data;
using Vertebra.Lab.Training.Mixing;
using Vertebra.Ops;
using Vertebra.Zoo.Layers;

namespace Vertebra.Lab.Training.Losses;

/// <summary>The loss that the training options ask for.</summary>
public static class TrainingLosses
{
    /// <summary>Values of <c>--loss</c>.</summary>
    public static IReadOnlyCollection<string> Names => Makers.Keys;

    // By name: what makes the loss of options and class weights. timm's flags --bce-loss and --jsd-loss are two of them.
    private static readonly Dictionary<string, Func<TrainingOptions, Tensor?, ITrainingLoss>> Makers = new(StringComparer.Ordinal)
    {
        ["ce"] = (o, w) => new TrainingLoss((logits, batch) => CrossEntropy(logits, batch, o.Smoothing, w)),
        ["bce"] = (o, w) => Binary(o, w),
        ["jsd"] = (o, w) => new TrainingLoss((logits, batch) => ClassificationLosses.JensenShannon(
            logits, first => first.CrossEntropy(batch.Labels.Slice(0, 0, batch.Count), (float)o.Smoothing, w), batch.Splits)),
        ["focal"] = (o, w) => OfTargets(o.Smoothing, (logits, targets) => ClassificationLosses.FocalSoftmax(logits, targets, o.FocalGamma, w)),
        ["focal-sigmoid"] = (o, _) => OfTargets(o.Smoothing, (logits, targets) => ClassificationLosses.FocalSigmoid(logits, targets, o.FocalGamma, o.FocalAlpha)),
        ["asl"] = (o, _) => OfTargets(0, (logits, targets) => ClassificationLosses.AsymmetricSingleLabel(logits, targets, o.AslGammaNeg, o.AslGammaPos, o.Smoothing)),
        ["asl-multi-label"] = (o, _) => OfTargets(0, (logits, targets) => ClassificationLosses.AsymmetricMultiLabel(logits, targets, o.AslGammaNeg, o.AslGammaPos, o.AslClip)),
        ["am-softmax"] = (o, w) => Margin(o, w, MarginKind.AdditiveCosine, o.Margin ?? 0.35),
        ["aam-softmax"] = (o, w) => Margin(o, w, MarginKind.AdditiveAngle, o.Margin ?? 0.5),
        ["supcon"] = (o, _) => Contrastive(o.SupconTemp, ContrastiveForm.Out),
        ["supcon-in"] = (o, _) => Contrastive(o.SupconTemp, ContrastiveForm.In),
    };

    /// <summary>Makes the loss of a run.</summary>
    /// <param name="options">The options, checked.</param>
    /// <param name="classWeights">float32 [classes]; null: every class counts alike.</param>
    public static ITrainingLoss Create(TrainingOptions options, Tensor? classWeights = null) => Makers[NameOf(options)](options, classWeights);

    /// <summary>Which of <see cref="Names"/> the options mean.</summary>
    internal static string NameOf(TrainingOptions options) => 
        options.JsdLoss ? "jsd" : options.BceLoss || (options.MultiLabel && options.Loss == "ce") ? "bce" : options.Loss;

    /// <summary>Softmax cross-entropy: the fused op of labels where they say all.</summary>
    private static Tensor CrossEntropy(Tensor logits, Batch batch, double smoothing, Tensor? classWeights) =>
        batch.Targets is null ? logits.CrossEntropy(batch.Labels, (float)smoothing, classWeights)
        : ClassificationLosses.SoftTarget(logits, Targets.Smoothed(batch, logits.Shape[1], smoothing), classWeights);

    private static TrainingLoss Binary(TrainingOptions options, Tensor? classWeights)
    {
        var binary = new BinaryLossOptions
        {
            TargetThreshold = options.BceTargetThresh,
            SumsClasses = options.BceSum,
            PositiveWeight = options.BcePosWeight,
            ClassWeights = classWeights,
        };
        return OfTargets(options.Smoothing, (logits, targets) => ClassificationLosses.Binary(logits, targets, binary));
    }

    private static TrainingLoss OfTargets(double smoothing, Func<Tensor, Tensor, Tensor> loss) =>
        new((logits, batch) => loss(logits, Targets.Smoothed(batch, logits.Shape[1], smoothing)));

    // The cosine head has multiplied its cosines already.
    private static TrainingLoss Margin(TrainingOptions options, Tensor? classWeights, MarginKind kind, double margin)
    {
        var scale = (float)(options.HeadScale ?? CosineHead.DefaultScale);
        return new((logits, batch) => (Margins.Apply(logits / scale, batch.Labels, kind, margin) * scale).CrossEntropy(batch.Labels, (float)options.Smoothing, classWeights));
    }

    private static TrainingLoss Contrastive(double temperature, ContrastiveForm form) =>
        new((logits, batch) => ContrastiveLosses.Supervised(logits, batch.Labels, temperature, form));

    /// <summary>Checks the options' ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag and the range.</exception>
    internal static void Validate(TrainingOptions options)
    {
        TrainingOptions.Check(Makers.ContainsKey(options.Loss), "loss", options.Loss, string.Join(", ", Names));
        TrainingOptions.Check(!options.BceLoss || options.Loss is "ce" or "bce", "bce-loss", options.BceLoss, "left out with another --loss");
        TrainingOptions.Check(!options.JsdLoss || (options.Loss is "ce" or "jsd" && !options.BceLoss), "jsd-loss", options.JsdLoss, "left out with --bce-loss or another --loss");
        TrainingOptions.Check(options.AugSplits >= 2 || NameOf(options) != "jsd", "aug-splits", options.AugSplits, "2 or more with --jsd-loss");
        TrainingOptions.Check(options.BceTargetThresh is null or (>= 0 and < 1), "bce-target-thresh", options.BceTargetThresh, "at least 0 and below 1");
        TrainingOptions.Check(options.BcePosWeight is null or (> 0 and < 1e9), "bce-pos-weight", options.BcePosWeight, "above 0");
        TrainingOptions.Check(options.FocalGamma is >= 0 and <= 100, "focal-gamma", options.FocalGamma, "0 to 100");
        TrainingOptions.Check(options.FocalAlpha is null or (>= 0 and <= 1), "focal-alpha", options.FocalAlpha, "0 to 1");
        TrainingOptions.Check(options.AslGammaNeg is >= 0 and <= 100, "asl-gamma-neg", options.AslGammaNeg, "0 to 100");
        TrainingOptions.Check(options.AslGammaPos is >= 0 and <= 100, "asl-gamma-pos", options.AslGammaPos, "0 to 100");
        TrainingOptions.Check(options.AslClip is >= 0 and < 1, "asl-clip", options.AslClip, "at least 0 and below 1");
        TrainingOptions.Check(options.SupconTemp is > 0 and <= 1000, "supcon-temp", options.SupconTemp, "above 0");
        TrainingOptions.Check(options.Margin is null or (>= 0 and < 1.5), "margin", options.Margin, "at least 0 and below 1.5");
        var hasMargin = NameOf(options) is "am-softmax" or "aam-softmax";
        TrainingOptions.Check(!hasMargin || options.Head == "cosine", "head", options.Head ?? "left out", "cosine with a margin loss");
        TrainingOptions.Check(!hasMargin || MixingOptions.Of(options) is null, "mixup", options.Mixup, "0, like --cutmix, with a margin loss, which needs one class an image");
        TrainingOptions.Check(
            !options.MultiLabel || NameOf(options) is "bce" or "focal-sigmoid" or "asl-multi-label", "loss", NameOf(options), "bce, focal-sigmoid or asl-multi-label with --multi-label");
        ClassWeights.Validate(options);
    }
}
