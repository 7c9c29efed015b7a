using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Vertebra.Lab.Data.Images.Jpeg;

/// <summary>
/// Brings rows of one component to the size of the picture as libjpeg does by default: a triangle filter ("fancy"
/// upsampling: three parts of the nearer sample, one of the further) for the ratios 2x1, 2x2 and 1x2, repetition for all
/// others. The alternating rounding constants are libjpeg's; they keep the picture from drifting up.
/// </summary>
internal sealed class ComponentUpsampler : IDisposable
{
    /// <summary>Bytes a row buffer must have beyond the picture's width, because rows are written in whole vectors.</summary>
    public const int RowSlack = 64;

    private readonly JpegComponent _component;
    private readonly Method _method;
    private readonly byte[] _row;
    private readonly int _first;
    private readonly int _end;
    private readonly int _maxHorizontal;
    private readonly int _maxVertical;

    private enum Method
    {
        None,
        TriangleHorizontal,
        TriangleVertical,
        TriangleBoth,
        Repeat,
    }

    /// <param name="frame">The frame.</param>
    /// <param name="component">One of its components.</param>
    /// <param name="box">The part of the picture that is wanted.</param>
    public ComponentUpsampler(JpegFrame frame, JpegComponent component, CropBox box)
    {
        _component = component;
        (_first, _end) = (box.Left, box.Left + box.Width);
        _maxHorizontal = frame.MaxHorizontal;
        _maxVertical = frame.MaxVertical;
        var isHorizontalHalf = component.Horizontal * 2 == frame.MaxHorizontal;
        var isVerticalHalf = component.Vertical * 2 == frame.MaxVertical;
        var isFullWidth = component.Horizontal == frame.MaxHorizontal;
        var isFullHeight = component.Vertical == frame.MaxVertical;
        // The horizontal filters need two neighbours; libjpeg repeats where there is no room for them.
        var isWide = component.Width > 2;
        _method = (isFullWidth, isFullHeight) switch
        {
            (true, true) => Method.None,
            (true, false) when isVerticalHalf => Method.TriangleVertical,
            (false, true) when isHorizontalHalf && isWide => Method.TriangleHorizontal,
            (false, false) when isHorizontalHalf && isVerticalHalf && isWide => Method.TriangleBoth,
            _ => Method.Repeat,
        };
        _row = _method == Method.None ? [] : ArrayPool<byte>.Shared.Rent(component.Width * 2 + frame.Width + RowSlack);
    }

    /// <summary>Row <paramref name="y"/> of the picture from the wanted part's first column on; <see cref="RowSlack"/> bytes behind the part may be read.</summary>
    public ReadOnlySpan<byte> GetRow(int y)
    {
        if (_method == Method.None)
            return PlaneRow(y)[_first..];
        // The samples that the columns of the part come from, where a sample makes two.
        int first = _first / 2, end = (_end + 1) / 2;
        switch (_method)
        {
            case Method.TriangleHorizontal:
                StretchRow(PlaneRow(y), _row, _component.Width, first, end);
                break;
            case Method.TriangleVertical:
                BlendRows(PlaneRow(y >> 1), PlaneRow(Neighbour(y)), _row, _first, _end, (y & 1) == 0 ? 1 : 2);
                break;
            case Method.TriangleBoth:
                StretchRows(PlaneRow(y >> 1), PlaneRow(Neighbour(y)), _row, _component.Width, first, end);
                break;
            default:
                Repeat(PlaneRow((int)((long)y * _component.Vertical / _maxVertical)));
                break;
        }
        return _row.AsSpan(_first);
    }

    public void Dispose()
    {
        if (_row.Length > 0)
            ArrayPool<byte>.Shared.Return(_row);
    }

    /// <summary>The second nearest row of samples: above for even rows of the picture, below for odd ones.</summary>
    private int Neighbour(int y) => Math.Clamp((y >> 1) + ((y & 1) == 0 ? -1 : 1), 0, _component.Height - 1);

    private ReadOnlySpan<byte> PlaneRow(int row) => _component.Plane.AsSpan(row * _component.Stride);

    private void Repeat(ReadOnlySpan<byte> source)
    {
        for (var x = _first; x < _end; x++)
            _row[x] = source[x * _component.Horizontal / _maxHorizontal];
    }

    /// <summary>Doubles samples <paramref name="first"/> to <paramref name="end"/> of a row: 3/4 nearer, 1/4 further sample.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StretchRow(ReadOnlySpan<byte> source, Span<byte> target, int width, int first, int end)
    {
        var x = first;
        if (x == 0)
        {
            target[0] = source[0];
            target[1] = (byte)((source[0] * 3 + source[1] + 2) >> 2);
            x = 1;
        }
        // One sample is kept back at the end: it has no right neighbour.
        for (; x + 16 < width && x < end; x += 16)
        {
            var current = Lanes.LoadWidened(ref Lanes.At(source, x)) * 3;
            var even = (current + Lanes.LoadWidened(ref Lanes.At(source, x - 1)) + Vector256.Create((short)1)) >>> 2;
            var odd = (current + Lanes.LoadWidened(ref Lanes.At(source, x + 1)) + Vector256.Create((short)2)) >>> 2;
            Lanes.Store(even | (odd << 8), ref Lanes.At(target, 2 * x));
        }
        for (; x < Math.Min(end, width - 1); x++)
        {
            target[2 * x] = (byte)((source[x] * 3 + source[x - 1] + 1) >> 2);
            target[2 * x + 1] = (byte)((source[x] * 3 + source[x + 1] + 2) >> 2);
        }
        if (x == width - 1)
        {
            target[2 * x] = (byte)((source[x] * 3 + source[x - 1] + 1) >> 2);
            target[2 * x + 1] = source[x];
        }
    }

    /// <summary>Blends samples <paramref name="first"/> to <paramref name="end"/> of two rows, 3/4 and 1/4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void BlendRows(ReadOnlySpan<byte> near, ReadOnlySpan<byte> far, Span<byte> target, int first, int end, int rounding)
    {
        var x = first;
        for (; x + 16 <= end; x += 16)
        {
            var sum = Lanes.LoadWidened(ref Lanes.At(near, x)) * 3 + Lanes.LoadWidened(ref Lanes.At(far, x)) + Vector256.Create((short)rounding);
            var bytes = Lanes.SwapMiddleQuarters(Lanes.PackBytes(sum >>> 2, Vector256<short>.Zero));
            Lanes.Store(bytes.GetLower(), ref Lanes.At(target, x));
        }
        for (; x < end; x++)
            target[x] = (byte)((near[x] * 3 + far[x] + rounding) >> 2);
    }

    /// <summary>Blends two rows and doubles samples <paramref name="first"/> to <paramref name="end"/> of the result; the products keep 4 extra bits until then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StretchRows(ReadOnlySpan<byte> near, ReadOnlySpan<byte> far, Span<byte> target, int width, int first, int end)
    {
        var x = first;
        if (x == 0)
        {
            int edge = near[0] * 3 + far[0], second = near[1] * 3 + far[1];
            target[0] = (byte)((edge * 4 + 8) >> 4);
            target[1] = (byte)((edge * 3 + second + 7) >> 4);
            x = 1;
        }
        for (; x + 16 < width && x < end; x += 16)
        {
            var center = BlendedColumns(near, far, x) * 3;
            var even = (center + BlendedColumns(near, far, x - 1) + Vector256.Create((short)8)) >>> 4;
            var odd = (center + BlendedColumns(near, far, x + 1) + Vector256.Create((short)7)) >>> 4;
            Lanes.Store(even | (odd << 8), ref Lanes.At(target, 2 * x));
        }
        int previous = near[x - 1] * 3 + far[x - 1], current = near[x] * 3 + far[x];
        for (; x < Math.Min(end, width - 1); x++)
        {
            var next = near[x + 1] * 3 + far[x + 1];
            target[2 * x] = (byte)((current * 3 + previous + 8) >> 4);
            target[2 * x + 1] = (byte)((current * 3 + next + 7) >> 4);
            (previous, current) = (current, next);
        }
        if (x == width - 1)
        {
            target[2 * x] = (byte)((current * 3 + previous + 8) >> 4);
            target[2 * x + 1] = (byte)((current * 4 + 7) >> 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> BlendedColumns(ReadOnlySpan<byte> near, ReadOnlySpan<byte> far, int x) =>
        Lanes.LoadWidened(ref Lanes.At(near, x)) * 3 + Lanes.LoadWidened(ref Lanes.At(far, x));
}
