using System.Globalization;
using Vertebra.Lab.Data;

namespace Vertebra.Lab.Training.Losses;

/// <summary>Weights of classes in the loss, by the values of <c>--class-weights</c>: numbers, or the name of a rule.</summary>
public static class ClassWeights
{
    // β of the effective number of images of a class.
    private const double Beta = 0.9999;

    /// <summary>
    /// The weights. <c>balanced</c> is n / (C · n_c), as scikit-learn's; <c>effective</c> is (1 - β) / (1 - β^n_c) scaled to a mean
    /// of 1 (Cui, Jia, Lin, Song and Belongie, "Class-balanced loss based on effective number of samples", CVPR 2019).
    /// </summary>
    /// <param name="options">The options, checked.</param>
    /// <param name="classCount">Number of classes.</param>
    /// <param name="training">The images whose labels are counted.</param>
    /// <returns>float32 [classes], or null when none are asked for.</returns>
    /// <exception cref="VertebraException">The numbers given are not one for each class.</exception>
    public static Tensor? Of(TrainingOptions options, int classCount, BatchLoader training)
    {
        if (options.ClassWeights.Count == 0)
            return null;
        if (options.ClassWeights[0] is "balanced" or "effective")
            return Tensor.From(OfCounts(options.ClassWeights[0], training.LabelCounts(classCount)), [classCount]);
        if (options.ClassWeights.Count != classCount)
            throw new VertebraException($"--class-weights has {options.ClassWeights.Count} numbers, and the network {classCount} classes: give one for each");
        return Tensor.From([.. options.ClassWeights.Select(Parse)], [classCount]);
    }

    /// <summary>The weights of a rule; classes without images have weight 0.</summary>
    /// <param name="rule">balanced or effective.</param>
    /// <param name="counts">Images of each class.</param>
    public static float[] OfCounts(string rule, IReadOnlyList<long> counts)
    {
        if (rule == "balanced")
            return [.. counts.Select(c => c == 0 ? 0 : (float)(counts.Sum() / ((double)counts.Count * c)))];
        var raw = counts.Select(c => c == 0 ? 0 : (1 - Beta) / (1 - Math.Pow(Beta, c))).ToArray();
        return [.. raw.Select(w => (float)(w * raw.Length / raw.Sum()))];
    }

    internal static void Validate(TrainingOptions options)
    {
        var given = options.ClassWeights;
        TrainingOptions.Check(
            given is [] or ["balanced"] or ["effective"] || given.All(w => Parse(w) >= 0), "class-weights", string.Join(' ', given), "balanced, effective, or a number for each class, at least 0");
        TrainingOptions.Check(
            given.Count == 0 || TrainingLosses.NameOf(options) is "ce" or "bce" or "jsd" or "focal" or "am-softmax" or "aam-softmax", "class-weights", string.Join(' ', given),
            "left out with this loss: ce, bce, jsd, focal and the margin losses take class weights");
    }

    private static float Parse(string text) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && float.IsFinite(value) ? value : float.NaN;
}
