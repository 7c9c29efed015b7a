namespace Vertebra.Kernels;

/// <summary>
/// A convolution whose kernel is as large as its image: a matrix product with the weights as they are stored, once the image's channels
/// come first. Each weight is read or written once; there are too many of them to be packed for one call.
/// </summary>
internal static unsafe class WholeImageConv
{
    private const int ManyWeights = 1 << 18;

    public static bool Is(in ConvShape shape) =>
        shape.WeightCount >= ManyWeights && shape is { Groups: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0, DilationH: 1, DilationW: 1 } && shape.KH == shape.H && shape.KW == shape.W;

    /// <summary>y [N, 1, 1, OC].</summary>
    public static void Forward(in ConvShape shape, float* x, float* weight, float* bias, float* y)
    {
        using var channelsFirst = Scratch.Take(shape.InputCount);
        var length = ChannelsFirst(shape, x, channelsFirst.Pointer);
        MatMul.Run(shape.N, shape.OC, length, channelsFirst.Pointer, length, false, weight, length, true, y, shape.OC, bias: bias);
    }

    /// <summary>dx [N, H, W, C] and perhaps a bias [C].</summary>
    public static void InputGradient(in ConvShape shape, float* dy, float* weight, float* dx, float* bias)
    {
        var length = checked(shape.H * shape.W * shape.C);
        using var channelsFirst = Scratch.Take(shape.InputCount);
        MatMul.Run(shape.N, length, shape.OC, dy, shape.OC, false, weight, length, false, channelsFirst.Pointer, length);
        for (var image = 0; image < shape.N; image++)
            Transpose.Run(shape.C, shape.H * shape.W, channelsFirst.Pointer + (nint)image * length, shape.H * shape.W, dx + (nint)image * length, shape.C);
        for (nint pixel = 0; bias != null && pixel < (nint)shape.N * shape.H * shape.W; pixel++)
        {
            for (var channel = 0; channel < shape.C; channel++)
                dx[pixel * shape.C + channel] += bias[channel];
        }
    }

    /// <summary>dw [OC, C, H, W].</summary>
    public static void WeightGradient(in ConvShape shape, float* x, float* dy, float* dw)
    {
        using var channelsFirst = Scratch.Take(shape.InputCount);
        var length = ChannelsFirst(shape, x, channelsFirst.Pointer);
        MatMul.Run(shape.OC, length, shape.N, dy, shape.OC, true, channelsFirst.Pointer, length, false, dw, length);
    }

    // Returns the numbers of an image.
    private static int ChannelsFirst(in ConvShape shape, float* x, float* target)
    {
        var length = checked(shape.H * shape.W * shape.C);
        for (var image = 0; image < shape.N; image++)
            Transpose.Run(shape.H * shape.W, shape.C, x + (nint)image * length, shape.C, target + (nint)image * length, shape.H * shape.W);
        return length;
    }
}
