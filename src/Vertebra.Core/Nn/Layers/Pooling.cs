using Vertebra.Ops;

namespace Vertebra.Nn;

/// <summary>Maximum over windows of [N, H, W, C]; padding never wins.</summary>
public sealed class MaxPool2d(Size2d kernel, Size2d? stride = null, WindowPadding? padding = null, bool ceilMode = false) : Module
{
    /// <summary>Size of the window.</summary>
    public Size2d Kernel { get; } = kernel;

    /// <summary>Step between windows; the kernel's size if not given.</summary>
    public Size2d Stride { get; } = stride ?? kernel;

    public WindowPadding Padding { get; } = padding ?? 0;

    protected override Tensor OnForward(Tensor x) => x.MaxPool2d(Kernel, Stride, Padding.For(x.Shape, Kernel, Stride, 1), ceilMode: ceilMode);
}

/// <summary>Mean over windows of [N, H, W, C].</summary>
public sealed class AvgPool2d(Size2d kernel, Size2d? stride = null, WindowPadding? padding = null, bool ceilMode = false, bool countIncludePad = true) : Module
{
    /// <summary>Size of the window.</summary>
    public Size2d Kernel { get; } = kernel;

    /// <summary>Step between windows; the kernel's size if not given.</summary>
    public Size2d Stride { get; } = stride ?? kernel;

    public WindowPadding Padding { get; } = padding ?? 0;

    protected override Tensor OnForward(Tensor x) => x.AvgPool2d(Kernel, Stride, Padding.For(x.Shape, Kernel, Stride, 1), ceilMode, countIncludePad);
}

/// <summary>Adds zeros around [N, H, W, C].</summary>
public sealed class ZeroPad2d(Padding2d padding) : Module
{
    public Padding2d Padding { get; } = padding;

    protected override Tensor OnForward(Tensor x) => x.Pad([0, Padding.Top, Padding.Left, 0], [0, Padding.Bottom, Padding.Right, 0]);
}
