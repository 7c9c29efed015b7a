using System.Runtime.CompilerServices;

namespace Vertebra.Lab.Data.Augment;

/// <summary>torchvision's <c>adjust_hue</c> of a Pillow image: to Pillow's 8-bit HSV, hue turned, and back.</summary>
internal static class HueShift
{
    /// <summary>Turns the hue.</summary>
    /// <param name="pixels">The picture.</param>
    /// <param name="factor">Share of a full turn, -0.5 to 0.5.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(Span<byte> pixels, double factor)
    {
        var shift = (int)(factor * 255);
        for (var i = 0; i + 2 < pixels.Length; i += 3)
        {
            var (hue, saturation, value) = ToHsv(pixels[i], pixels[i + 1], pixels[i + 2]);
            (pixels[i], pixels[i + 1], pixels[i + 2]) = ToRgb((byte)(hue + shift), saturation, value);
        }
    }

    // Which steps are float32 and which float64 decides the last bit, and so the level; both ways follow Pillow's Convert.c.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (byte Hue, byte Saturation, byte Value) ToHsv(byte red, byte green, byte blue)
    {
        var most = Math.Max(red, Math.Max(green, blue));
        var least = Math.Min(red, Math.Min(green, blue));
        if (most == least)
            return (0, 0, most);
        float range = most - least;
        var saturation = range / most;
        float fromRed = (most - red) / range, fromGreen = (most - green) / range, fromBlue = (most - blue) / range;
        var sixths = red == most ? fromBlue - fromGreen
            : green == most ? (float)(2.0 + fromRed - fromBlue)
            : (float)(4.0 + fromGreen - fromRed);
        var turns = (sixths / 6.0) + 1.0;
        var hue = (float)(turns >= 1 ? turns - 1 : turns);
        return ((byte)(hue * 255.0), (byte)(saturation * 255.0), most);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (byte Red, byte Green, byte Blue) ToRgb(byte hue, byte saturation, byte value)
    {
        if (saturation == 0)
            return (value, value, value);
        var sixths = hue * 6.0 / 255.0;
        var sector = (int)Math.Floor(sixths);
        var rest = (float)(sixths - sector);
        var share = (float)(saturation / 255.0);
        var p = Rounded(value * (1.0 - share));
        var q = Rounded(value * (1.0 - (share * rest)));
        var t = Rounded(value * (1.0 - (share * (1.0 - rest))));
        return (sector % 6) switch
        {
            0 => (value, t, p),
            1 => (q, value, p),
            2 => (p, value, t),
            3 => (p, q, value),
            4 => (t, p, value),
            _ => (value, p, q),
        };
    }

    // Halves away from 0; adding a half before the cut would round the number just below it up.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte Rounded(double level) => (byte)((int)level + (level - (int)level >= 0.5 ? 1 : 0));
}
