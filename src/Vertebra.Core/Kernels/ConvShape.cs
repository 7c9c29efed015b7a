namespace Vertebra.Kernels;

/// <summary>
/// The sizes of a convolution: input [N, H, W, C], weight [OC, C / Groups, KH, KW], output [N, OH, OW, OC]. For a transposed
/// convolution it is the shape of the convolution whose input gradient it is.
/// </summary>
internal readonly record struct ConvShape(int N, int H, int W, int C, int OC, int KH, int KW)
{
    public int StrideH { get; init; } = 1;
    public int StrideW { get; init; } = 1;
    public int PadTop { get; init; }
    public int PadLeft { get; init; }
    public int PadBottom { get; init; }
    public int PadRight { get; init; }
    public int DilationH { get; init; } = 1;
    public int DilationW { get; init; } = 1;
    public int Groups { get; init; } = 1;

    /// <summary>Output height; 0 where the kernel does not fit into the padded input.</summary>
    public int OH => OutputSize(H + PadTop + PadBottom, KH, DilationH, StrideH);

    /// <summary>Output width; 0 where the kernel does not fit into the padded input.</summary>
    public int OW => OutputSize(W + PadLeft + PadRight, KW, DilationW, StrideW);

    /// <summary>Input channels of one group.</summary>
    public int GroupC => C / Groups;

    /// <summary>Output channels of one group.</summary>
    public int GroupOC => OC / Groups;

    public long InputCount => (long)N * H * W * C;
    public long OutputCount => (long)N * OH * OW * OC;
    public long WeightCount => (long)OC * GroupC * KH * KW;

    /// <summary>Multiply-accumulates of the forward pass, padding included.</summary>
    public long MultiplyAccumulates => OutputCount * GroupC * KH * KW;

    /// <summary>Every output channel reads a single input channel.</summary>
    public bool IsDepthwise => Groups == C && C > 1;

    /// <summary>A product with a matrix for each pixel.</summary>
    public bool IsPointwise =>
        KH == 1 && KW == 1 && StrideH == 1 && StrideW == 1 && (PadTop | PadLeft | PadBottom | PadRight) == 0 && Groups == 1;

    /// <summary>Throws where the sizes make no convolution.</summary>
    public void Validate()
    {
        if (N < 0 || H < 0 || W < 0 || C < 1 || OC < 1 || KH < 1 || KW < 1 || StrideH < 1 || StrideW < 1 || DilationH < 1 || DilationW < 1
            || PadTop < 0 || PadLeft < 0 || PadBottom < 0 || PadRight < 0 || Groups < 1 || C % Groups != 0 || OC % Groups != 0)
            throw new ArgumentException($"{this} is not a convolution");
    }

    private static int OutputSize(int padded, int kernel, int dilation, int stride)
    {
        var room = padded - (long)dilation * (kernel - 1) - 1;
        return room < 0 ? 0 : (int)(room / stride) + 1;
    }
}

/// <summary>
/// The kernel positions that take part in one pass over an image, as a grid: tap (i, j) reads, for output (y, x), the input at
/// (y · stride + Top + i · RowStep, x · stride + Left + j · ColumnStep), and is kernel position (KernelRow + i · KernelRowStep,
/// KernelColumn + j · KernelColumnStep).
/// </summary>
internal readonly record struct TapGrid(TapAxis Vertical, TapAxis Horizontal)
{
    public int Rows => Vertical.Count;
    public int Columns => Horizontal.Count;
    public int Count => Rows * Columns;

    /// <summary>Kernel position of tap <paramref name="tap"/>, counted row by row, as an offset into [KH, KW].</summary>
    public int KernelOffset(int tap, int kernelWidth) =>
        Vertical.KernelPosition(tap / Columns) * kernelWidth + Horizontal.KernelPosition(tap % Columns);

    /// <summary>All kernel positions, for the forward pass and the weight gradient.</summary>
    public static TapGrid Forward(in ConvShape shape) => new(
        new(shape.KH, -shape.PadTop, shape.DilationH, 0, 1), new(shape.KW, -shape.PadLeft, shape.DilationW, 0, 1));

    /// <summary>
    /// The taps over the output gradient that reach the input rows ≡ <paramref name="row"/> (mod StrideH) and columns ≡
    /// <paramref name="column"/> (mod StrideW): within such a phase the input gradient is a convolution of stride 1.
    /// </summary>
    public static TapGrid Phase(in ConvShape shape, int row, int column) => new(
        TapAxis.Phase(shape.KH, shape.StrideH, shape.DilationH, shape.PadTop, row),
        TapAxis.Phase(shape.KW, shape.StrideW, shape.DilationW, shape.PadLeft, column));
}

/// <summary>One axis of a <see cref="TapGrid"/>.</summary>
internal readonly record struct TapAxis(int Count, int First, int Step, int FirstKernel, int KernelStep)
{
    public int KernelPosition(int tap) => FirstKernel + tap * KernelStep;

    /// <summary>First input position past <paramref name="outputs"/> outputs, and the first one of all.</summary>
    public (int First, int End) Reach(int outputs, int stride) => (First, (outputs - 1) * stride + First + (Count - 1) * Step + 1);

    /// <summary>The outputs below <paramref name="outputs"/> for which tap <paramref name="tap"/> reads inside [0, <paramref name="size"/>).</summary>
    public (int First, int End) Inside(int tap, int outputs, int stride, int size)
    {
        var offset = First + tap * Step;
        var first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
        var end = size - 1 - offset < 0 ? 0 : (size - 1 - offset) / stride + 1;
        end = Math.Min(end, outputs);
        return (Math.Min(first, end), end);
    }

    /// <summary>The outputs for which every tap reads inside [0, <paramref name="size"/>).</summary>
    public (int First, int End) AllInside(int outputs, int stride, int size)
    {
        if (Count == 0)
            return (0, outputs);
        var first = Inside(0, outputs, stride, size).First;
        var end = Inside(Count - 1, outputs, stride, size).End;
        return (Math.Min(first, end), end);
    }

    /// <summary>The taps that read inside [0, <paramref name="size"/>) for output <paramref name="output"/>; they follow each other.</summary>
    public (int First, int End) TapsInside(int output, int stride, int size)
    {
        var start = output * stride + First;
        var first = start >= 0 ? 0 : Math.Min(Count, (-start + Step - 1) / Step);
        var end = size - 1 - start < 0 ? 0 : Math.Min(Count, (size - 1 - start) / Step + 1);
        return (Math.Min(first, end), end);
    }

    // Input position p gets from kernel position k the output (p + pad - k·dilation) / stride, where that is whole. With
    // p = phase + stride·j the output is j + (phase + pad - k·dilation) / stride; taps in order of rising output.
    public static TapAxis Phase(int kernel, int stride, int dilation, int pad, int phase)
    {
        var common = GreatestCommonDivisor(stride, dilation);
        var kernelStep = stride / common;
        for (var last = kernel - 1; last >= 0 && last > kernel - 1 - kernelStep; last--)
        {
            var position = phase + pad - last * dilation;
            if (position % stride == 0)
                return new(last / kernelStep + 1, position / stride, dilation / common, last, -kernelStep);
        }
        return new(0, 0, 1, 0, 1);
    }

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);
}
