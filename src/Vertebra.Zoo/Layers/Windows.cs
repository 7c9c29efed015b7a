namespace Vertebra.Zoo.Layers;

/// <summary>Feature maps [N, H, W, C] cut into groups of tokens that attend to one another, and put together again.</summary>
internal static class Windows
{
    /// <summary>Neighbouring pixels, window by window: [N · windows, h · w, C]; the windows of an image follow one another row by row.</summary>
    /// <exception cref="VertebraException">The map is no multiple of the window.</exception>
    public static Tensor ToWindows(this Tensor map, Size2d window)
    {
        var (n, h, w, c) = SizeOf(map, window, "windows");
        return map.Reshape([n, h / window.H, window.H, w / window.W, window.W, c]).Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, window.H * window.W, c]);
    }

    /// <summary>The map of which <see cref="ToWindows"/> made these windows; the channels may have changed.</summary>
    public static Tensor FromWindows(this Tensor windows, Size2d window, int height, int width) =>
        windows.Reshape([-1, height / window.H, width / window.W, window.H, window.W, windows.Shape[2]]).Permute([0, 1, 3, 2, 4, 5]).Reshape([-1, height, width, windows.Shape[2]]);

    /// <summary>Pixels that lie one step of a coarse grid apart, h · w of them over the whole image: [N · groups, h · w, C] (Tu et al. 2022).</summary>
    /// <exception cref="VertebraException">The map is no multiple of the grid.</exception>
    public static Tensor ToGrid(this Tensor map, Size2d grid)
    {
        var (n, h, w, c) = SizeOf(map, grid, "a grid");
        return map.Reshape([n, grid.H, h / grid.H, grid.W, w / grid.W, c]).Permute([0, 2, 4, 1, 3, 5]).Reshape([-1, grid.H * grid.W, c]);
    }

    /// <summary>The map of which <see cref="ToGrid"/> made these groups; the channels may have changed.</summary>
    public static Tensor FromGrid(this Tensor groups, Size2d grid, int height, int width) =>
        groups.Reshape([-1, height / grid.H, width / grid.W, grid.H, grid.W, groups.Shape[2]]).Permute([0, 3, 1, 4, 2, 5]).Reshape([-1, height, width, groups.Shape[2]]);

    /// <summary>The map with zeros at the right and below, up to whole windows.</summary>
    public static Tensor PadToWindows(this Tensor map, Size2d window)
    {
        var (below, right) = (-map.Shape[1] % window.H, -map.Shape[2] % window.W);
        (below, right) = (below < 0 ? below + window.H : 0, right < 0 ? right + window.W : 0);
        return below == 0 && right == 0 ? map : map.Pad([0, 0, 0, 0], [0, below, right, 0]);
    }

    /// <summary>The first rows and columns of a map.</summary>
    public static Tensor Crop(this Tensor map, int height, int width) =>
        map.Shape[1] == height && map.Shape[2] == width ? map : map.Slice(1, 0, height).Slice(2, 0, width);

    private static (int N, int H, int W, int C) SizeOf(Tensor map, Size2d parts, string what)
    {
        var (n, h, w, c) = (map.Shape[0], map.Shape[1], map.Shape[2], map.Shape[3]);
        if (h % parts.H != 0 || w % parts.W != 0)
            throw new VertebraException($"a map of {h}x{w} pixels cannot be cut into {what} of {parts.H}x{parts.W}: it must be a multiple; choose the image size when the network is built (img_size)");
        return (n, h, w, c);
    }
}

/// <summary>
/// Windows over a square map that may be shifted by part of their side, so that neighbours of one layer meet in another; what the
/// shift brings together from opposite borders does not attend to each other (Liu et al. 2021, Swin).
/// </summary>
internal sealed class ShiftedWindows
{
    private readonly int _side;
    private readonly int _padded;
    private readonly int _shift;

    /// <param name="side">Side of the map.</param>
    /// <param name="window">Side of a window.</param>
    /// <param name="shift">Pixels of the shift; 0 for none.</param>
    public ShiftedWindows(int side, int window, int shift)
    {
        (_side, Window, _shift) = (side, window, shift);
        _padded = (side + window - 1) / window * window;
        Mask = shift == 0 ? null : MakeMask();
    }

    /// <summary>Side of a window.</summary>
    public int Window { get; }

    /// <summary>Added to the scores: [windows, L, L] of 0 and -100; null without a shift. For the owner to register as a buffer.</summary>
    public Tensor? Mask { get; }

    /// <summary>The windows [N · windows, L, C] of a map.</summary>
    /// <exception cref="VertebraException">The map has another size than the windows are for.</exception>
    public Tensor Cut(Tensor map)
    {
        if (map.Shape[1] != _side || map.Shape[2] != _side)
            throw new VertebraException($"windows are laid out for a map of {_side}x{_side} pixels, got {map.Shape[1]}x{map.Shape[2]}; build the network for the image size (img_size)");
        return Roll(map, -_shift).PadToWindows(Window).ToWindows(Window);
    }

    /// <summary>The map of windows that <see cref="Cut"/> made.</summary>
    public Tensor Join(Tensor windows) => Roll(windows.FromWindows(Window, _padded, _padded).Crop(_side, _side), _shift);

    /// <summary>Attention inside windows: q, k, v [N · windows, heads, L, D], <paramref name="bias"/> [1, heads, L, L] or none.</summary>
    public Tensor Attend(Tensor q, Tensor k, Tensor v, Tensor? bias, float? scale = null)
    {
        if (Mask is null)
            return q.Attention(k, v, scale, bias);
        // The mask differs between the windows of an image but not between images, so windows stand beside heads.
        var (windows, area, heads) = (Mask.Shape[0], Mask.Shape[1], q.Shape[1]);
        var mask = Mask.Reshape([windows, 1, area, area]);
        mask = bias is null ? mask.Expand([windows, heads, area, area]) : mask + bias;
        var result = Beside(q).Attention(Beside(k), Beside(v), scale, mask.Reshape([1, windows * heads, area, area]));
        return result.Reshape([-1, heads, area, v.Shape[3]]);

        Tensor Beside(Tensor x) => x.Reshape([-1, windows * heads, area, x.Shape[3]]);
    }

    /// <summary>The same of a joint layer's result [N · windows, L, 3 · C]; [N · windows, L, C].</summary>
    public Tensor Attend(Tensor qkv, int heads, Tensor bias)
    {
        if (!qkv.IsMeta)
            return qkv.JointAttention(heads, mask: Mask is null ? bias : Mask.Reshape([Mask.Shape[0], 1, Mask.Shape[1], Mask.Shape[1]]) + bias);
        var (q, k, v) = Heads.Split3(qkv, heads);
        return Attend(q, k, v, bias).Join();
    }

    private Tensor MakeMask()
    {
        var (across, area) = (_padded / Window, Window * Window);
        var mask = Construction.Zeros([across * across, area, area]);
        if (mask.IsMeta)
            return mask;
        var values = mask.AsSpan<float>();
        for (var i = 0; i < values.Length; i++)
        {
            var (window, query, key) = (i / area / area, i / area % area, i % area);
            values[i] = Region(window, query) == Region(window, key) ? 0 : -100;
        }
        mask.MarkWritten();
        return mask;

        (int, int) Region(int window, int pixel) =>
            (Band((window / across * Window) + (pixel / Window)), Band((window % across * Window) + (pixel % Window)));

        // After the shift: untouched windows, the near part of the last ones, and what came from the other side.
        int Band(int position) => position < _padded - Window ? 0 : position < _padded - _shift ? 1 : 2;
    }

    private static Tensor Roll(Tensor map, int by) => by == 0 ? map : map.Roll([by, by], [1, 2]);
}
