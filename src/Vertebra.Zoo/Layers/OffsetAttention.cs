namespace Vertebra.Zoo.Layers;

/// <summary>
/// Attention between all pixels of a map [N, H, W, C] with <see cref="OffsetBiases"/>; one layer <c>qkv</c> makes queries, keys and
/// values, head by head, and <c>proj</c> follows.
/// </summary>
internal sealed class OffsetAttention : Module
{
    private readonly int _heads;
    private readonly IntList _widths;
    private readonly Size2d _map;
    private readonly Tensor _biases;
    private readonly Tensor _index;
    private readonly NormLayer? _norm;
    private readonly Module _qkv;
    private readonly Module _proj;

    /// <param name="map">The maps' size.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="keyWidth">Channels of a key.</param>
    /// <param name="valueWidth">Channels of a value.</param>
    /// <param name="affine">Makes <c>qkv</c> from a number of outputs.</param>
    /// <param name="proj">The last layer.</param>
    /// <param name="norm">Before the first; child <c>norm</c>.</param>
    /// <param name="savesIndex">Whether <c>attention_bias_idxs</c> is part of the state, [pixels, pixels].</param>
    public OffsetAttention(Size2d map, int heads, int keyWidth, int valueWidth, Func<int, Module> affine, Module proj, NormLayer? norm = null, bool savesIndex = false)
    {
        (_map, _heads, _widths) = (map, heads, [keyWidth, keyWidth, valueWidth]);
        var area = map.H * map.W;
        _biases = Parameter("attention_biases", [heads, area], Init.Zeros);
        var index = OffsetBiases.Index(map);
        if (savesIndex)
        {
            // Old checkpoints hold it; what is read is the network's own.
            Buffer("attention_bias_idxs", index.Reshape([area, area]));
            _index = Buffer("bias_index", index, persistent: false);
        }
        else
        {
            _index = Buffer("attention_bias_idxs", index, persistent: false);
        }
        _norm = norm is null ? null : Child("norm", norm);
        _qkv = Child("qkv", affine(heads * ((2 * keyWidth) + valueWidth)));
        _proj = Child("proj", proj);
    }

    protected override Tensor OnForward(Tensor x)
    {
        OffsetBiases.CheckMap(x, _map);
        var parts = Heads.Split(_qkv.Forward(_norm?.Forward(x) ?? x).ToTokens(), _heads).Split(_widths, -1);
        var result = parts[0].Attention(parts[1], parts[2], mask: OffsetBiases.Of(_biases, _index));
        return _proj.Forward(result.Join().ToMap(_map.H, _map.W));
    }
}
