namespace Vertebra.Lab.Data.Images.Png;

/// <summary>Colour types of PNG (ISO/IEC 15948, table 11.1).</summary>
internal enum PngColorType : byte
{
    Gray = 0,
    Rgb = 2,
    Palette = 3,
    GrayAlpha = 4,
    RgbAlpha = 6,
}

/// <summary>The image header chunk.</summary>
internal readonly record struct PngHeader(int Width, int Height, int BitDepth, PngColorType ColorType, bool IsInterlaced)
{
    public int Channels => ColorType switch
    {
        PngColorType.Rgb => 3,
        PngColorType.GrayAlpha => 2,
        PngColorType.RgbAlpha => 4,
        _ => 1,
    };

    public int BitsPerPixel => Channels * BitDepth;

    /// <summary>Distance, in bytes, of the left neighbour that filters refer to.</summary>
    public int FilterDistance => Math.Max(1, BitsPerPixel / 8);

    /// <summary>Bytes of a row of <paramref name="pixels"/> pixels, without its filter byte.</summary>
    public long RowBytes(int pixels) => ((long)pixels * BitsPerPixel + 7) / 8;

    /// <summary>Only some depths exist for each colour type.</summary>
    public bool IsValid => ColorType switch
    {
        PngColorType.Gray => BitDepth is 1 or 2 or 4 or 8 or 16,
        PngColorType.Palette => BitDepth is 1 or 2 or 4 or 8,
        PngColorType.Rgb or PngColorType.GrayAlpha or PngColorType.RgbAlpha => BitDepth is 8 or 16,
        _ => false,
    };
}

/// <summary>One pass of Adam7 interlacing (ISO/IEC 15948, 8.2): the pixels at StartX + i·StepX, StartY + j·StepY.</summary>
internal readonly record struct PngPass(int StartX, int StartY, int StepX, int StepY)
{
    public static readonly PngPass[] Whole = [new(0, 0, 1, 1)];

    public static readonly PngPass[] Adam7 =
    [
        new(0, 0, 8, 8), new(4, 0, 8, 8), new(0, 4, 4, 8), new(2, 0, 4, 4), new(0, 2, 2, 4), new(1, 0, 2, 2), new(0, 1, 1, 2),
    ];

    public int Columns(int width) => (width - StartX + StepX - 1) / StepX;

    public int Rows(int height) => (height - StartY + StepY - 1) / StepY;
}
