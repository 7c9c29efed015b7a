namespace Vertebra.Lab.Data.Images;

/// <summary>Cropping, mirroring and padding; each gives a new picture.</summary>
public static class ImageTransforms
{
    private const int Channels = 3;

    /// <summary>Cuts out a rectangle.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="left">First column.</param>
    /// <param name="top">First row.</param>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <exception cref="VertebraException">The rectangle is empty or not inside the picture.</exception>
    public static RgbImage Crop(RgbImage source, int left, int top, int width, int height)
    {
        CheckCrop(source, left, top, width, height);
        var result = RgbImage.Uninitialized(width, height);
        for (var y = 0; y < height; y++)
            source.Row(top + y).Slice(left * Channels, width * Channels).CopyTo(result.Row(y));
        return result;
    }

    /// <summary>Cuts out the middle, with torchvision's offsets round((side - size) / 2), halves to even; where the picture is smaller, black is added around it first.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="width">Columns of the result.</param>
    /// <param name="height">Rows of the result.</param>
    public static RgbImage CenterCrop(RgbImage source, int width, int height)
    {
        if (source.Width < width || source.Height < height)
        {
            // torchvision puts the odd pixel of the border right and below.
            int missingX = Math.Max(0, width - source.Width), missingY = Math.Max(0, height - source.Height);
            source = Pad(source, missingX / 2, missingY / 2, (missingX + 1) / 2, (missingY + 1) / 2);
        }
        var box = CenterBox(source.Width, source.Height, width, height);
        return Crop(source, box.Left, box.Top, box.Width, box.Height);
    }

    /// <summary>The middle of an area that is at least as large.</summary>
    internal static CropBox CenterBox(int sourceWidth, int sourceHeight, int width, int height) =>
        new(CenterOffset(sourceWidth, width), CenterOffset(sourceHeight, height), width, height);

    /// <summary>Mirrors left and right.</summary>
    public static RgbImage FlipHorizontal(RgbImage source)
    {
        var result = RgbImage.Uninitialized(source.Width, source.Height);
        for (var y = 0; y < source.Height; y++)
        {
            ReadOnlySpan<byte> from = source.Row(y);
            var to = result.Row(y);
            for (int x = 0, mirrored = from.Length - Channels; x < from.Length; x += Channels, mirrored -= Channels)
                (to[x], to[x + 1], to[x + 2]) = (from[mirrored], from[mirrored + 1], from[mirrored + 2]);
        }
        return result;
    }

    /// <summary>Adds a border of one colour.</summary>
    /// <param name="source">The picture.</param>
    /// <param name="left">Columns added on the left, at least 0.</param>
    /// <param name="top">Rows added above.</param>
    /// <param name="right">Columns added on the right.</param>
    /// <param name="bottom">Rows added below.</param>
    /// <param name="red">Red of the border.</param>
    /// <param name="green">Green of the border.</param>
    /// <param name="blue">Blue of the border.</param>
    /// <exception cref="VertebraException">A border is negative, or the result too large for an array.</exception>
    public static RgbImage Pad(RgbImage source, int left, int top, int right, int bottom, byte red = 0, byte green = 0, byte blue = 0)
    {
        if (left < 0 || top < 0 || right < 0 || bottom < 0)
            throw new VertebraException($"cannot pad by {left},{top},{right},{bottom}; no border may be negative");
        var result = new RgbImage(checked(left + source.Width + right), checked(top + source.Height + bottom));
        if ((red | green | blue) != 0)
        {
            var pixels = result.Pixels;
            for (var i = 0; i < pixels.Length; i += Channels)
                (pixels[i], pixels[i + 1], pixels[i + 2]) = (red, green, blue);
        }
        for (var y = 0; y < source.Height; y++)
            source.Row(y).CopyTo(result.Row(top + y)[(left * Channels)..]);
        return result;
    }

    internal static void CheckCrop(RgbImage source, int left, int top, int width, int height)
    {
        if (left < 0 || top < 0 || width < 1 || height < 1 || left > source.Width - width || top > source.Height - height)
            throw new VertebraException($"crop of {width}x{height} at {left},{top} is empty or not inside the image of {source.Width}x{source.Height}");
    }

    private static int CenterOffset(int side, int size) => (int)Math.Round((side - size) / 2.0, MidpointRounding.ToEven);
}
