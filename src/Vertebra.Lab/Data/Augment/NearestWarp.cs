namespace Vertebra.Lab.Data.Augment;

/// <summary>
/// The two ways of Pillow's nearest-pixel warp: positions added up in float64 where nothing turns or slides, otherwise in
/// fixed point of 16 bits.
/// </summary>
internal static class NearestWarp
{
    private const int Channels = 3;

    /// <summary>Writes what lies inside the picture to the canvas's spare buffer.</summary>
    /// <param name="canvas">The picture, of at most 32,767 pixels a side.</param>
    /// <param name="map">Where each pixel comes from.</param>
    public static void Run(PixelCanvas canvas, in AffineMap map)
    {
        if (map.B == 0 && map.D == 0)
            Scale(canvas, map);
        else
            Fixed(canvas, map);
    }

    private static void Scale(PixelCanvas canvas, in AffineMap map)
    {
        var sourceY = map.F + (map.E * 0.5);
        for (var y = 0; y < canvas.Height; y++, sourceY += map.E)
        {
            var sourceX = map.C + (map.A * 0.5);
            for (var x = 0; x < canvas.Width; x++, sourceX += map.A)
            {
                if (sourceX >= 0 && sourceY >= 0)
                    Copy(canvas, (int)sourceX, (int)sourceY, x, y);
            }
        }
    }

    private static void Fixed(PixelCanvas canvas, in AffineMap map)
    {
        var (a, b, d, e) = (Fix(map.A), Fix(map.B), Fix(map.D), Fix(map.E));
        var rowX = Fix(map.C + (map.A * 0.5) + (map.B * 0.5));
        var rowY = Fix(map.F + (map.D * 0.5) + (map.E * 0.5));
        for (var y = 0; y < canvas.Height; y++, rowX += b, rowY += e)
        {
            var (sourceX, sourceY) = (rowX, rowY);
            for (var x = 0; x < canvas.Width; x++, sourceX += a, sourceY += d)
                Copy(canvas, sourceX >> 16, sourceY >> 16, x, y);
        }
    }

    private static int Fix(double value) => (int)Math.Floor((value * 65536.0) + 0.5);

    private static void Copy(PixelCanvas canvas, int sourceX, int sourceY, int x, int y)
    {
        if ((uint)sourceX < (uint)canvas.Width && (uint)sourceY < (uint)canvas.Height)
            canvas.Pixels.Slice((sourceY * canvas.Stride) + (sourceX * Channels), Channels).CopyTo(canvas.Spare[((y * canvas.Stride) + (x * Channels))..]);
    }
}
