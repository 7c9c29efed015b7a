namespace Vertebra.Zoo.Layers;

/// <summary>Between tokens [N, L, heads · d] and heads [N, heads, L, d].</summary>
internal static class HeadAxes
{
    /// <summary>The heads of one projection [N, L, heads · d].</summary>
    public static Tensor SplitHeads(this Tensor tokens, int heads) =>
        tokens.Reshape([tokens.Shape[0], tokens.Shape[1], heads, tokens.Shape[2] / heads]).Permute([0, 2, 1, 3]);

    /// <summary>Query, key and value of a joint projection [N, L, 3 · heads · d], in which all queries stand before all keys.</summary>
    public static (Tensor Q, Tensor K, Tensor V) SplitQkv(this Tensor qkv, int heads)
    {
        var parts = qkv.Chunk(3, -1);
        return (parts[0].SplitHeads(heads), parts[1].SplitHeads(heads), parts[2].SplitHeads(heads));
    }

    /// <summary>Heads side by side again: [N, L, heads · d].</summary>
    public static Tensor JoinHeads(this Tensor x) =>
        x.Permute([0, 2, 1, 3]).Reshape([x.Shape[0], x.Shape[2], x.Shape[1] * x.Shape[3]]);
}
