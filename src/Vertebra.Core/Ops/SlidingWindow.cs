using Vertebra.Kernels;

namespace Vertebra.Ops;

/// <summary>Height and width, or the same number for both.</summary>
public readonly record struct Size2d(int H, int W)
{
    public static implicit operator Size2d(int both) => new(both, both);

    public static implicit operator Size2d((int H, int W) size) => new(size.H, size.W);
}

/// <summary>Rows and columns added around an image: the same everywhere, (vertical, horizontal), or (top, left, bottom, right).</summary>
public readonly record struct Padding2d(int Top, int Left, int Bottom, int Right)
{
    public static implicit operator Padding2d(int all) => new(all, all, all, all);

    public static implicit operator Padding2d((int Vertical, int Horizontal) p) => new(p.Vertical, p.Horizontal, p.Vertical, p.Horizontal);

    public static implicit operator Padding2d((int Top, int Left, int Bottom, int Right) p) => new(p.Top, p.Left, p.Bottom, p.Right);
}

/// <summary>An operation that moves a window over the rows and columns of NHWC images.</summary>
public abstract record SlidingWindowOp : Op
{
    public int StrideH { get; init; } = 1;

    public int StrideW { get; init; } = 1;

    public int PadTop { get; init; }

    public int PadLeft { get; init; }

    public int PadBottom { get; init; }

    public int PadRight { get; init; }

    internal Size2d Stride
    {
        get => new(StrideH, StrideW);
        init => (StrideH, StrideW) = (value.H, value.W);
    }

    internal Padding2d Padding
    {
        get => new(PadTop, PadLeft, PadBottom, PadRight);
        init => (PadTop, PadLeft, PadBottom, PadRight) = (value.Top, value.Left, value.Bottom, value.Right);
    }

    private protected void CheckWindow()
    {
        if (StrideH < 1 || StrideW < 1)
            throw Rules.Broken(this, $"stride must be 1 or more, got {StrideH}x{StrideW}");
        if (PadTop < 0 || PadLeft < 0 || PadBottom < 0 || PadRight < 0)
            throw Rules.Broken(this, $"padding must not be negative, got top {PadTop}, left {PadLeft}, bottom {PadBottom}, right {PadRight}");
    }
}

/// <summary>Pooling over windows of NHWC images; the subclasses say where the windows lie.</summary>
public abstract record Pool2d : SlidingWindowOp
{
    public int KernelH { get; init; } = 1;

    public int KernelW { get; init; } = 1;

    public int DilationH { get; init; } = 1;

    public int DilationW { get; init; } = 1;

    /// <summary>Round the output size up: windows may pass the end of the padded input, if they start inside the input or its leading padding.</summary>
    public bool CeilMode { get; init; }

    internal Size2d Kernel
    {
        get => new(KernelH, KernelW);
        init => (KernelH, KernelW) = (value.H, value.W);
    }

    internal Size2d Dilation
    {
        init => (DilationH, DilationW) = (value.H, value.W);
    }

    /// <summary>[N, OH, OW, C] for an input [N, H, W, C].</summary>
    private protected Shape PooledShape(TensorSpec input)
    {
        Rules.Is(this, input, DType.Float32);
        Rules.Rank(this, input, 4, "[N, H, W, C]");
        CheckWindow();
        if (KernelH < 1 || KernelW < 1 || DilationH < 1 || DilationW < 1)
            throw Rules.Broken(this, $"kernel and dilation must be 1 or more, got {KernelH}x{KernelW} and {DilationH}x{DilationW}");
        CheckPadding(KernelH, DilationH, PadTop, PadBottom, "rows");
        CheckPadding(KernelW, DilationW, PadLeft, PadRight, "columns");
        var x = input.Shape;
        var height = PoolAxis.CountOf(x[1], KernelH, StrideH, PadTop, PadBottom, DilationH, CeilMode);
        var width = PoolAxis.CountOf(x[2], KernelW, StrideW, PadLeft, PadRight, DilationW, CeilMode);
        if (height < 1 || width < 1)
            throw Rules.Broken(this, $"a {KernelH}x{KernelW} kernel{Dilated} does not fit images of {x[1]}x{x[2]} with padding top {PadTop}, left {PadLeft}, bottom {PadBottom}, right {PadRight}, input shape {x}");
        return [x[0], height, width, x[3]];
    }

    private protected (PoolAxis Rows, PoolAxis Columns) Axes(Shape x, bool countPadding) => (
        PoolAxis.Fixed(x[1], KernelH, StrideH, PadTop, PadBottom, DilationH, CeilMode, countPadding),
        PoolAxis.Fixed(x[2], KernelW, StrideW, PadLeft, PadRight, DilationW, CeilMode, countPadding));

    private string Dilated => DilationH == 1 && DilationW == 1 ? "" : $", dilated {DilationH}x{DilationW},";

    private void CheckPadding(int kernel, int dilation, int before, int after, string what)
    {
        if (Math.Max(before, after) > (long)(kernel - 1) * dilation)
            throw Rules.Broken(this, $"padding {before} and {after} of the {what} must be smaller than the kernel ({((long)(kernel - 1) * dilation) + 1}), or windows would hold nothing but padding");
    }
}
