namespace Vertebra.Lab.Data.Augment;

/// <summary>What can be done to a picture; the argument's meaning stands with each.</summary>
internal enum PixelOperation
{
    /// <summary>Nothing.</summary>
    Identity,

    /// <summary>Each channel stretched to 0 to 255.</summary>
    AutoContrast,

    /// <summary>Each channel's levels made equally frequent.</summary>
    Equalize,

    /// <summary>255 - level.</summary>
    Invert,

    /// <summary>Argument: upper bits kept, 0 to 8.</summary>
    Posterize,

    /// <summary>Argument: level from which on levels are inverted.</summary>
    Solarize,

    /// <summary>Argument: what is added to levels below 128.</summary>
    SolarizeAdd,

    /// <summary>Argument: 0 is grey, 1 changes nothing, more is more colourful.</summary>
    Color,

    /// <summary>Argument: 0 is even grey, 1 changes nothing.</summary>
    Contrast,

    /// <summary>Argument: 0 is black, 1 changes nothing.</summary>
    Brightness,

    /// <summary>Argument: 0 is smoothed, 1 changes nothing, more is sharper.</summary>
    Sharpness,

    /// <summary>Argument: degrees against the clock.</summary>
    Rotate,

    /// <summary>Argument: columns per row.</summary>
    ShearX,

    /// <summary>Argument: rows per column.</summary>
    ShearY,

    /// <summary>Argument: pixels to the left.</summary>
    TranslateX,

    /// <summary>Argument: pixels up.</summary>
    TranslateY,

    /// <summary>Argument: share of the width to the left.</summary>
    TranslateXRel,

    /// <summary>Argument: share of the height up.</summary>
    TranslateYRel,

    /// <summary>Luma in all three channels.</summary>
    Grayscale,

    /// <summary>Argument: standard deviation in pixels.</summary>
    GaussianBlur,

    /// <summary>Argument: share of a full turn of the hue, -0.5 to 0.5.</summary>
    Hue,
}

/// <summary>How operations that move pixels fill the gaps.</summary>
/// <param name="Filter">How colours between pixels are found; null draws bilinear or bicubic each time.</param>
/// <param name="Red">Red of what comes from outside the picture.</param>
/// <param name="Green">Green of it.</param>
/// <param name="Blue">Blue of it.</param>
internal readonly record struct WarpStyle(WarpFilter? Filter, byte Red, byte Green, byte Blue);

/// <summary>Carries operations out, with the arithmetic of Pillow 9.4.</summary>
internal static class PixelOperations
{
    /// <summary>Operations that move pixels, and so draw a filter where the style leaves it open.</summary>
    public static bool IsWarp(PixelOperation operation) => operation is >= PixelOperation.Rotate and <= PixelOperation.TranslateYRel;

    /// <summary>Changes the picture.</summary>
    /// <param name="canvas">The picture.</param>
    /// <param name="operation">What is done.</param>
    /// <param name="argument">How much; see <see cref="PixelOperation"/>.</param>
    /// <param name="style">For warps.</param>
    /// <param name="random">Draws a warp's filter where the style leaves it open: one number.</param>
    public static void Apply(PixelCanvas canvas, PixelOperation operation, double argument, WarpStyle style, ref SampleRandom random)
    {
        canvas.Log?.Add(Describe(operation, argument));
        if (IsWarp(operation))
        {
            var filter = style.Filter ?? (random.Below(2) == 0 ? WarpFilter.Bilinear : WarpFilter.Bicubic);
            if (argument != 0)
                AffineWarp.Run(canvas, Map(operation, argument, canvas.Width, canvas.Height), filter, [style.Red, style.Green, style.Blue]);
        }
        else
            ApplyColour(canvas, operation, argument);
    }

    private static void ApplyColour(PixelCanvas canvas, PixelOperation operation, double argument)
    {
        switch (operation)
        {
            case PixelOperation.Identity:
                break;
            case PixelOperation.AutoContrast:
                PointOperations.AutoContrast(canvas.Pixels);
                break;
            case PixelOperation.Equalize:
                PointOperations.Equalize(canvas.Pixels);
                break;
            case PixelOperation.Invert:
                PointOperations.Invert(canvas.Pixels);
                break;
            case PixelOperation.Posterize:
                PointOperations.Posterize(canvas.Pixels, (int)argument);
                break;
            case PixelOperation.Solarize:
                PointOperations.Solarize(canvas.Pixels, argument);
                break;
            case PixelOperation.SolarizeAdd:
                PointOperations.SolarizeAdd(canvas.Pixels, (int)argument);
                break;
            case PixelOperation.Color:
                Luma.ToGrey(canvas.Pixels, canvas.Spare);
                Blending.Run(canvas.Spare, canvas.Pixels, (float)argument, canvas.Pixels);
                break;
            case PixelOperation.Contrast:
                PointOperations.Contrast(canvas.Pixels, argument);
                break;
            case PixelOperation.Brightness:
                PointOperations.Brightness(canvas.Pixels, argument);
                break;
            case PixelOperation.Sharpness:
                Smoothing.Run(canvas.Pixels, canvas.Stride, canvas.Spare);
                Blending.Run(canvas.Spare, canvas.Pixels, (float)argument, canvas.Pixels);
                break;
            case PixelOperation.Grayscale:
                Luma.ToGrey(canvas.Pixels, canvas.Pixels);
                break;
            case PixelOperation.GaussianBlur:
                GaussianBlur.Run(canvas, argument);
                break;
            case PixelOperation.Hue:
                HueShift.Run(canvas.Pixels, argument);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(operation), operation, null);
        }
    }

    private static AffineMap Map(PixelOperation operation, double argument, int width, int height) => operation switch
    {
        PixelOperation.Rotate => AffineMap.Rotate(argument, width, height),
        PixelOperation.ShearX => AffineMap.ShearX(argument),
        PixelOperation.ShearY => AffineMap.ShearY(argument),
        PixelOperation.TranslateX => AffineMap.Translate(argument, 0),
        PixelOperation.TranslateY => AffineMap.Translate(0, argument),
        PixelOperation.TranslateXRel => AffineMap.Translate(argument * width, 0),
        PixelOperation.TranslateYRel => AffineMap.Translate(0, argument * height),
        _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, null),
    };

    /// <summary>The operation's name, and its argument where it has one.</summary>
    private static string Describe(PixelOperation operation, double argument) => operation switch
    {
        PixelOperation.Identity or PixelOperation.AutoContrast or PixelOperation.Equalize or PixelOperation.Invert or PixelOperation.Grayscale => $"{operation}",
        _ => FormattableString.Invariant($"{operation} {argument:0.##}"),
    };
}
