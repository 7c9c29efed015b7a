using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// <see cref="Attention"/> of tokens to each other that reads queries, keys and values where one joint layer has put them, and leaves the
/// heads side by side: nothing is moved before and after. Inputs: [batch, tokens, 3 · heads · d], all queries before all keys before all
/// values, and perhaps a mask as that op's, whose batches may be fewer: it begins again after them. Outputs: [batch, tokens, heads · d],
/// and the log-sums of the rows for the gradient.
/// </summary>
public sealed record JointAttention(int Heads, float Scale) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Output1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 1, 2);
        Rules.Is(this, inputs[0], DType.Float32);
        Rules.Rank(this, inputs[0], 3, "[batch, tokens, 3 · heads · width]");
        var (batch, tokens, channels) = (inputs[0].Shape[0], inputs[0].Shape[1], inputs[0].Shape[2]);
        if (Heads < 1 || channels == 0 || channels % (3 * Heads) != 0)
            throw Rules.Broken(this, $"the last axis of {inputs[0].Shape} must be a multiple of 3 · {Heads} heads");
        if (inputs.Length == 2)
            CheckMask(inputs[1], batch, tokens);
        return [new([batch, tokens, channels / 3], DType.Float32), new([batch, Heads, tokens], DType.Float32)];
    }

    private void CheckMask(TensorSpec mask, int batch, int tokens)
    {
        var batches = mask.Shape.Rank == 4 && mask.Shape[0] > 0 ? mask.Shape[0] : 1;
        if (batch % batches != 0)
            throw Rules.Broken(this, $"the {batches} batches of mask {mask.Shape} must divide the {batch} of the tokens");
        Attention.CheckMask(this, mask, [batches, Heads, tokens, tokens]);
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var mask = Attention.AdditiveMask(inputs.Length == 2 ? inputs[1] : null);
        FusedAttention.Run(Operands(inputs[0], mask), Rows(outputs[0], 0, 1), outputs[1].Pointer<float>());
        GC.KeepAlive(mask);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var gradient = new JointAttentionGradient(Heads, Scale, g.Needs(1));
        Tensor[] operands = [g.OutputGradient(), g.Input(0), g.Output(1)];
        if (g.InputCount == 1)
            return [gradient.ApplyAll(operands)[0]];
        var results = gradient.ApplyAll([.. operands, g.Input(1)]);
        return [results[0], g.Needs(1) ? OfMask(results[1], g.InputSpec(1).Shape) : null];
    }

    // A mask that begins again gets the sum of what its repetitions would get.
    private static Tensor OfMask(Tensor scores, Shape mask)
    {
        var batches = mask.Rank == 4 ? mask[0] : 1;
        var repeated = scores.Reshape([scores.Shape[0] / batches, batches, .. scores.Shape.Span[1..]]);
        return repeated.Sum([0]).SumTo(mask);
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs) =>
        2 * inputs[0].Shape[1] * outputs[0].Shape.ElementCount;

    internal unsafe AttentionOperands Operands(Tensor joint, Tensor? mask)
    {
        var width = joint.Shape[2] / 3 / Heads;
        return new()
        {
            Batch = joint.Shape[0],
            HeadsPerBatch = Heads,
            Tokens = joint.Shape[1],
            Keys = joint.Shape[1],
            Width = width,
            ValueWidth = width,
            Scale = Scale,
            Q = Rows(joint, 0, 3),
            K = Rows(joint, 1, 3),
            V = Rows(joint, 2, 3),
            Mask = Attention.MaskOf(mask),
        };
    }

    /// <summary>One of the parts that lie side by side in the channels of [batch, tokens, parts · heads · width].</summary>
    internal unsafe HeadRows Rows(Tensor tokens, int part, int parts)
    {
        var channels = tokens.Shape[2] / parts;
        return HeadRows.SideBySide(tokens.Pointer<float>() + (part * channels), tokens.Shape[1], tokens.Shape[2], channels / Heads);
    }
}

/// <summary>
/// The gradients of <see cref="JointAttention"/>. Inputs: gradient of its result, its joint operand, its log-sums, and perhaps its mask.
/// Outputs: that of the joint operand, and, if <paramref name="WantsMask"/>, of the masked scores [batch, heads, tokens, tokens]. It has no
/// gradient itself: for second derivatives write attention with MatMul and Softmax.
/// </summary>
public sealed record JointAttentionGradient(int Heads, float Scale, bool WantsMask) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, WantsMask ? 4 : 3, 4);
        var forward = new JointAttention(Heads, Scale).Infer([inputs[1], .. inputs[3..]]);
        Rules.HasShape(this, inputs[0], forward[0].Shape, "gradient");
        Rules.HasShape(this, inputs[2], forward[1].Shape, "log-sums");
        return WantsMask ? [inputs[1], new([.. forward[1].Shape.Span, inputs[1].Shape[1]], DType.Float32)] : [inputs[1]];
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var op = new JointAttention(Heads, Scale);
        var mask = Attention.AdditiveMask(inputs.Length == 4 ? inputs[3] : null);
        FusedAttentionGradient.Run(op.Operands(inputs[1], mask), inputs[2].Pointer<float>(), op.Rows(inputs[0], 0, 1),
            op.Rows(outputs[0], 0, 3), op.Rows(outputs[0], 1, 3), op.Rows(outputs[0], 2, 3), WantsMask ? outputs[1].Pointer<float>() : null);
        GC.KeepAlive(mask);
    }
}

public static partial class TensorOps
{
    /// <summary>Attention of tokens to each other, head by head: softmax(scale · q · kᵀ + mask) · v, of q, k and v in one tensor.</summary>
    /// <param name="joint">[batch, tokens, 3 · heads · d]: all queries before all keys before all values.</param>
    /// <param name="heads">Heads, which stand side by side.</param>
    /// <param name="scale">Factor of the scores; 1/√d unless given.</param>
    /// <param name="mask">Broadcasts to [batch, heads, tokens, tokens], or has fewer batches and begins again after them: float32 is added to the scores (and may be trained), bool says which keys count.</param>
    /// <returns>[batch, tokens, heads · d].</returns>
    public static Tensor JointAttention(this Tensor joint, int heads, float? scale = null, Tensor? mask = null)
    {
        var op = new JointAttention(heads, scale ?? 1 / MathF.Sqrt(Math.Max(1, joint.Shape[-1] / 3 / heads)));
        return mask is null ? op.Apply(joint) : op.Apply(joint, mask);
    }
}
