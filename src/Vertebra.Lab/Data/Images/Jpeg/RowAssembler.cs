namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>What the components of a frame stand for.</summary>
internal enum JpegColorSpace
{
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// <summary>Turns sample planes into a part of the picture, row by row, while they are still in the cache.</summary>
internal sealed class RowAssembler : IDisposable
{
    private readonly JpegFrame _frame;
    private readonly JpegColorSpace _colorSpace;
    private readonly ComponentUpsampler[] _upsamplers;
    private readonly PixelPart _part;
    private int _rowsDone;

    public RowAssembler(JpegFrame frame, JpegColorSpace colorSpace, PixelPart part)
    {
        _frame = frame;
        _colorSpace = colorSpace;
        _part = part;
        _rowsDone = part.Box.Top;
        _upsamplers = [.. frame.Components.Select(c => new ComponentUpsampler(frame, c, part.Box))];
    }

    /// <summary>Writes all rows of the part that do not need samples below the given number of rows of minimum coded units.</summary>
    /// <returns>True while rows of the part are missing.</returns>
    public bool WriteRows(int unitRowsReady)
    {
        var isLast = unitRowsReady == _frame.UnitRows;
        // The triangle filter reads one sample row below: the last picture rows of what is ready must wait.
        var ready = isLast ? _frame.Height : unitRowsReady * 8 * _frame.MaxVertical - _frame.MaxVertical;
        var bottom = _part.Box.Top + _part.Box.Height;
        for (; _rowsDone < Math.Min(ready, bottom); _rowsDone++)
            WriteRow(_rowsDone);
        return _rowsDone < bottom;
    }

    public void Dispose()
    {
        foreach (var upsampler in _upsamplers)
            upsampler.Dispose();
    }

    private void WriteRow(int y)
    {
        var target = _part.From(y);
        var width = _part.Box.Width;
        var first = _upsamplers[0].GetRow(y);
        if (_colorSpace == JpegColorSpace.Gray)
        {
            ColorConverter.Gray(first, target, width);
            return;
        }
        var second = _upsamplers[1].GetRow(y);
        var third = _upsamplers[2].GetRow(y);
        switch (_colorSpace)
        {
            case JpegColorSpace.YCbCr:
                ColorConverter.YCbCr(first, second, third, target, width);
                break;
            case JpegColorSpace.Rgb:
                ColorConverter.Rgb(first, second, third, target, width);
                break;
            default:
                ColorConverter.Cmyk(first, second, third, _upsamplers[3].GetRow(y), _colorSpace == JpegColorSpace.Ycck, target, width);
                break;
        }
    }
}
