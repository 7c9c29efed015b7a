using Vertebra.Lab.Training.Mixing;

namespace Vertebra.Lab.Training.Distillation;

/// <summary>Weights of labels and teachers, and whether the options about them go together.</summary>
internal static class DistillationWeights
{
    /// <summary>
    /// Writes out what follows from others, as timm's <c>train.py</c> does it: weights of the terms that are not given are those of their
    /// methods, or what the labels' given weight leaves of 1 where the method shares 1 with the labels. Nothing without a teacher.
    /// </summary>
    public static void FillIn(TrainingOptions options)
    {
        if (!options.HasTeacher)
            return;
        // Faghri et al. 2023 train on stored answers alone, at temperature 1.
        options.KdTemperature ??= options.Reinforced is null ? 4 : 1;
        if (options.Reinforced is not null)
            options.TaskLossWeight ??= 0;
        if (options.Peers.Count > 0)
            options.TaskLossWeight ??= 1 - new RoleChangeOptions().TeacherShare;
        options.DistillLossWeight ??= [.. options.Distill.Select(n => WeightOf(DistillationTerms.Find(n), options.TaskLossWeight))];
        options.TaskLossWeight ??= DistillationTerms.Find(options.Distill[0]).TaskWeight;
    }

    private static double WeightOf(DistillationMethod method, double? task) =>
        task is { } given && method.Weight + method.TaskWeight == 1 ? Math.Max(0, 1 - given) : method.Weight;

    /// <summary>Checks the options' ranges.</summary>
    /// <exception cref="VertebraException">A value is out of range; the message names the flag and the range.</exception>
    public static void Validate(TrainingOptions options)
    {
        var names = string.Join(' ', options.Distill);
        TrainingOptions.Check(options.Distill.Count > 0 && options.Distill.All(n => DistillationTerms.Names.Contains(n)), "distill", names, $"one or more of {string.Join(", ", DistillationTerms.Names)}");
        TrainingOptions.Check(options.Distill.Distinct().Count() == options.Distill.Count, "distill", names, "each name once");
        TrainingOptions.Check(options.KdTemperature is null or (> 0 and <= 1000), "kd-temperature", options.KdTemperature, "above 0 and at most 1000");
        TrainingOptions.Check(options.TaskLossWeight is null or (>= 0 and < 1e6), "task-loss-weight", options.TaskLossWeight, "at least 0");
        var weights = options.DistillLossWeight;
        TrainingOptions.Check(
            weights is null || (weights.Count == options.Distill.Count && weights.All(w => w is >= 0 and < 1e6)),
            "distill-loss-weight", string.Join(' ', weights ?? []), $"{options.Distill.Count} numbers, at least 0, one for each of --distill");
        TrainingOptions.Check(options.KdTokenDistillType is "hard" or "soft", "kd-token-distill-type", options.KdTokenDistillType, "hard or soft");
        TrainingOptions.Check(options.Teacher is null || options.Reinforced is null, "teacher", options.Teacher, "left out with --reinforced, which has the teachers' answers");
        TrainingOptions.Check(options.Unlabeled is null || options.Teacher is not null, "unlabeled", options.Unlabeled, "given together with --teacher, from which alone such images are learned");
        TrainingOptions.Check(options.Unlabeled is null || options.Sampler == "random", "sampler", options.Sampler, "random with --unlabeled, whose images have no class");
        if (options.Reinforced is not null)
            ValidateReinforced(options);
        if (options.Peers.Count > 0)
            ValidatePeers(options);
    }

    private static void ValidatePeers(TrainingOptions options)
    {
        TrainingOptions.Check(options.Teacher is { } teacher && !teacher.Contains(','), "peers", string.Join(' ', options.Peers), "given together with one --teacher, the pivot of the group");
        TrainingOptions.Check(Names(options) == Names(new()), "distill", Names(options), "left out with --peers");
        TrainingOptions.Check(options.PeersPromoted >= 1 && options.PeersPromoted <= options.Peers.Count, "peers-promoted", options.PeersPromoted, $"1 to {options.Peers.Count}, so that one of the group is left to teach");
        TrainingOptions.Check(options.TaskLossWeight is null or <= 1, "task-loss-weight", options.TaskLossWeight, "0 to 1 with --peers, whose share is what it leaves of 1");
        TrainingOptions.Check(options.Unlabeled is null, "unlabeled", options.Unlabeled, "left out with --peers, who learn from labels too");
        TrainingOptions.Check(options.AugSplits == 0, "aug-splits", options.AugSplits, "0 with --peers");
        static string Names(TrainingOptions o) => string.Join(' ', o.Distill);
    }

    // Answers were stored for single images that are varied as the file says.
    private static void ValidateReinforced(TrainingOptions options)
    {
        TrainingOptions.Check(MixingOptions.Of(options) is null, "mixup", options.Mixup, "0, like --cutmix, with --reinforced: teachers have answered for whole images");
        TrainingOptions.Check(options.AugRepeats <= 1, "aug-repeats", options.AugRepeats, "0 with --reinforced");
        TrainingOptions.Check(options.AugSplits == 0, "aug-splits", options.AugSplits, "0 with --reinforced");
        var foreign = options.Distill.FirstOrDefault(n => DistillationTerms.Find(n).NeedsNetworks);
        TrainingOptions.Check(foreign is null, "distill", foreign, "a method that needs the teachers' answers only, with --reinforced");
    }
}
