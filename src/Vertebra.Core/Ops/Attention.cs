using Vertebra.Autograd;
using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>
/// Scaled dot-product attention (Vaswani et al. 2017), softmax over the keys of scale · q · kᵀ + mask, times v. Inputs:
/// q [batch, heads, tokens, d], k [batch, heads, keys, d], v [batch, heads, keys, e] and perhaps a mask, which broadcasts to
/// [batch, heads, tokens, keys] and ends in the keys: float32 is added to the scores, bool says which keys count. A row whose keys
/// are all masked out gives zeros. Outputs: [batch, heads, tokens, e], and the log-sums of the rows for the gradient.
/// The score matrix is never kept whole; the gradient computes it again, block by block.
/// </summary>
public sealed record Attention(float Scale) : Op
{
    public override Saved Saves => Saved.Input0 | Saved.Input1 | Saved.Input2 | Saved.Input3 | Saved.Output1;

    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, 3, 4);
        var (q, k, v) = (inputs[0].Shape, inputs[1].Shape, inputs[2].Shape);
        for (var i = 0; i < 3; i++)
        {
            Rules.Is(this, inputs[i], DType.Float32);
            Rules.Rank(this, inputs[i], 4, "[batch, heads, tokens, width]");
        }
        if (k[0] != q[0] || v[0] != q[0] || k[1] != q[1] || v[1] != q[1])
            throw Rules.Broken(this, $"q {q}, k {k} and v {v} must agree in batch and heads (axes 0 and 1)");
        if (k[3] != q[3] || q[3] == 0)
            throw Rules.Broken(this, $"q {q} and k {k} must agree in width (axis 3), at least 1");
        if (v[2] != k[2])
            throw Rules.Broken(this, $"k {k} and v {v} must have the same number of keys (axis 2)");
        if (inputs.Length == 4)
            CheckMask(this, inputs[3], [q[0], q[1], q[2], k[2]]);
        return [new([q[0], q[1], q[2], v[3]], DType.Float32), new([q[0], q[1], q[2]], DType.Float32)];
    }

    internal static void CheckMask(Op op, TensorSpec mask, Shape scores)
    {
        if (mask.DType is not (DType.Float32 or DType.Bool))
            throw Rules.Broken(op, $"mask must be Float32 (added) or Bool (true: the key counts), got {mask.DType}");
        var fits = mask.Shape.Rank is >= 1 and <= 4 && mask.Shape[-1] == scores[-1];
        for (var axis = 2; fits && axis <= mask.Shape.Rank; axis++)
            fits = mask.Shape[-axis] == 1 || mask.Shape[-axis] == scores[-axis];
        if (!fits)
            throw Rules.Broken(op, $"mask of shape {mask.Shape} must broadcast to the scores {scores} and end in an axis of {scores[-1]} keys");
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var mask = AdditiveMask(inputs.Length == 4 ? inputs[3] : null);
        FusedAttention.Run(Operands(Scale, inputs[0], inputs[1], inputs[2], mask), Rows(outputs[0]), outputs[1].Pointer<float>());
        GC.KeepAlive(mask);
    }

    public override Tensor?[] Gradient(GradientContext g)
    {
        var gradient = new AttentionGradient(Scale, g.Needs(3));
        Tensor[] operands = [g.OutputGradient(), g.Input(0), g.Input(1), g.Input(2), g.Output(1)];
        if (g.InputCount == 3)
            return gradient.ApplyAll(operands);
        var results = gradient.ApplyAll([.. operands, g.Input(3)]);
        return [results[0], results[1], results[2], g.Needs(3) ? results[3].SumTo(g.InputSpec(3).Shape) : null];
    }

    public override long Macs(ReadOnlySpan<TensorSpec> inputs, ReadOnlySpan<TensorSpec> outputs)
    {
        var (q, k, v) = (inputs[0].Shape, inputs[1].Shape, inputs[2].Shape);
        return q.CountBetween(0, 3) * k[2] * (q[3] + (long)v[3]);
    }

    /// <summary>The mask as numbers to add: a bool one becomes 0 where true and -∞ where false.</summary>
    internal static Tensor? AdditiveMask(Tensor? mask)
    {
        if (mask is null || mask.DType == DType.Float32)
            return mask;
        var additive = Tensor.Empty(mask.Shape);
        var from = mask.AsSpan<bool>();
        var to = additive.AsSpan<float>();
        for (var i = 0; i < to.Length; i++)
            to[i] = from[i] ? 0 : float.NegativeInfinity;
        return additive;
    }

    internal static unsafe AttentionOperands Operands(float scale, Tensor q, Tensor k, Tensor v, Tensor? mask) => new()
    {
        Batch = q.Shape[0],
        HeadsPerBatch = q.Shape[1],
        Tokens = q.Shape[2],
        Keys = k.Shape[2],
        Width = q.Shape[3],
        ValueWidth = v.Shape[3],
        Scale = scale,
        Q = Rows(q),
        K = Rows(k),
        V = Rows(v),
        Mask = MaskOf(mask),
    };

    /// <param name="mask">Broadcasts to [batch, heads, tokens, keys], or has fewer batches and begins again after them.</param>
    internal static unsafe AttentionMask MaskOf(Tensor? mask)
    {
        if (mask is null)
            return default;
        Span<long> strides = stackalloc long[4];
        strides.Clear();
        long own = 1;
        for (var axis = 1; axis <= mask.Rank; axis++)
        {
            strides[^axis] = mask.Shape[-axis] == 1 ? 0 : own;
            own *= mask.Shape[-axis];
        }
        return new(mask.Pointer<float>(), mask.Rank == 4 ? mask.Shape[0] : 1, strides[0], strides[1], strides[2]);
    }

    /// <summary>Of a tensor [batch, heads, rows, width].</summary>
    internal static unsafe HeadRows Rows(Tensor x) => HeadRows.Apart(x.Pointer<float>(), x.Shape[1], x.Shape[2], x.Shape[3]);
}

/// <summary>
/// The gradients of <see cref="Attention"/>. Inputs: gradient of its result, q, k, v, its log-sums, and perhaps its mask. Outputs: those
/// of q, k and v, and, if <paramref name="WantsMask"/>, of the masked scores, whole. It has no gradient itself: for second
/// derivatives write attention with MatMul and Softmax.
/// </summary>
public sealed record AttentionGradient(float Scale, bool WantsMask) : Op
{
    public override TensorSpec[] Infer(ReadOnlySpan<TensorSpec> inputs)
    {
        Rules.Arity(this, inputs, WantsMask ? 6 : 5, 6);
        var forward = new Attention(Scale).Infer([.. inputs[1..4], .. inputs[5..]]);
        Rules.HasShape(this, inputs[0], forward[0].Shape, "gradient");
        Rules.HasShape(this, inputs[4], forward[1].Shape, "log-sums");
        TensorSpec[] operands = [inputs[1], inputs[2], inputs[3]];
        return WantsMask ? [.. operands, new([.. inputs[1].Shape.Span[..3], inputs[2].Shape[2]], DType.Float32)] : operands;
    }

    protected internal override unsafe void Forward(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var mask = Attention.AdditiveMask(inputs.Length == 6 ? inputs[5] : null);
        FusedAttentionGradient.Run(Attention.Operands(Scale, inputs[1], inputs[2], inputs[3], mask), inputs[4].Pointer<float>(), Attention.Rows(inputs[0]),
            Attention.Rows(outputs[0]), Attention.Rows(outputs[1]), Attention.Rows(outputs[2]), WantsMask ? outputs[3].Pointer<float>() : null);
        GC.KeepAlive(mask);
    }
}

public static partial class TensorOps
{
    /// <summary>Scaled dot-product attention: softmax(scale · q · kᵀ + mask) · v.</summary>
    /// <param name="q">Queries [batch, heads, tokens, d].</param>
    /// <param name="k">Keys [batch, heads, keys, d].</param>
    /// <param name="v">Values [batch, heads, keys, e].</param>
    /// <param name="scale">Factor of the scores; 1/√d unless given.</param>
    /// <param name="mask">Broadcasts to [batch, heads, tokens, keys]: float32 is added to the scores (and may be trained), bool says which keys count.</param>
    /// <returns>[batch, heads, tokens, e]; zeros where no key counts.</returns>
    public static Tensor Attention(this Tensor q, Tensor k, Tensor v, float? scale = null, Tensor? mask = null)
    {
        var op = new Attention(scale ?? (q.Rank == 0 ? 1 : 1 / MathF.Sqrt(q.Shape[-1])));
        return mask is null ? op.Apply(q, k, v) : op.Apply(q, k, v, mask);
    }
}
