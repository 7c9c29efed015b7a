using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Softmax over the last axis of float32 logits [..., C] and cross-entropy with int64 class indices [...], as one stable op.
/// An optional third input [C] weighs the classes. As PyTorch's cross_entropy: with label smoothing ε the target
/// distribution is (1 - ε) on the class and ε / C on every class; the mean is over the weights of the targets; samples
/// whose target is <paramref name="IgnoreIndex"/> contribute nothing. A second output [samples, 2] keeps for the
/// gradient each sample's largest logit and Σ e^(x - largest).
/// </summary>
/// <param name="LabelSmoothing">ε, in [0, 1].</param>
/// <param name="Reduction">Mean, sum, or a loss per sample.</param>
/// <param name="IgnoreIndex">The target that marks a sample to leave out.</param>
public sealed record CrossEntropy(float LabelSmoothing, LossReduction Reduction, int IgnoreIndex) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Input2 | Saved.Output1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2, 3);
        var samples = LossLines.Check(this, inputs[0]);
        Rules.Is(this, inputs[1], DType.Int64, "the targets");
        Rules.HasShape(this, inputs[1], samples, $"the targets of logits {inputs[0].Shape}");
        if (inputs.Length == 3)
        {
            Rules.Is(this, inputs[2], DType.Float32, "the class weights");
            Rules.HasShape(this, inputs[2], [inputs[0].Shape[-1]], $"the class weights of logits {inputs[0].Shape}");
        }
        if (LabelSmoothing is not (>= 0 and <= 1))
            throw Rules.Broken(this, $"label smoothing must lie in [0, 1], got {LabelSmoothing}");
        return LossLines.Outputs(samples, Reduction);
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var lines = new LossLines(inputs[0], outputs[1]);
        var targets = inputs[1].Pointer<long>();
        var weights = inputs.Length == 3 ? inputs[2].Pointer<float>() : null;
        CheckTargets(inputs[1], lines.Classes);
        var losses = new double[lines.Count];
        lines.ForEach(sample =>
        {
            var statistics = CrossEntropies.Statistics(lines.Logits(sample), lines.Classes);
            lines.Keep(sample, statistics);
            if (targets[sample] == IgnoreIndex)
                return;
            losses[sample] = (1 - (double)LabelSmoothing) * WeightOf(weights, targets[sample]) * CrossEntropies.Loss(lines.Logits(sample), targets[sample], statistics);
            if (LabelSmoothing > 0)
                losses[sample] += (double)LabelSmoothing / lines.Classes * CrossEntropies.Loss(lines.Logits(sample), weights, lines.Classes, statistics);
        });
        LossLines.Reduce(losses, Reduction, Reduction == LossReduction.Mean ? Divisor(targets, weights, lines.Count) : 1, outputs[0]);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var weights = g.InputCount == 3 ? g.Input(2) : null;
        if (weights is not null && g.Needs(2))
            throw new VertebraException($"{Name}: class weights have no gradient; detach them");
        var gradient = GradMode.IsEnabled ? GradientOfOps(g, weights)
            : weights is null ? new CrossEntropyGradient(this).Apply(g.OutputGradient(), g.Input(0), g.Input(1), g.Output(1))
            : new CrossEntropyGradient(this).Apply(g.OutputGradient(), g.Input(0), g.Input(1), g.Output(1), weights);
        return weights is null ? [gradient, null] : [gradient, null, null];
    }

    private Tensor GradientOfOps(GradientContext g, Tensor? weights)
    {
        var samples = g.InputSpec(0).Shape.With(-1, 1);
        var dy = Reduction == LossReduction.None ? g.OutputGradient().Reshape(samples) : g.OutputGradient();
        return LossLines.GradientOfOps(g.Input(0), Distribution(g.InputSpec(0).Shape, g.Input(1), weights), dy);
    }

    /// <summary>What the fused op never writes down: the target distributions [..., C], weighted, smoothed and divided as the loss is.</summary>
    private unsafe Tensor Distribution(Shape shape, Tensor targets, Tensor? weights)
    {
        var (result, classes) = (Tensor.Zeros(shape), shape[-1]);
        var indices = targets.AsSpan<long>();
        var values = result.AsSpan<float>();
        var factors = weights is null ? null : weights.Pointer<float>();
        var divisor = Reduction == LossReduction.Mean ? Divisor(targets.Pointer<long>(), factors, indices.Length) : 1;
        for (var sample = 0; sample < indices.Length; sample++)
        {
            if (indices[sample] == IgnoreIndex)
                continue;
            var line = values.Slice(sample * classes, classes);
            for (var c = 0; c < classes; c++)
                line[c] = (float)(WeightOf(factors, c) * (((double)LabelSmoothing / classes) + (c == indices[sample] ? 1 - (double)LabelSmoothing : 0)) / divisor);
        }
        GC.KeepAlive(targets);
        GC.KeepAlive(weights);
        return result;
    }

    /// <summary>The sum of the weights of the targets that count.</summary>
    internal unsafe double Divisor(long* targets, float* weights, long count)
    {
        double sum = 0;
        for (long sample = 0; sample < count; sample++)
            sum += targets[sample] == IgnoreIndex ? 0 : WeightOf(weights, targets[sample]);
        return sum;
    }

    internal static unsafe double WeightOf(float* weights, long target) => weights is null ? 1 : weights[target];

    private void CheckTargets(Tensor targets, int classes)
    {
        var values = targets.AsSpan<long>();
        for (var sample = 0; sample < values.Length; sample++)
        {
            if ((ulong)values[sample] >= (ulong)classes && values[sample] != IgnoreIndex)
                throw new VertebraException($"{Name}: target {values[sample]} of sample {sample} is not a class index in [0, {classes})");
        }
    }
}

/// <summary>
/// The gradient of <see cref="CrossEntropy"/> with respect to the logits, in one pass: (softmax - target distribution) ·
/// weight. Inputs: the loss's gradient, logits, targets, the statistics that the loss kept, and the class weights if any.
/// It has no gradient itself.
/// </summary>
public sealed record CrossEntropyGradient(CrossEntropy Of) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 4, 5);
        var loss = Of.Infer([inputs[1], inputs[2], .. inputs[4..]]);
        Rules.HasShape(this, inputs[0], loss[0].Shape, "the loss's gradient");
        Rules.HasShape(this, inputs[3], loss[1].Shape, "the statistics");
        return [inputs[1]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var lines = new LossLines(inputs[1], inputs[3]);
        var dy = inputs[0].Pointer<float>();
        var targets = inputs[2].Pointer<long>();
        var gradient = outputs[0].Pointer<float>();
        var weights = inputs.Length == 5 ? inputs[4].Pointer<float>() : null;
        var divisor = Of.Reduction == LossReduction.Mean ? Of.Divisor(targets, weights, lines.Count) : 1;
        var perClass = (double)Of.LabelSmoothing / lines.Classes;
        double allWeights = 0;
        for (var c = 0; c < lines.Classes; c++)
            allWeights += CrossEntropy.WeightOf(weights, c);
        lines.ForEach(sample =>
        {
            var line = gradient + (sample * lines.Classes);
            var target = targets[sample];
            if (target == Of.IgnoreIndex)
            {
                new Span<float>(line, lines.Classes).Clear();
                return;
            }
            var scale = dy[Of.Reduction == LossReduction.None ? sample : 0] / divisor;
            var onTarget = (1 - (double)Of.LabelSmoothing) * CrossEntropy.WeightOf(weights, target);
            CrossEntropies.Gradient(lines.Logits(sample), weights, line, lines.Classes, lines.Statistics(sample), scale * (onTarget + (perClass * allWeights)), scale * perClass);
            line[target] -= (float)(scale * onTarget);
        });
    }
}

public static partial class TensorOps
{
    /// <summary>
    /// Softmax cross-entropy of logits [..., C] with int64 class indices [...]: the mean over samples, a scalar. See <see cref="Ops.CrossEntropy"/>.
    /// </summary>
    /// <param name="logits">float32 [..., C].</param>
    /// <param name="targets">int64 [...], each in [0, C) or <paramref name="ignoreIndex"/>.</param>
    /// <param name="labelSmoothing">In [0, 1].</param>
    /// <param name="classWeights">float32 [C], or none.</param>
    /// <param name="reduction">Mean, sum, or a loss per sample.</param>
    /// <param name="ignoreIndex">The target that marks a sample to leave out.</param>
    public static Tensor CrossEntropy(this Tensor logits, Tensor targets, float labelSmoothing = 0, Tensor? classWeights = null,
        LossReduction reduction = LossReduction.Mean, int ignoreIndex = -100) =>
        classWeights is null ? new CrossEntropy(labelSmoothing, reduction, ignoreIndex).Apply(logits, targets)
        : new CrossEntropy(labelSmoothing, reduction, ignoreIndex).Apply(logits, targets, classWeights);
}
