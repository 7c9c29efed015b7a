using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Softmax over the last axis of logits [..., C] and cross-entropy with target distributions [..., C] (mixed labels,
/// a teacher's probabilities; they need not sum to 1): -Σ t · log softmax(x) per sample. A second output [samples, 2] keeps
/// for the gradient each sample's largest logit and Σ e^(x - largest).
/// </summary>
/// <param name="Reduction">Mean over samples, sum, or a loss per sample.</param>
public sealed record SoftCrossEntropy(LossReduction Reduction) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Output1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 2);
        var samples = LossLines.Check(this, inputs[0]);
        Rules.Is(this, inputs[1], DType.Float32, "the target distribution");
        Rules.HasShape(this, inputs[1], inputs[0].Shape, $"the target distribution of logits {inputs[0].Shape}");
        return LossLines.Outputs(samples, Reduction);
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var lines = new LossLines(inputs[0], outputs[1]);
        var targets = inputs[1].Pointer<float>();
        var losses = new double[lines.Count];
        lines.ForEach(sample =>
        {
            var statistics = CrossEntropies.Statistics(lines.Logits(sample), lines.Classes);
            lines.Keep(sample, statistics);
            losses[sample] = CrossEntropies.Loss(lines.Logits(sample), targets + (sample * lines.Classes), lines.Classes, statistics);
        });
        LossLines.Reduce(losses, Reduction, Reduction == LossReduction.Mean ? lines.Count : 1, outputs[0]);
    }

    public override Tensor?[] Gradient(GradientContext g) =>
    [
        !g.Needs(0) ? null
        : GradMode.IsEnabled ? LossLines.GradientOfOps(g.Input(0), g.Input(1), PerSample(g))
        : new SoftCrossEntropyGradient(Reduction).Apply(g.OutputGradient(), g.Input(0), g.Input(1), g.Output(1)),
        g.Needs(1) ? -(g.Input(0).LogSoftmax() * PerSample(g)) : null,
    ];

    private Tensor PerSample(GradientContext g)
    {
        var samples = g.InputSpec(0).Shape.With(-1, 1);
        return Reduction switch
        {
            LossReduction.None => g.OutputGradient().Reshape(samples),
            LossReduction.Sum => g.OutputGradient(),
            _ => g.OutputGradient() / samples.ElementCount,
        };
    }
}

/// <summary>
/// The gradient of <see cref="SoftCrossEntropy"/> with respect to the logits, in one pass: softmax · Σ t - t. Inputs: the
/// loss's gradient, logits, target distribution, and the statistics that the loss kept. It has no gradient itself.
/// </summary>
public sealed record SoftCrossEntropyGradient(LossReduction Reduction) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 4);
        var loss = new SoftCrossEntropy(Reduction).Infer([inputs[1], inputs[2]]);
        Rules.HasShape(this, inputs[0], loss[0].Shape, "the loss's gradient");
        Rules.HasShape(this, inputs[3], loss[1].Shape, "the statistics");
        return [inputs[1]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var lines = new LossLines(inputs[1], inputs[3]);
        var dy = inputs[0].Pointer<float>();
        var targets = inputs[2].Pointer<float>();
        var gradient = outputs[0].Pointer<float>();
        var divisor = Reduction == LossReduction.Mean ? lines.Count : 1;
        lines.ForEach(sample =>
        {
            var offset = sample * lines.Classes;
            var scale = dy[Reduction == LossReduction.None ? sample : 0] / (double)divisor;
            double total = 0;
            for (var c = 0; c < lines.Classes; c++)
                total += targets[offset + c];
            CrossEntropies.Gradient(lines.Logits(sample), targets + offset, gradient + offset, lines.Classes, lines.Statistics(sample), scale * total, scale);
        });
    }
}

public static partial class TensorOps
{
    /// <summary>Softmax cross-entropy of logits [..., C] with target distributions [..., C]: the mean over samples. See <see cref="Ops.SoftCrossEntropy"/>.</summary>
    public static Tensor SoftCrossEntropy(this Tensor logits, Tensor targets, LossReduction reduction = LossReduction.Mean) =>
        new SoftCrossEntropy(reduction).Apply(logits, targets);
}
