namespace Vertebra.Zoo.Layers;

/// <summary>Attention biases that depend on the distance of two tokens in a window, read from a learned table.</summary>
internal static class RelativePositions
{
    /// <summary>
    /// Which row of the table the pairs of a window's tokens read: rows of differences (dy, dx) from (1 - height, 1 - width) on,
    /// row by row; with a class token three more, for pairs of it with a patch, of a patch with it, and with itself.
    /// </summary>
    /// <param name="window">Height and width in tokens.</param>
    /// <param name="classToken">Whether a class token stands before the window's tokens.</param>
    /// <returns>Int64 [tokens · tokens], without data where modules are built without data.</returns>
    public static Tensor Index(Size2d window, bool classToken)
    {
        var (first, area) = (classToken ? 1 : 0, window.H * window.W);
        var tokens = area + first;
        if (Construction.IsMeta)
            return Tensor.Meta([tokens * tokens], DType.Int64);
        var rows = new long[tokens * tokens];
        for (var query = 0; query < area; query++)
        {
            for (var key = 0; key < area; key++)
            {
                var dy = (query / window.W) - (key / window.W) + window.H - 1;
                var dx = (query % window.W) - (key % window.W) + window.W - 1;
                rows[((query + first) * tokens) + key + first] = (dy * ((2 * window.W) - 1)) + dx;
            }
        }
        if (classToken)
        {
            var distances = Distances(window);
            for (var i = 1; i < tokens; i++)
                (rows[i], rows[i * tokens]) = (distances, distances + 1);
            rows[0] = distances + 2;
        }
        return Tensor.From(rows);
    }

    /// <summary>Different distances in a window: rows of the table without those of a class token.</summary>
    public static int Distances(Size2d window) => ((2 * window.H) - 1) * ((2 * window.W) - 1);

    /// <summary>The biases [1, heads, tokens, tokens] of a table [rows, heads].</summary>
    public static Tensor Bias(Tensor table, Tensor index)
    {
        var tokens = (int)Math.Round(Math.Sqrt(index.Shape[0]));
        return table.IndexSelect(0, index).Reshape([1, tokens, tokens, table.Shape[1]]).Permute([0, 3, 1, 2]);
    }

    /// <summary>
    /// A published table for another window: the distances are resampled as an image (bicubic), the rows of a class token stay.
    /// </summary>
    /// <param name="table">[rows, heads] of a square window.</param>
    /// <param name="window">The window wanted.</param>
    /// <param name="classToken">Whether the last three rows belong to a class token.</param>
    /// <returns>null where the table is of no square window.</returns>
    public static Tensor? Resample(Tensor table, Size2d window, bool classToken)
    {
        var extra = classToken ? 3 : 0;
        if (table.Rank != 2 || table.Shape[0] <= extra)
            return null;
        var (rows, heads) = (table.Shape[0] - extra, table.Shape[1]);
        var side = (int)Math.Round(Math.Sqrt(rows));
        if (side * side != rows)
            return null;
        var (height, width) = ((2 * window.H) - 1, (2 * window.W) - 1);
        var image = table.Slice(0, 0, rows).Reshape([1, side, side, heads]).Interpolate((height, width), Kernels.InterpolationMode.Bicubic);
        var resampled = image.Reshape([height * width, heads]);
        return classToken ? Tensor.Concat([resampled, table.Slice(0, rows)], 0) : resampled;
    }
}
