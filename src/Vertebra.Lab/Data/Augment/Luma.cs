namespace Vertebra.Lab.Data.Augment;

/// <summary>Luma of ITU-R 601 in Pillow's fixed point: what <c>convert("L")</c> gives.</summary>
internal static class Luma
{
    /// <summary>Writes each pixel's luma into all three of its channels; grey pixels stay as they are.</summary>
    /// <param name="from">RGB.</param>
    /// <param name="to">Receives as many bytes; may be the same memory.</param>
    public static void ToGrey(ReadOnlySpan<byte> from, Span<byte> to)
    {
        for (var i = 0; i + 2 < from.Length; i += 3)
            to[i] = to[i + 1] = to[i + 2] = Of(from[i], from[i + 1], from[i + 2]);
    }

    /// <summary>Mean luma of the pixels.</summary>
    public static double Mean(ReadOnlySpan<byte> pixels)
    {
        var sum = 0L;
        for (var i = 0; i + 2 < pixels.Length; i += 3)
            sum += Of(pixels[i], pixels[i + 1], pixels[i + 2]);
        return sum / (double)(pixels.Length / 3);
    }

    private static byte Of(byte red, byte green, byte blue) => (byte)(((red * 19595) + (green * 38470) + (blue * 7471) + 0x8000) >> 16);
}
