using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>Pixels that a layer adds around an image: a fixed number, or as many as the image's size asks for.</summary>
public readonly record struct WindowPadding
{
    private readonly Padding2d _fixed;
    private readonly bool _isSame;

    private WindowPadding(Padding2d padding, bool isSame) => (_fixed, _isSame) = (padding, isSame);

    public static implicit operator WindowPadding(int sides) => new(sides, isSame: false);

    public static implicit operator WindowPadding(Padding2d padding) => new(padding, isSame: false);

    /// <summary>TensorFlow's "same": as much as makes the output ⌈input / stride⌉, the odd pixel below and right.</summary>
    public static WindowPadding Same => new(0, isSame: true);

    /// <summary>The symmetric padding that an odd kernel needs to keep the size, or to halve it: <c>⌊(stride - 1 + dilation · (kernel - 1)) / 2⌋</c>.</summary>
    public static WindowPadding Centred(Size2d kernel, Size2d stride, Size2d dilation) =>
        (Padding2d)(Centred(kernel.H, stride.H, dilation.H), Centred(kernel.W, stride.W, dilation.W));

    /// <summary>The pixels for an image [N, H, W, C].</summary>
    /// <exception cref="ShapeException">It is no such image.</exception>
    public Padding2d For(Shape image, Size2d kernel, Size2d stride, Size2d dilation)
    {
        if (image.Rank != 4)
            throw new ShapeException($"a window moves over images [N, H, W, C], got shape {image}");
        if (!_isSame)
            return _fixed;
        var (rows, columns) = (Missing(image[1], kernel.H, stride.H, dilation.H), Missing(image[2], kernel.W, stride.W, dilation.W));
        return (rows / 2, columns / 2, rows - (rows / 2), columns - (columns / 2));
    }

    private static int Centred(int kernel, int stride, int dilation) => (stride - 1 + (dilation * (kernel - 1))) / 2;

    private static int Missing(int size, int kernel, int stride, int dilation)
    {
        var outputs = (size + stride - 1) / stride;
        return Math.Max(0, ((outputs - 1) * stride) + ((kernel - 1) * dilation) + 1 - size);
    }

    public override string ToString() => _isSame ? "same" : _fixed.ToString();
}
