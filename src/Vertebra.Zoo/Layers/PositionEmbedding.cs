namespace Vertebra.Zoo.Layers;

/// <summary>Learned positions of tokens, and the same for other grids of patches.</summary>
internal static class PositionEmbedding
{
    /// <summary>
    /// Positions for another grid: those of the patches are resampled as an image (bicubic, antialiased), those of the tokens
    /// before them stay. timm's rule.
    /// </summary>
    /// <param name="positions">[1, prefix + height · width, C].</param>
    /// <param name="from">The grid they are made for.</param>
    /// <param name="to">The grid wanted.</param>
    /// <param name="prefix">Tokens before the grid.</param>
    public static Tensor Resample(Tensor positions, Size2d from, Size2d to, int prefix)
    {
        if (from == to)
            return positions;
        var grid = (prefix == 0 ? positions : positions.Slice(1, prefix)).ToMap(from.H, from.W);
        var resampled = grid.Interpolate(to, Kernels.InterpolationMode.Bicubic, antialias: true).ToTokens();
        return prefix == 0 ? resampled : Tensor.Concat([positions.Slice(1, 0, prefix), resampled], 1);
    }

    /// <summary>The square grid of a published embedding [1, prefix + side², C]; null where the tokens make no square.</summary>
    public static Size2d? SquareOf(Tensor positions, int prefix)
    {
        if (positions.Rank != 3 || positions.Shape[1] <= prefix)
            return null;
        var side = (int)Math.Round(Math.Sqrt(positions.Shape[1] - prefix));
        return side * side == positions.Shape[1] - prefix ? (Size2d)side : null;
    }
}
