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

/// <summary>Turns sample planes into the picture, row by row, while they are still in the cache.</summary>
internal sealed class RowAssembler
{
    private readonly JpegFrame _frame;
    private readonly JpegColorSpace _colorSpace;
    private readonly ComponentUpsampler[] _upsamplers;
    private readonly RgbImage _image;
    private int _rowsDone;

    public RowAssembler(JpegFrame frame, JpegColorSpace colorSpace, RgbImage image)
    {
        _frame = frame;
        _colorSpace = colorSpace;
        _image = image;
        _upsamplers = [.. frame.Components.Select(c => new ComponentUpsampler(frame, c))];
    }

    /// <summary>Writes all rows that do not need samples below the given number of rows of minimum coded units.</summary>
    public void WriteRows(int unitRowsReady)
    {
        var isLast = unitRowsReady == _frame.UnitRows;
        // The triangle filter reads one sample row below: the last picture rows of what is ready must wait.
        var end = isLast ? _frame.Height : Math.Min(unitRowsReady * 8 * _frame.MaxVertical - _frame.MaxVertical, _frame.Height);
        for (; _rowsDone < end; _rowsDone++)
            WriteRow(_rowsDone);
    }

    private void WriteRow(int y)
    {
        var target = _image.Row(y);
        var first = _upsamplers[0].GetRow(y);
        if (_colorSpace == JpegColorSpace.Gray)
        {
            ColorConverter.Gray(first, target);
            return;
        }
        var second = _upsamplers[1].GetRow(y);
        var third = _upsamplers[2].GetRow(y);
        switch (_colorSpace)
        {
            case JpegColorSpace.YCbCr:
                ColorConverter.YCbCr(first, second, third, target);
                break;
            case JpegColorSpace.Rgb:
                ColorConverter.Rgb(first, second, third, target);
                break;
            default:
                ColorConverter.Cmyk(first, second, third, _upsamplers[3].GetRow(y), _colorSpace == JpegColorSpace.Ycck, target);
                break;
        }
    }
}
