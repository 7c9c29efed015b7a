namespace Vertebra.Lab.Data.Images.Png;

/// <summary>Turns unfiltered rows of any colour type and depth into RGB: the high byte of 16 bits, grey of fewer bits stretched to 0..255, alpha dropped.</summary>
internal sealed class PngRowExpander
{
    private readonly PngHeader _header;
    private readonly ImageFileErrors _errors;

    // RGB by palette index or by grey value of less than 8 bits, and how many entries there are.
    private readonly byte[] _colors;

    /// <param name="header">Colour type and depth.</param>
    /// <param name="palette">R, G, B per entry; empty unless the colour type is palette.</param>
    /// <param name="errors">Names the file.</param>
    public PngRowExpander(PngHeader header, byte[] palette, ImageFileErrors errors)
    {
        _header = header;
        _errors = errors;
        _colors = header.ColorType == PngColorType.Palette ? palette : header.BitDepth < 8 ? GrayRamp(header.BitDepth) : [];
    }

    /// <summary>Expands as many pixels as the target has.</summary>
    public void Expand(ReadOnlySpan<byte> row, Span<byte> target)
    {
        switch (_header.ColorType)
        {
            case PngColorType.Palette:
            case PngColorType.Gray when _header.BitDepth < 8:
                ExpandIndexed(row, target);
                break;
            case PngColorType.Rgb when _header.BitDepth == 8:
                row[..target.Length].CopyTo(target);
                break;
            case PngColorType.Rgb or PngColorType.RgbAlpha:
                ExpandColor(row, target);
                break;
            default:
                ExpandGray(row, target);
                break;
        }
    }

    private void ExpandIndexed(ReadOnlySpan<byte> row, Span<byte> target)
    {
        var depth = _header.BitDepth;
        var mask = (1 << depth) - 1;
        var bit = 0;
        for (var at = 0; at < target.Length; at += 3, bit += depth)
        {
            // Pixels lie from the high bits of a byte to the low ones.
            var index = (row[bit >> 3] >> (8 - depth - (bit & 7))) & mask;
            if (index * 3 >= _colors.Length)
                throw _errors.Damaged($"pixel of colour {index} where the palette has {_colors.Length / 3}");
            _colors.AsSpan(index * 3, 3).CopyTo(target[at..]);
        }
    }

    private void ExpandGray(ReadOnlySpan<byte> row, Span<byte> target)
    {
        var step = _header.BitsPerPixel / 8;
        for (int at = 0, from = 0; at < target.Length; at += 3, from += step)
            target[at] = target[at + 1] = target[at + 2] = row[from];
    }

    private void ExpandColor(ReadOnlySpan<byte> row, Span<byte> target)
    {
        int sample = _header.BitDepth / 8, step = _header.BitsPerPixel / 8;
        for (int at = 0, from = 0; at < target.Length; at += 3, from += step)
        {
            target[at] = row[from];
            target[at + 1] = row[from + sample];
            target[at + 2] = row[from + 2 * sample];
        }
    }

    private static byte[] GrayRamp(int depth)
    {
        var levels = 1 << depth;
        var ramp = new byte[levels * 3];
        for (var i = 0; i < ramp.Length; i++)
            ramp[i] = (byte)(i / 3 * 255 / (levels - 1));
        return ramp;
    }
}
