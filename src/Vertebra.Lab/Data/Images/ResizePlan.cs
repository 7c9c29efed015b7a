namespace Vertebra.Lab.Data.Images;

/// <summary>A resize along one axis, or of some of its result pixels.</summary>
/// <param name="SourceSize">Pixels of the source.</param>
/// <param name="Start">Where the source region begins, in pixels.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Size">Pixels that the whole region becomes.</param>
/// <param name="First">First of them that is wanted.</param>
/// <param name="Count">How many are wanted.</param>
internal readonly record struct ResampleAxis(int SourceSize, double Start, double End, int Size, int First, int Count)
{
    /// <summary>Source pixels for each pixel of the result.</summary>
    public double Scale => (End - Start) / Size;

    /// <summary>True when the result has the pixels of the source, so that nothing is filtered.</summary>
    public bool IsKept => Size == SourceSize && Start == 0 && End == SourceSize;
}

/// <summary>
/// What is to become of a picture: its <paramref name="Window"/> is resized to <paramref name="Width"/> times
/// <paramref name="Height"/> pixels, of which <paramref name="Part"/> is wanted. Filters do not see beyond the window.
/// </summary>
/// <param name="Window">Part of the picture.</param>
/// <param name="Width">Pixels per row that the window becomes.</param>
/// <param name="Height">Rows that the window becomes.</param>
/// <param name="Part">Part of those.</param>
internal readonly record struct Framing(CropBox Window, int Width, int Height, CropBox Part)
{
    /// <summary>A whole picture, as it is or resized.</summary>
    public static Framing Whole(int sourceWidth, int sourceHeight, int width, int height) =>
        new(new(0, 0, sourceWidth, sourceHeight), width, height, new(0, 0, width, height));
}

/// <summary>A resize worked out: the weights, and which pixels of the picture they touch.</summary>
internal sealed class ResizePlan : IDisposable
{
    /// <param name="framing">What is wanted of the picture.</param>
    /// <param name="filter">How pixels are weighted.</param>
    /// <param name="isMirrored">Left and right change places.</param>
    /// <param name="box">Region of the window that becomes the result; null for all of it.</param>
    /// <exception cref="VertebraException">The size is not positive, or the filter would be unreasonably large.</exception>
    public ResizePlan(Framing framing, ResampleFilter filter, bool isMirrored = false, SourceBox? box = null)
    {
        var (window, width, height, part) = framing;
        if (width < 1 || height < 1)
            throw new VertebraException($"cannot resize to {width}x{height}; both sides must be at least 1");
        (Window, Part, Filter, IsMirrored) = (window, part, filter, isMirrored);
        var region = box ?? new SourceBox(0, 0, window.Width, window.Height);
        Columns = new(window.Width, region.Left, region.Right, width, part.Left, part.Width);
        Rows = new(window.Height, region.Top, region.Bottom, height, part.Top, part.Height);
        if (filter != ResampleFilter.Nearest)
        {
            Horizontal = Columns.IsKept && !isMirrored ? null : new(filter, Columns);
            Vertical = Rows.IsKept ? null : new(filter, Rows);
        }
        Needed = NeededOf(Horizontal, Vertical);
    }

    /// <summary>Part of the picture that filters see.</summary>
    public CropBox Window { get; }

    /// <summary>The result, as a part of the resized window.</summary>
    public CropBox Part { get; }

    public ResampleFilter Filter { get; }

    public bool IsMirrored { get; }

    public ResampleAxis Columns { get; }

    public ResampleAxis Rows { get; }

    /// <summary>Weights of the columns; null where they stay as they are, or the filter is nearest.</summary>
    public ResampleWeights? Horizontal { get; }

    /// <summary>Weights of the rows; null likewise.</summary>
    public ResampleWeights? Vertical { get; }

    /// <summary>Which pixels of the picture the result is made of.</summary>
    public CropBox Needed { get; }

    /// <summary>Bytes of the result.</summary>
    public int ResultBytes => checked(Part.Width * Part.Height * 3);

    public void Dispose()
    {
        Horizontal?.Dispose();
        Vertical?.Dispose();
    }

    private CropBox NeededOf(ResampleWeights? horizontal, ResampleWeights? vertical)
    {
        if (Filter == ResampleFilter.Nearest)
            return Window;
        int left = horizontal?.SourceFirst ?? Part.Left, right = horizontal?.SourceEnd ?? Part.Left + Part.Width;
        int top = vertical?.SourceFirst ?? Part.Top, bottom = vertical?.SourceEnd ?? Part.Top + Part.Height;
        return new(Window.Left + left, Window.Top + top, right - left, bottom - top);
    }
}
