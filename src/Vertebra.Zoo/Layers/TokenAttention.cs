namespace Vertebra.Zoo.Layers;

/// <summary>
/// Multi-head self-attention over tokens [N, L, C] (Vaswani et al. 2017) with one layer <c>qkv</c> for queries, keys and values and
/// a layer <c>proj</c> after it; queries and keys normalised head by head where wanted (timm's Attention).
/// </summary>
public sealed class TokenAttention : Module
{
    private readonly int _heads;
    private readonly int _headWidth;
    private readonly Linear _qkv;
    private readonly Module? _qNorm;
    private readonly Module? _kNorm;
    private readonly RelativePositionBias? _positions;
    private readonly Module? _norm;
    private readonly Linear _proj;

    /// <param name="width">Channels of a token.</param>
    /// <param name="heads">Heads, a divisor of the channels.</param>
    /// <param name="qkvBias">Whether <c>qkv</c> has a bias.</param>
    /// <param name="projBias">Whether <c>proj</c> has one.</param>
    /// <param name="headNorm">Makes the normalisers <c>q_norm</c> and <c>k_norm</c> of a head's channels.</param>
    /// <param name="outNorm">Normalises the heads' joined results; child <c>norm</c>.</param>
    /// <exception cref="VertebraException">The channels do not divide into the heads.</exception>
    public TokenAttention(int width, int heads, bool qkvBias = true, bool projBias = true, Func<int, Module>? headNorm = null, Module? outNorm = null)
        : this(width, heads, qkvBias, projBias, headNorm, outNorm, null)
    {
    }

    /// <summary>The same with position biases, child <c>rel_pos</c>, that are added to the scores.</summary>
    internal TokenAttention(int width, int heads, bool qkvBias, bool projBias, Func<int, Module>? headNorm, Module? outNorm, RelativePositionBias? positions)
    {
        if (width % heads != 0)
            throw new VertebraException($"attention over {width} channels cannot have {heads} heads: the channels must be a multiple");
        (_heads, _headWidth) = (heads, width / heads);
        _qkv = Child("qkv", TokenLinear.Create(width, width * 3, qkvBias));
        if (headNorm is not null)
        {
            _qNorm = Child("q_norm", headNorm(_headWidth));
            _kNorm = Child("k_norm", headNorm(_headWidth));
        }
        _positions = positions is null ? null : Child("rel_pos", positions);
        _norm = outNorm is null ? null : Child("norm", outNorm);
        _proj = Child("proj", TokenLinear.Create(width, width, projBias));
    }

    /// <summary>Attention with numbers added to the scores.</summary>
    /// <param name="x">Tokens [N, L, C].</param>
    /// <param name="mask">Broadcasts to [N, heads, L, L]; null for none.</param>
    public Tensor Forward(Tensor x, Tensor? mask)
    {
        using var scope = Enter();
        return Attend(x, mask, null);
    }

    /// <summary>Attention of tokens [N, L, C] whose queries and keys turn with their place.</summary>
    internal Tensor Forward(Tensor x, Rotation? rotation)
    {
        using var scope = Enter();
        return Attend(x, null, rotation);
    }

    protected override Tensor OnForward(Tensor x) => Attend(x, null, null);

    private Tensor Attend(Tensor x, Tensor? mask, Rotation? rotation)
    {
        var joint = _qkv.Forward(x);
        mask = _positions?.Bias() ?? mask;
        x = _qNorm is null && _kNorm is null && rotation is null ? Heads.Attend(joint, _heads, mask) : OfHeads(joint, mask, rotation);
        return _proj.Forward(_norm?.Forward(x) ?? x);
    }

    private Tensor OfHeads(Tensor joint, Tensor? mask, Rotation? rotation)
    {
        var (q, k, v) = Heads.Split3(joint, _heads);
        q = _qNorm?.Forward(q) ?? q;
        k = _kNorm?.Forward(k) ?? k;
        if (rotation is not null)
            (q, k) = (rotation.Turn(q), rotation.Turn(k));
        return q.Attention(k, v, mask: mask).Join();
    }
}

/// <summary>Tokens [N, L, C] cut into heads [N, heads, L, C / heads], and joined again.</summary>
internal static class Heads
{
    /// <summary>Tokens [N, L, C] as [N, heads, L, C / heads].</summary>
    public static Tensor Split(Tensor tokens, int heads) =>
        tokens.Reshape([tokens.Shape[0], tokens.Shape[1], heads, tokens.Shape[2] / heads]).Permute([0, 2, 1, 3]);

    /// <summary>Two or more tensors that lie side by side in the channels of [N, L, parts · C], each as [N, heads, L, C / heads].</summary>
    public static Tensor[] Split(Tensor tokens, int heads, int parts)
    {
        var (n, l, width) = (tokens.Shape[0], tokens.Shape[1], tokens.Shape[2] / parts / heads);
        var pieces = tokens.Reshape([n, l, parts, heads, width]).Permute([2, 0, 3, 1, 4]).Chunk(parts, 0);
        return Array.ConvertAll(pieces, p => p.Reshape([n, heads, l, width]));
    }

    /// <summary>Queries, keys and values of a joint layer's result [N, L, 3 · C].</summary>
    public static (Tensor Q, Tensor K, Tensor V) Split3(Tensor qkv, int heads)
    {
        var parts = Split(qkv, heads, 3);
        return (parts[0], parts[1], parts[2]);
    }

    /// <summary>
    /// Attention of tokens to each other, of a joint layer's result [N, L, 3 · C]; [N, L, C]. A trace has it in steps that graphs can be
    /// asked about; what runs moves nothing.
    /// </summary>
    /// <param name="qkv">All queries before all keys before all values.</param>
    /// <param name="heads">A divisor of the channels.</param>
    /// <param name="mask">Added to the scores; broadcasts to [N, heads, L, L].</param>
    public static Tensor Attend(Tensor qkv, int heads, Tensor? mask = null)
    {
        if (!qkv.IsMeta)
            return qkv.JointAttention(heads, mask: mask);
        var (q, k, v) = Split3(qkv, heads);
        return q.Attention(k, v, mask: mask).Join();
    }

    /// <summary>Heads [N, heads, L, D] as tokens [N, L, heads · D].</summary>
    public static Tensor Join(this Tensor heads) =>
        heads.Permute([0, 2, 1, 3]).Reshape([heads.Shape[0], heads.Shape[2], heads.Shape[1] * heads.Shape[3]]);
}
