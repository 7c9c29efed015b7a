namespace Vertebra.Zoo.Layers;

/// <summary>
/// Attention biases by how many rows and columns lie between query and key, whichever comes first: a learned table
/// <c>attention_biases</c> [heads, height · width] (Graham et al. 2021, "LeViT").
/// </summary>
internal static class OffsetBiases
{
    /// <summary>Which entry of the table each pair reads: row |dy|, column |dx|.</summary>
    /// <param name="map">Size of the map of keys.</param>
    /// <param name="step">Queries stand at every such pixel of it.</param>
    /// <returns>Int64 [queries · keys], without data where modules are built without data.</returns>
    public static Tensor Index(Size2d map, int step = 1)
    {
        var (down, across) = (Count(map.H, step), Count(map.W, step));
        var (queries, keys) = (down * across, map.H * map.W);
        if (Construction.IsMeta)
            return Tensor.Meta([queries * keys], DType.Int64);
        var index = new long[queries * keys];
        for (var i = 0; i < index.Length; i++)
        {
            var (query, key) = (i / keys, i % keys);
            var (dy, dx) = ((query / across * step) - (key / map.W), (query % across * step) - (key % map.W));
            index[i] = (Math.Abs(dy) * map.W) + Math.Abs(dx);
        }
        return Tensor.From(index);
    }

    /// <summary>The biases [1, heads, queries, keys] of a table.</summary>
    /// <param name="table">[heads, keys].</param>
    /// <param name="index">Of <see cref="Index"/>.</param>
    public static Tensor Of(Tensor table, Tensor index)
    {
        var (heads, keys) = (table.Shape[0], table.Shape[1]);
        return table.IndexSelect(1, index).Reshape([1, heads, index.Shape[0] / keys, keys]);
    }

    /// <summary>Refuses maps of another size than the tables are for.</summary>
    /// <exception cref="VertebraException">The map has another size.</exception>
    public static void CheckMap(Tensor map, Size2d expected)
    {
        if (map.Shape[1] != expected.H || map.Shape[2] != expected.W)
            throw new VertebraException($"attention biases are laid out for a map of {expected.H}x{expected.W} pixels, got {map.Shape[1]}x{map.Shape[2]}; build the network for the image size (img_size)");
    }

    /// <summary>Resamples the tables of weights that were published for other square maps than a network has; see <see cref="Backbone.AdaptState"/>.</summary>
    public static void Adapt(Module network, IDictionary<string, Tensor> state, ICollection<string> notes)
    {
        foreach (var (name, own) in network.NamedParameters().Where(p => p.Name.EndsWith("attention_biases", StringComparison.Ordinal)))
        {
            if (!state.TryGetValue(name, out var table) || table.Shape == own.Shape || table.Rank != 2)
                continue;
            var (heads, from, to) = (table.Shape[0], Side(table.Shape[1]), Side(own.Shape[1]));
            if (from * from != table.Shape[1] || to * to != own.Shape[1])
                continue;
            var image = table.To(DType.Float32).Permute([1, 0]).Reshape([1, from, from, heads]).Interpolate(to, Kernels.InterpolationMode.Bicubic);
            state[name] = image.Reshape([to * to, heads]).Permute([1, 0]);
            notes.Add($"{name}: resampled from {from}x{from} to {to}x{to} offsets");
        }

        static int Side(int area) => (int)Math.Round(Math.Sqrt(area));
    }

    private static int Count(int length, int step) => ((length - 1) / step) + 1;
}
